#include <algorithm>
#include <optional>
#include <utility>

#include "src/exec/detail/demand.h"

namespace qsweep::detail {
namespace {

using Kind = Instruction::Kind;

class QuantizerFusion {
 public:
  QuantizerFusion(const Walk& walk,
                  std::span<const Precision> precisions,
                  const Adaptations* adaptations)
      : walk_(walk), precisions_(precisions), adaptations_(adaptations) {}

  void apply(Walk& result) {
    const std::vector<Instruction>& all = walk_.instructions;
    for (std::size_t i = 0; i < all.size(); ++i) {
      if (const std::optional<std::size_t> quantizer = only_reader(i)) {
        fuse(all[i], i + 1, *quantizer);
        i = *quantizer + 1;  // the release behind it is part of what was fused
      } else {
        append(all[i], walk_.sources(all[i]), walk_.targets(all[i]));
      }
    }
    result.instructions = std::move(instructions_);
    result.operands = std::move(operands_);
  }

 private:
  bool is_integer(const Instruction& i) const {
    return uses_integer_kernel(precisions_[i.precision]);
  }
  bool scales_input(const Instruction& i) const {
    return adaptations_ != nullptr && !adaptations_->empty() &&
           !adaptations_->at(static_cast<std::size_t>(i.layer)).at(i.precision).scale.empty();
  }

  /// The quantizer that alone reads what the integer layer at `at` computes: it follows, with
  /// nothing but releases between, and the value is released right after it.
  std::optional<std::size_t> only_reader(std::size_t at) const {
    const std::vector<Instruction>& all = walk_.instructions;
    const Instruction& layer = all[at];
    if (layer.kind != Kind::compute || layer.layer < 0 || !is_integer(layer)) return std::nullopt;
    const std::int32_t value = walk_.targets(layer)[0];
    std::size_t next = at + 1;
    while (next < all.size() && all[next].kind == Kind::release) ++next;
    if (next + 1 >= all.size() || all[next].kind != Kind::quantize ||
        all[next + 1].kind != Kind::release)
      return std::nullopt;
    const Instruction& quantizer = all[next];
    const auto released = walk_.sources(all[next + 1]);
    const bool reads_it_alone = walk_.sources(quantizer)[0] == value &&
                                std::ranges::find(released, value) != released.end();
    if (!reads_it_alone || !is_integer(quantizer) || scales_input(quantizer)) return std::nullopt;
    return next;
  }

  void fuse(const Instruction& layer, std::size_t between, std::size_t quantizer) {
    const Instruction& q = walk_.instructions[quantizer];
    const std::int32_t codes = walk_.targets(q)[0];
    Instruction fused = layer;
    fused.kind = Kind::compute_codes;
    fused.next_layer = q.layer;
    fused.next_precision = q.precision;
    append(fused, walk_.sources(layer), walk_.targets(q));
    // What was released on the way, but for the value that never was and the register that now
    // holds the codes.
    std::vector<std::int32_t> released;
    const auto release = [&](const Instruction& r, std::int32_t but) {
      std::ranges::copy_if(walk_.sources(r), std::back_inserter(released),
                           [&](std::int32_t id) { return id != but; });
    };
    for (std::size_t r = between; r < quantizer; ++r) release(walk_.instructions[r], codes);
    release(walk_.instructions[quantizer + 1], walk_.targets(layer)[0]);
    if (!released.empty()) append(walk_.instructions[quantizer + 1], released, {});
  }

  void append(Instruction i,
              std::span<const std::int32_t> sources,
              std::span<const std::int32_t> targets) {
    i.sources = static_cast<std::uint16_t>(sources.size());
    i.targets = static_cast<std::uint16_t>(targets.size());
    i.at = static_cast<std::uint32_t>(operands_.size());
    operands_.insert(operands_.end(), sources.begin(), sources.end());
    operands_.insert(operands_.end(), targets.begin(), targets.end());
    instructions_.push_back(i);
  }

  const Walk& walk_;
  std::span<const Precision> precisions_;
  const Adaptations* adaptations_;
  std::vector<Instruction> instructions_;
  std::vector<std::int32_t> operands_;
};

}  // namespace

void fuse_quantizers(Walk& walk,
                     std::span<const Precision> precisions,
                     const Adaptations* adaptations) {
  QuantizerFusion(walk, precisions, adaptations).apply(walk);
}

}  // namespace qsweep::detail
