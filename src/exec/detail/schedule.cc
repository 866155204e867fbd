#include <algorithm>
#include <limits>
#include <set>
#include <tuple>
#include <unordered_map>
#include <utility>

#include <fmt/format.h>

#include "src/base/error.h"
#include "src/base/text.h"

#include "src/exec/detail/demand.h"

namespace qsweep::detail {
namespace {

using Kind = Instruction::Kind;

constexpr std::int32_t kNever = std::numeric_limits<std::int32_t>::max();
/// Behind every step.
constexpr StepId kBehindAll(std::numeric_limits<std::int32_t>::max());

/// Plays the actions in order, deciding where each tensor lives and when it goes. A key is *live*
/// when a register holds it and *held* while something about to run reads it; held keys are never
/// evicted.
class Scheduler {
 public:
  Scheduler(const Demand& demand, std::int64_t budget)
      : demand_(demand),
        budget_(budget),
        registers_(demand.producers.size(), -1),
        holds_(demand.producers.size(), 0) {
    list_uses();
  }

  Walk run() {
    for (std::size_t p = 0; p < demand_.actions.size(); ++p) {
      const Action& action = demand_.actions[p];
      const std::span<const Key> operands = demand_.operands_of(action);
      make_live(operands);
      if (action.computation >= 0) {
        issue(demand_.computations[static_cast<std::size_t>(action.computation)]);
      } else {
        Instruction i;
        i.kind = action.kind;
        i.precision = action.precision;
        i.layer = action.layer;
        i.scheme = action.scheme;
        i.twin = action.twin;
        append(i, operands);
      }
      for (const Key key : operands) {
        auto& next = next_use_[static_cast<std::size_t>(key)];
        while (next < use_end(key) && uses_[next] <= static_cast<std::int32_t>(p)) ++next;
      }
      for (const Key key : operands) unhold(key);
    }
    walk_.registers = register_count_;
    walk_.order = demand_.order;
    walk_.work_without_reuse = demand_.work_without_reuse;
    return std::move(walk_);
  }

 private:
  /// The positions of the actions that read each key, ascending, key after key.
  void list_uses() {
    next_use_.assign(demand_.producers.size() + 1, 0);
    for (const Action& action : demand_.actions) {
      for (const Key key : demand_.operands_of(action))
        ++next_use_[static_cast<std::size_t>(key) + 1];
    }
    for (std::size_t k = 1; k < next_use_.size(); ++k) next_use_[k] += next_use_[k - 1];
    first_use_ = next_use_;
    uses_.resize(next_use_.back());
    for (std::size_t p = 0; p < demand_.actions.size(); ++p) {
      for (const Key key : demand_.operands_of(demand_.actions[p])) {
        uses_[next_use_[static_cast<std::size_t>(key)]++] = static_cast<std::int32_t>(p);
      }
    }
    next_use_ = first_use_;
  }
  [[nodiscard]] std::uint32_t use_end(Key key) const {
    return first_use_[static_cast<std::size_t>(key) + 1];
  }
  [[nodiscard]] std::int32_t next_use(Key key) const {
    const std::uint32_t at = next_use_[static_cast<std::size_t>(key)];
    return at < use_end(key) ? uses_[at] : kNever;
  }

  [[nodiscard]] std::int64_t bytes(Key key) const {
    return demand_.bytes[static_cast<std::size_t>(key)];
  }
  [[nodiscard]] bool is_live(Key key) const {
    return registers_[static_cast<std::size_t>(key)] >= 0;
  }
  [[nodiscard]] bool is_held(Key key) const { return holds_[static_cast<std::size_t>(key)] > 0; }

