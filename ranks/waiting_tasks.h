#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <span>
#include <unordered_map>
#include <utility>
#include <vector>

#include "ranks/coordinator.h"

namespace qsweep {

/// The tasks that no rank holds, in the order in which they go out, and the ranks at which groups
/// are at home. Which one a rank gets next is found without looking at each: in O(log tasks), times
/// the number of different sets of avoided ranks, which failures and losses make.
class WaitingTasks {
 public:
  /// Ranks that get a task only when no other may.
  using Avoided = std::set<int>;

  explicit WaitingTasks(int ranks) : at_home_(static_cast<std::size_t>(ranks)) {}

  /// All of `tasks` wait, in order of falling cost (equal costs in the order given), and avoid
  /// nobody. Homes stay. `tasks` must outlive the last call before the next begin().
  void begin(std::span<const Task> tasks);
  [[nodiscard]] bool empty() const { return count_ == 0; }
  [[nodiscard]] std::size_t size() const { return count_; }

  /// Removes and returns the task that `rank` should have next. The first one in order that is of
  /// no group or of a group at home there; else the first of a group without a home; else the first
  /// of all. If its group has no home, `rank` becomes it.
  /// @param may_try whether `rank` may have a task that avoids these ranks, itself among them
  std::optional<std::size_t> take(int rank, const std::function<bool(const Avoided&)>& may_try);
  /// The task, which does not wait, goes before or behind all others.
  void push_front(std::size_t task);
  void push_back(std::size_t task);
  /// No effect when it does not wait.
  void remove(std::size_t task);
  /// From now on the task, which does not wait, avoids `rank`.
  void avoid(std::size_t task, int rank);
  /// Groups at home at `rank`, which is lost for ever, have no home any more.
  void forget_home(int rank);

 private:
  /// Before smaller ones come larger ones; distinct over all waiting tasks.
  using Place = std::int64_t;
  /// Tasks by the ranks that they avoid, each kind in order.
  using Queue = std::map<Avoided, std::map<Place, std::size_t>>;
  struct State {
    bool waits = false;
    Place place = 0;
    Avoided avoided{};
  };
  using First = std::optional<std::pair<Place, std::size_t>>;
  using MayTry = std::function<bool(const Avoided&)>;

  [[nodiscard]] static First first(const Queue& queue, int rank, const MayTry& may_try);
  /// The rank at which the task's group is at home, if it has a group and that a home.
  [[nodiscard]] std::optional<int> home(std::size_t task) const;
  /// The queues that hold the task while it waits.
  [[nodiscard]] std::vector<Queue*> queues_of(std::size_t task);
  void insert(std::size_t task, Place place);
  void give_home(std::int64_t group, int rank);

  std::span<const Task> tasks_;
  std::vector<State> states_;
  std::size_t count_ = 0;
  Place first_ = 0;                              ///< the next to go before all others
  Place last_ = 0;                               ///< the next to go behind all others
  std::unordered_map<std::int64_t, int> homes_;  ///< by group
  std::unordered_map<std::int64_t, std::vector<std::size_t>> members_;  ///< by group, of this run
  Queue ungrouped_;
  Queue homeless_;
  Queue settled_;               ///< of all groups with a home
  std::vector<Queue> at_home_;  ///< by rank: those of settled_ that are at home there
};

}  // namespace qsweep
