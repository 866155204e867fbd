#include <algorithm>
#include <array>
#include <optional>
#include <utility>

#include "src/exec/detail/demand.h"

namespace qsweep::detail {
namespace {

using Kind = Instruction::Kind;

class ReaderFusion {
 public:
  ReaderFusion(const Walk& walk,
               const Program& program,
               const Trace& trace,
               std::span<const Precision> precisions,
               const Adaptations* adaptations)
      : walk_(walk),
        program_(program),
        trace_(trace),
        precisions_(precisions),
        adaptations_(adaptations) {}

  void apply(Walk& result) {
    const std::vector<Instruction>& all = walk_.instructions;
    for (std::size_t i = 0; i < all.size(); ++i) {
      const std::optional<std::size_t> reader = only_reader(i);
      if (reader && is_quantizer(all[i], all[*reader])) {
        fuse_quantizer(i, *reader);
      } else if (reader && is_sum(all[i], all[*reader])) {
        fuse_sum(i, *reader);
      } else {
        append(all[i], walk_.sources(all[i]), walk_.targets(all[i]));
        continue;
      }
      i = *reader + 1;  // the release behind it is part of what was fused
    }
    result.instructions = std::move(instructions_);
    result.operands = std::move(operands_);
  }

 private:
  [[nodiscard]] bool is_integer(const Instruction& i) const {
    return uses_integer_kernel(precisions_[i.precision]);
  }
  [[nodiscard]] bool scales_input(const Instruction& i) const {
    return adaptations_ != nullptr && !adaptations_->empty() &&
           !adaptations_->at(i.layer.index()).at(i.precision).scale.empty();
  }

  /// The instruction that alone reads what the layer at `at` computes: it follows, with nothing but
  /// releases between, and the value is released right after it.
  [[nodiscard]] std::optional<std::size_t> only_reader(std::size_t at) const {
    const std::vector<Instruction>& all = walk_.instructions;
    const Instruction& layer = all[at];
    if (layer.kind != Kind::compute || !layer.layer) return std::nullopt;
    const std::int32_t value = walk_.targets(layer)[0];
    std::size_t next = at + 1;
    while (next < all.size() && all[next].kind == Kind::release) ++next;
    if (next + 1 >= all.size() || all[next + 1].kind != Kind::release) return std::nullopt;
    const auto read = walk_.sources(all[next]);
    const auto released = walk_.sources(all[next + 1]);
    const bool reads_it_alone = std::ranges::count(read, value) == 1 &&
                                std::ranges::find(released, value) != released.end();
    return reads_it_alone ? std::optional(next) : std::nullopt;
  }

  [[nodiscard]] bool is_quantizer(const Instruction& layer, const Instruction& reader) const {
    return reader.kind == Kind::quantize && is_integer(layer) && is_integer(reader) &&
           !scales_input(reader);
  }

  /// An Add of the layer's result and another tensor of its shape.
  [[nodiscard]] bool is_sum(const Instruction& layer, const Instruction& reader) const {
    if (reader.kind != Kind::compute || reader.layer || reader.sources != 2 ||
        walk_.targets(reader)[0] < 0)
      return false;
    const auto step = [&](const Instruction& i) -> const Step& { return program_.step(i.step); };
    const Node& node = program_.graph().node(step(reader).node);
    if (node.op != "Add" || !node.domain.empty()) return false;
    const auto shape = [&](ValueId id) -> const Shape& {
      return trace_.shapes[static_cast<std::size_t>(id)];
    };
    const Shape& own = shape(step(layer).outputs[0]);
    return std::ranges::all_of(step(reader).inputs, [&](ValueId id) { return shape(id) == own; });
  }

  void fuse_quantizer(std::size_t layer, std::size_t reader) {
    const Instruction& l = walk_.instructions[layer];
    const Instruction& q = walk_.instructions[reader];
    Instruction fused = l;
    fused.kind = Kind::compute_codes;
    fused.next_layer = q.layer;
    fused.next_precision = q.precision;
    append(fused, walk_.sources(l), walk_.targets(q));
    append_releases(layer, reader);
  }

  void fuse_sum(std::size_t layer, std::size_t reader) {
    const Instruction& l = walk_.instructions[layer];
    const Instruction& sum = walk_.instructions[reader];
    const auto operands = walk_.sources(sum);
    const std::int32_t other = operands[operands[0] == walk_.targets(l)[0] ? 1 : 0];
    Instruction fused = l;
    fused.kind = Kind::compute_sum;
    fused.step = sum.step;
    append(fused, std::array{walk_.sources(l)[0], other}, walk_.targets(sum));
    append_releases(layer, reader);
  }

  /// What was released between a layer and its reader and behind that, but for the value that never
  /// was and the register that now holds the result.
  void append_releases(std::size_t layer, std::size_t reader) {
    const std::vector<Instruction>& all = walk_.instructions;
    std::vector<std::int32_t> released;
    const auto release = [&](const Instruction& r, std::int32_t but) {
      std::ranges::copy_if(walk_.sources(r), std::back_inserter(released),
                           [&](std::int32_t id) { return id != but; });
    };
    const std::int32_t result = walk_.targets(all[reader])[0];
    for (std::size_t r = layer + 1; r < reader; ++r) release(all[r], result);
    release(all[reader + 1], walk_.targets(all[layer])[0]);
    if (!released.empty()) append(all[reader + 1], released, {});
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
  const Program& program_;
  const Trace& trace_;
  std::span<const Precision> precisions_;
  const Adaptations* adaptations_;
  std::vector<Instruction> instructions_;
  std::vector<std::int32_t> operands_;
};

}  // namespace

void fuse_readers(Walk& walk,
                  const Program& program,
                  const Trace& trace,
                  std::span<const Precision> precisions,
                  const Adaptations* adaptations) {
  ReaderFusion(walk, program, trace, precisions, adaptations).apply(walk);
}

}  // namespace qsweep::detail