  void hold(Key key) {
    if (holds_[static_cast<std::size_t>(key)]++ > 0 || !is_live(key)) return;
    held_bytes_ += bytes(key);
    if (budget_ > 0) evictable_.erase({next_use(key), key});
  }
  void unhold(Key key) {
    if (--holds_[static_cast<std::size_t>(key)] > 0 || !is_live(key)) return;
    held_bytes_ -= bytes(key);
    settle(key);
  }
  /// A live key that nothing holds: gone if nobody will read it, otherwise open to eviction.
  void settle(Key key) {
    const std::int32_t next = next_use(key);
    if (next == kNever) {
      release(key);
    } else if (budget_ > 0) {
      evictable_.insert({next, key});
    }
  }
  void release(Key key) {
    std::int32_t& reg = registers_[static_cast<std::size_t>(key)];
    const bool extends =
        !walk_.instructions.empty() && walk_.instructions.back().kind == Kind::release &&
        walk_.instructions.back().sources < std::numeric_limits<std::uint16_t>::max();
    if (extends) {
      ++walk_.instructions.back().sources;
      walk_.operands.push_back(reg);
    } else {
      Instruction i;
      i.kind = Kind::release;
      append(i, {&key, 1});
    }
    free_registers_.push_back(std::exchange(reg, -1));
    live_bytes_ -= bytes(key);
  }
  void evict_latest() {
    const auto latest = std::prev(evictable_.end());
    const Key key = latest->second;
    evictable_.erase(latest);
    release(key);
  }

  /// Makes all keys live and holds them once per mention. What was evicted is computed again.
  void make_live(std::span<const Key> wanted) {
    if (std::ranges::all_of(wanted, [this](Key key) { return is_live(key); })) {
      for (const Key key : wanted) hold(key);
      return;
    }
    std::vector<std::int32_t> missing = missing_ancestors(wanted);
    hold_for(missing, wanted);
    if (peak_of(missing) > budget_) {
      // What is live now is in the way of the detour: start from the input, which needs no more
      // than a scheme on its own does.
      for (const std::int32_t id : missing) {
        for (const Key key : demand_.operands_of(computation(id))) unhold(key);
      }
      for (const Key key : wanted) unhold(key);
      while (!evictable_.empty()) evict_latest();
      missing = missing_ancestors(wanted);
      hold_for(missing, wanted);
    }
    for (const std::int32_t id : missing) {
      issue(computation(id));
      for (const Key key : demand_.operands_of(computation(id))) unhold(key);
    }
  }

  [[nodiscard]] const Computation& computation(std::int32_t id) const {
    return demand_.computations[static_cast<std::size_t>(id)];
  }

  /// The computations to run again so that all keys are live, in model order; a quantizer comes
  /// right before the first layer among them that reads it.
  std::vector<std::int32_t> missing_ancestors(std::span<const Key> wanted) {
    std::unordered_map<std::int32_t, StepId> due;  // computation: the step it belongs to
    std::vector<std::pair<Key, StepId>> open;      // key, step of its reader
    for (const Key key : wanted) open.emplace_back(key, kBehindAll);
    while (!open.empty()) {
      const auto [key, reader] = open.back();
      open.pop_back();
      if (is_live(key)) continue;
      const std::int32_t id = demand_.producers[static_cast<std::size_t>(key)];
      const Computation& c = computation(id);
      const auto [known, is_new] = due.try_emplace(id, kBehindAll);
      known->second = std::min(known->second, c.kind == Kind::quantize ? reader : c.step);
      if (!is_new) continue;
      for (const Key operand : demand_.operands_of(c)) open.emplace_back(operand, c.step);
    }
    std::vector<std::int32_t> found;
    for (const auto& [id, step] : due) found.push_back(id);
    std::ranges::sort(found, {}, [&](std::int32_t id) {
      return std::tuple(due.at(id), computation(id).kind != Kind::quantize, id);
    });
    return found;
  }

  void hold_for(std::span<const std::int32_t> computations, std::span<const Key> wanted) {
    for (const std::int32_t id : computations) {
      for (const Key key : demand_.operands_of(computation(id))) hold(key);
    }
    for (const Key key : wanted) hold(key);
  }

  /// Most bytes held at once while `computations` run; their holds are in place.
  [[nodiscard]] std::int64_t peak_of(std::span<const std::int32_t> computations) const {
    std::unordered_map<Key, int> unheld;
    std::int64_t held = held_bytes_;
    std::int64_t peak = held;
    for (const std::int32_t id : computations) {
      const Computation& c = computation(id);
      std::int64_t kept = 0;
      std::int64_t made = 0;
      for (Key key = c.first_output; key < c.first_output + c.outputs; ++key) {
        if (is_live(key)) continue;
        made += bytes(key);
        if (is_held(key)) kept += bytes(key);
      }
      peak = std::max(peak, held + made);
      held += kept;
      for (const Key key : demand_.operands_of(c)) {
        if (++unheld[key] == holds_[static_cast<std::size_t>(key)]) held -= bytes(key);
      }
    }
    return peak;
  }

