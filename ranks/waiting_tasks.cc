#include "ranks/waiting_tasks.h"

#include <algorithm>
#include <numeric>

#include "src/base/error.h"

namespace qsweep {

void WaitingTasks::begin(std::span<const Task> tasks) {
  tasks_ = tasks;
  states_.assign(tasks.size(), {});
  count_ = 0;
  first_ = -1;
  last_ = 0;
  members_.clear();
  for (Queue* queue : {&ungrouped_, &homeless_, &settled_}) queue->clear();
  for (Queue& queue : at_home_) queue.clear();
  for (std::size_t t = 0; t < tasks.size(); ++t) {
    if (tasks[t].group) members_[*tasks[t].group].push_back(t);
  }
  std::vector<std::size_t> order(tasks.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::ranges::stable_sort(
      order, [&](std::size_t a, std::size_t b) { return tasks[a].cost > tasks[b].cost; });
  for (const std::size_t task : order) push_back(task);
}

std::optional<std::size_t> WaitingTasks::take(int rank, const MayTry& may_try) {
  First next = first(ungrouped_, rank, may_try);
  const First own = first(at_home_.at(static_cast<std::size_t>(rank)), rank, may_try);
  if (own && (!next || own->first < next->first)) next = own;
  if (!next) next = first(homeless_, rank, may_try);
  if (!next) next = first(settled_, rank, may_try);
  if (!next) return std::nullopt;
  const std::size_t task = next->second;
  remove(task);
  if (const auto& group = tasks_[task].group; group && !home(task)) give_home(*group, rank);
  return task;
}

void WaitingTasks::push_front(std::size_t task) {
  insert(task, first_--);
}

void WaitingTasks::push_back(std::size_t task) {
  insert(task, last_++);
}

void WaitingTasks::remove(std::size_t task) {
  State& state = states_.at(task);
  if (!std::exchange(state.waits, false)) return;
  --count_;
  for (Queue* queue : queues_of(task)) {
    const auto at = queue->find(state.avoided);
    at->second.erase(state.place);
    if (at->second.empty()) queue->erase(at);
  }
}

void WaitingTasks::avoid(std::size_t task, int rank) {
  State& state = states_.at(task);
  QSWEEP_CHECK(!state.waits);
  state.avoided.insert(rank);
}

void WaitingTasks::forget_home(int rank) {
  std::erase_if(homes_, [&](const auto& entry) { return entry.second == rank; });
  Queue& left = at_home_.at(static_cast<std::size_t>(rank));
  for (const auto& [avoided, tasks] : left) {
    const auto at = settled_.find(avoided);
    for (const auto& [place, task] : tasks) at->second.erase(place);
    if (at->second.empty()) settled_.erase(at);
    homeless_[avoided].insert(tasks.begin(), tasks.end());
  }
  left.clear();
}

WaitingTasks::First WaitingTasks::first(const Queue& queue, int rank, const MayTry& may_try) {
  First first;
  for (const auto& [avoided, tasks] : queue) {
    if (avoided.contains(rank) && !may_try(avoided)) continue;
    if (!first || tasks.begin()->first < first->first) first = *tasks.begin();
  }
  return first;
}

std::optional<int> WaitingTasks::home(std::size_t task) const {
  const auto& group = tasks_[task].group;
  if (!group) return std::nullopt;
  const auto at = homes_.find(*group);
  return at == homes_.end() ? std::nullopt : std::optional(at->second);
}

std::vector<WaitingTasks::Queue*> WaitingTasks::queues_of(std::size_t task) {
  if (!tasks_[task].group) return {&ungrouped_};
  if (const auto rank = home(task)) return {&settled_, &at_home_[static_cast<std::size_t>(*rank)]};
  return {&homeless_};
}

void WaitingTasks::insert(std::size_t task, Place place) {
  State& state = states_.at(task);
  QSWEEP_CHECK(!state.waits);
  state.waits = true;
  state.place = place;
  ++count_;
  for (Queue* queue : queues_of(task)) (*queue)[state.avoided].emplace(place, task);
}

void WaitingTasks::give_home(std::int64_t group, int rank) {
  std::vector<std::size_t> moving;
  for (const std::size_t task : members_.at(group)) {
    if (!states_[task].waits) continue;
    moving.push_back(task);
    remove(task);
  }
  homes_[group] = rank;
  for (const std::size_t task : moving) insert(task, states_[task].place);
}

}  // namespace qsweep