  /// Runs a computation whose operands are live and held. Outputs that are live already (of an
  /// operator with several, run again for another one) keep their register; the copy is dropped.
  void issue(const Computation& c) {
    std::int64_t made = 0;
    for (Key key = c.first_output; key < c.first_output + c.outputs; ++key) {
      if (!is_live(key)) made += bytes(key);
    }
    make_room(made);
    targets_.clear();
    for (Key key = c.first_output; key < c.first_output + c.outputs; ++key) {
      const bool read = is_held(key) || next_use(key) != kNever;
      targets_.push_back(read && !is_live(key) ? take_register() : -1);
    }
    Instruction i;
    i.kind = c.kind;
    i.precision = c.precision;
    i.step = c.kind == Kind::compute || c.kind == Kind::round ? c.step : StepId();
    i.layer = c.layer;
    append(i, demand_.operands_of(c), targets_);
    walk_.work += c.work;
    for (std::size_t n = 0; n < targets_.size(); ++n) {
      if (targets_[n] < 0) continue;
      const Key key = c.first_output + static_cast<Key>(n);
      registers_[static_cast<std::size_t>(key)] = targets_[n];
      live_bytes_ += bytes(key);
      if (is_held(key)) {
        held_bytes_ += bytes(key);
      } else {
        settle(key);
      }
    }
    walk_.peak_bytes = std::max(walk_.peak_bytes, live_bytes_);
  }

  void make_room(std::int64_t more) {
    if (budget_ <= 0) return;
    while (live_bytes_ + more > budget_) {
      if (evictable_.empty()) {
        throw Error(
            ErrorCode::config,
            fmt::format(
                "a memory budget of {} is too small: one batch of one scheme needs {} at once",
                human_bytes(static_cast<std::uint64_t>(budget_)),
                human_bytes(static_cast<std::uint64_t>(live_bytes_ + more))),
            {}, "Raise the budget or lower the batch size");
      }
      evict_latest();
    }
  }

  std::int32_t take_register() {
    if (free_registers_.empty()) return register_count_++;
    const std::int32_t reg = free_registers_.back();
    free_registers_.pop_back();
    return reg;
  }

  void append(Instruction i,
              std::span<const Key> sources,
              std::span<const std::int32_t> targets = {}) {
    i.sources = static_cast<std::uint16_t>(sources.size());
    i.targets = static_cast<std::uint16_t>(targets.size());
    i.at = static_cast<std::uint32_t>(walk_.operands.size());
    for (const Key key : sources)
      walk_.operands.push_back(registers_[static_cast<std::size_t>(key)]);
    walk_.operands.insert(walk_.operands.end(), targets.begin(), targets.end());
    walk_.instructions.push_back(i);
  }

  const Demand& demand_;
  const std::int64_t budget_;
  Walk walk_;
  std::vector<std::int32_t> uses_;        ///< positions of actions, by key
  std::vector<std::uint32_t> first_use_;  ///< by key: index into uses_
  std::vector<std::uint32_t> next_use_;   ///< by key: index into uses_ of the first use yet to come
  std::vector<std::int32_t> registers_;   ///< by key; -1: not live
  std::vector<std::int32_t> holds_;       ///< by key
  std::set<std::pair<std::int32_t, Key>> evictable_;  ///< (next use, key): live and not held
  std::vector<std::int32_t> free_registers_;
  std::vector<std::int32_t> targets_;  ///< scratch
  std::int32_t register_count_ = 0;
  std::int64_t live_bytes_ = 0;
  std::int64_t held_bytes_ = 0;
};

}  // namespace

Walk schedule(const Demand& demand, std::int64_t budget) {
  return Scheduler(demand, budget).run();
}

}  // namespace qsweep::detail
