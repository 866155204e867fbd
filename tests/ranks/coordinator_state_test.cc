#include "ranks/coordinator_state.h"

#include <algorithm>
#include <map>
#include <set>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "src/base/error.h"

namespace qsweep {
namespace {

/// A coordinator whose ranks the test plays by hand.
class CoordinatorStateTest : public ::testing::Test {
 protected:
  void open(int ranks, CoordinatorOptions options = {}) { open(ranks, ranks, options); }
  /// Of `ranks` the first `here` have said hello.
  void open(int ranks, int here, CoordinatorOptions options = {}) {
    options.fingerprint = "f";
    state_ = std::make_unique<CoordinatorState>(ranks, options, 0.0);
    for (int r = 0; r < here; ++r) hello(r, "f");
  }
  void hello(int rank, const std::string& fingerprint) {
    state_->on_message({rank, message::hello, message::encode_hello({.fingerprint = fingerprint})},
                       now_);
  }
  /// The numbers of the configurations that the rank was sent.
  std::vector<std::uint64_t> configurations(int rank) {
    std::vector<std::uint64_t> numbers;
    for (const message::Envelope& e : sent_) {
      if (e.to == rank && e.kind == message::configure)
        numbers.push_back(message::decode_configure({0, e.kind, e.payload}).number);
    }
    return numbers;
  }
  void configure(OnFailure on_failure = OnFailure::end_run) {
    state_->configure(as_bytes("state"), on_failure);
    ++configuration_;
    collect();
  }
  void answer_configuration(int rank, std::optional<Refusal> refusal = {}) {
    answer_configuration(rank, configuration_, std::move(refusal));
  }
  void answer_configuration(int rank, std::uint64_t number, std::optional<Refusal> refusal) {
    state_->on_message(
        {rank, message::configured,
         message::encode_configured({.number = number, .refusal = std::move(refusal)})},
        now_);
    collect();
  }
  /// What the state throws at the next tick.
  std::optional<Error> tick() {
    try {
      state_->on_tick(now_);
    } catch (const Error& e) {
      return e;
    }
    collect();
    return std::nullopt;
  }
  void begin(int tasks, double cost = 1.0) {
    tasks_.assign(static_cast<std::size_t>(tasks), Task{.payload = {}, .cost = cost});
    state_->begin(tasks_, now_);
    collect();
  }
  /// Remembers which rank holds what.
  void collect() {
    for (const message::Envelope& e : state_->take_sends()) {
      sent_.push_back(e);
      if (e.kind != message::task) continue;
      const auto task = message::decode_task({0, e.kind, e.payload});
      round_ = task.round;
      held_[e.to].push_back(task.index);
    }
    for (TaskOutcome& o : state_->take_outcomes()) outcomes_.push_back(std::move(o));
  }
  /// The rank answers the oldest task it holds.
  std::uint64_t answer(int rank, bool ok, const std::string& error = "") {
    const std::uint64_t task = held_[rank].front();
    held_[rank].erase(held_[rank].begin());
    answer_task(rank, task, ok, error);
    return task;
  }
  void answer_task(int rank, std::uint64_t task, bool ok, const std::string& error = "") {
    state_->on_message(
        {rank, message::outcome,
         message::encode_outcome(
             {.round = round_, .index = task, .ok = ok, .seconds = 1.0, .error = error})},
        now_);
    collect();
  }
  /// Time passes; the ranks in `alive` send heartbeats.
  void pass(double seconds, const std::vector<int>& alive) {
    for (double end = now_ + seconds; now_ < end;) {
      now_ += 0.5;
      for (const int r : alive)
        state_->on_message({r, message::heartbeat, message::encode_empty(message::heartbeat)},
                           now_);
      state_->on_tick(now_);
    }
    collect();
  }
  [[nodiscard]] long count(int rank, message::Kind kind) const {
    return std::count_if(sent_.begin(), sent_.end(), [&](const message::Envelope& e) {
      return e.to == rank && e.kind == kind;
    });
  }

  std::unique_ptr<CoordinatorState> state_;
  std::vector<Task> tasks_;
  std::map<int, std::vector<std::uint64_t>> held_;
  std::vector<message::Envelope> sent_;
  std::vector<TaskOutcome> outcomes_;
  std::uint64_t round_ = 0;
  std::uint64_t configuration_ = 0;
  double now_ = 0.0;
};

TEST_F(CoordinatorStateTest, costly_tasks_go_first_and_equal_ones_in_order) {
  open(1, {.queue_depth = 4});
  tasks_ = {Task{.cost = 1.0}, Task{.cost = 3.0}, Task{.cost = 1.0}, Task{.cost = 3.0},
            Task{.cost = 2.0}};
  state_->begin(tasks_, now_);
  collect();
  for (int i = 0; i < 5; ++i) answer(0, true);
  std::vector<std::size_t> order;
  for (const TaskOutcome& o : outcomes_) order.push_back(o.task);
  EXPECT_EQ(order, (std::vector<std::size_t>{1, 3, 4, 0, 2}));
}

TEST_F(CoordinatorStateTest, tasks_of_a_group_return_to_the_rank_that_had_it_before) {
  open(3, {.queue_depth = 1});
  const auto begin_groups = [&](const std::vector<std::int64_t>& groups) {
    tasks_.clear();
    for (const std::int64_t g : groups) tasks_.push_back(Task{.group = g});
    held_.clear();
    state_->begin(tasks_, now_);
    collect();
  };
  begin_groups({5, 6, 7});  // for ranks 0, 1 and 2
  for (int r = 0; r < 3; ++r) answer(r, true);
  begin_groups({7, 7, 8, 6, 5, 6});
  EXPECT_EQ(held_[0].front(), 4u);
  EXPECT_EQ(held_[1].front(), 3u);
  EXPECT_EQ(held_[2].front(), 0u);
  answer(0, true);
  EXPECT_EQ(held_[0].front(), 2u) << "a group of nobody before one of rank 2";
  answer(0, true);
  EXPECT_EQ(held_[0].front(), 1u) << "rather any than none";
  EXPECT_EQ(held_[2].size(), 1u);
}

TEST_F(CoordinatorStateTest, groups_of_a_lost_rank_find_another) {
  open(3, {.queue_depth = 1});
  tasks_ = {Task{.group = 1}, Task{.group = 2}, Task{.group = 3}};
  state_->begin(tasks_, now_);
  collect();
  for (int r = 0; r < 3; ++r) answer(r, true);
  state_->give_up(1, "gone");
  tasks_ = {Task{.group = 3}, Task{.group = 3}, Task{.group = 2}, Task{.group = 2}};
  held_.clear();
  state_->begin(tasks_, now_);
  collect();
  EXPECT_EQ(held_[0].front(), 2u);
  EXPECT_EQ(held_[2].front(), 0u);
  answer(2, true);
  EXPECT_EQ(held_[2].front(), 1u);
  answer(0, true);
  EXPECT_EQ(held_[0].front(), 3u);
}

TEST_F(CoordinatorStateTest, second_tasks_are_queued_only_while_there_are_plenty) {
  open(3);
  begin(100);
  for (int r = 0; r < 3; ++r) EXPECT_EQ(held_[r].size(), 2u) << r;
  held_.clear();
  begin(4);
  for (int r = 0; r < 3; ++r) EXPECT_EQ(held_[r].size(), 1u) << r;
}

TEST_F(CoordinatorStateTest, a_failed_task_goes_to_another_rank_and_fails_there_for_good) {
  open(2);
  begin(1);
  EXPECT_EQ(held_[0], std::vector<std::uint64_t>{0});
  answer(0, false, "first");
  EXPECT_TRUE(outcomes_.empty());
  EXPECT_TRUE(held_[0].empty());
  answer(1, false, "second");
  ASSERT_EQ(outcomes_.size(), 1u);
  EXPECT_FALSE(outcomes_[0].ok);
  EXPECT_EQ(outcomes_[0].error, "second");
  EXPECT_EQ(outcomes_[0].rank, 1);
  EXPECT_EQ(outcomes_[0].attempts, 2);
  EXPECT_TRUE(state_->is_complete());
}

TEST_F(CoordinatorStateTest, a_failed_task_waits_for_a_rank_that_is_still_starting) {
  open(2, 1);
  begin(1);
  answer(0, false, "not here");
  EXPECT_TRUE(held_[0].empty());
  hello(1, "f");
  collect();
  ASSERT_EQ(held_[1].size(), 1u);
  answer(1, true);
  ASSERT_EQ(outcomes_.size(), 1u);
  EXPECT_TRUE(outcomes_[0].ok);
}

TEST_F(CoordinatorStateTest, a_failed_task_returns_when_the_other_rank_never_starts) {
  open(2, 1);
  begin(1);
  answer(0, false, "not here");
  pass(CoordinatorOptions{}.dead_after_s + 1.0, {0});
  ASSERT_EQ(held_[0].size(), 1u);
  answer(0, false, "nor now");
  ASSERT_EQ(outcomes_.size(), 1u);
  EXPECT_FALSE(outcomes_[0].ok);
}

TEST_F(CoordinatorStateTest, with_more_attempts_than_ranks_a_task_returns_to_where_it_failed) {
  open(2, {.max_attempts = 3});
  begin(1);
  answer(0, false);
  answer(1, false);
  ASSERT_EQ(held_[0].size() + held_[1].size(), 1u);
  answer(held_[0].empty() ? 1 : 0, true);
  EXPECT_TRUE(outcomes_.at(0).ok);
  EXPECT_EQ(outcomes_.at(0).attempts, 3);
}

TEST_F(CoordinatorStateTest, a_silent_rank_is_given_up_and_its_tasks_reissued) {
  open(2, {.dead_after_s = 10.0});
  begin(4);
  ASSERT_EQ(held_[1].size(), 1u);
  pass(9.0, {0});
  EXPECT_TRUE(state_->take_given_up().empty());
  pass(2.0, {0});
  EXPECT_EQ(state_->take_given_up(), std::vector<int>{1});
  EXPECT_TRUE(state_->ranks()[1].lost);
  while (!held_[0].empty()) answer(0, true);
  EXPECT_TRUE(state_->is_complete());
  EXPECT_EQ(outcomes_.size(), 4u);
}

TEST_F(CoordinatorStateTest, heartbeats_keep_a_rank) {
  open(2, {.dead_after_s = 10.0});
  begin(4);
  pass(100.0, {0, 1});
  EXPECT_FALSE(state_->ranks()[1].lost);
}

TEST_F(CoordinatorStateTest, time_in_which_nobody_listened_is_no_silence) {
  open(2, {.heartbeat_s = 1.0, .dead_after_s = 10.0});
  begin(4);
  now_ = 1000.0;  // a disk that hung, or a long stage between two runs
  state_->on_tick(now_);
  EXPECT_TRUE(state_->take_given_up().empty());
}

TEST_F(CoordinatorStateTest, a_late_result_of_a_lost_rank_counts_once_and_sends_it_away) {
  open(2, {.dead_after_s = 10.0});
  begin(4);
  const std::uint64_t task = held_[1].front();
  pass(11.0, {0});
  answer_task(1, task, true);
  ASSERT_EQ(outcomes_.size(), 1u);
  EXPECT_EQ(outcomes_[0].task, task);
  EXPECT_EQ(count(1, message::leave), 1);
  answer_task(1, task, true);
  EXPECT_EQ(outcomes_.size(), 1u);
  EXPECT_EQ(count(1, message::leave), 1);
  while (!held_[0].empty()) answer(0, true);
  EXPECT_EQ(outcomes_.size(), 4u);
  EXPECT_TRUE(state_->is_complete());
}

TEST_F(CoordinatorStateTest, a_task_that_three_ranks_died_of_fails_without_touching_rank_0) {
  open(5);
  begin(6);
  std::uint64_t poison = held_[1].front();
  for (int deaths = 1; deaths <= 3; ++deaths) {
    int holder = 0;
    for (auto& [r, tasks] : held_) {
      if (std::find(tasks.begin(), tasks.end(), poison) != tasks.end()) holder = r;
    }
    ASSERT_NE(holder, 0);
    held_.erase(holder);
    state_->give_up(holder, "killed");
    collect();
    for (int turn = 0; turn < 3; ++turn) {
      for (int r = 0; r < 5; ++r) {
        if (held_.contains(r) && !held_[r].empty() && held_[r].front() != poison) answer(r, true);
      }
    }
  }
  const auto failed =
      std::find_if(outcomes_.begin(), outcomes_.end(), [](const TaskOutcome& o) { return !o.ok; });
  ASSERT_NE(failed, outcomes_.end());
  EXPECT_EQ(failed->task, poison);
  EXPECT_EQ(failed->error, "3 ranks were lost while they computed it");
  EXPECT_TRUE(state_->is_complete());
  EXPECT_EQ(outcomes_.size(), 6u);
}

TEST_F(CoordinatorStateTest, outcomes_of_an_earlier_run_are_ignored) {
  open(1);
  begin(2);
  const std::uint64_t earlier = round_;
  begin(2);
  state_->on_message(
      {0, message::outcome, message::encode_outcome({.round = earlier, .index = 0, .ok = true})},
      now_);
  EXPECT_TRUE(state_->take_outcomes().empty());
}

TEST_F(CoordinatorStateTest, stopping_waits_for_all_who_compute_and_for_no_one_else) {
  open(3);
  begin(2);
  EXPECT_FALSE(state_->is_done());
  state_->stop();
  collect();
  EXPECT_EQ(count(0, message::drain), 1);
  EXPECT_EQ(count(1, message::drain), 1);
  EXPECT_EQ(count(2, message::drain), 0);
  answer(0, true);
  state_->on_message({0, message::drained, message::encode_empty(message::drained)}, now_);
  EXPECT_FALSE(state_->is_done());
  state_->give_up(1, "killed");
  EXPECT_TRUE(state_->is_done());
  EXPECT_FALSE(state_->is_complete());
}

TEST_F(CoordinatorStateTest, all_ranks_with_another_fingerprint_are_named) {
  CoordinatorOptions options;
  options.fingerprint = "1.0 avx2";
  state_ = std::make_unique<CoordinatorState>(4, options, 0.0);
  hello(0, "1.0 avx2");
  hello(1, "1.1 avx2");
  hello(2, "1.0 avx2");
  begin(3);
  EXPECT_TRUE(held_[1].empty());
  state_->on_tick(now_);  // rank 3 may differ as well
  hello(3, "1.0 sse2");
  try {
    state_->on_tick(now_);
    FAIL() << "no error";
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), ErrorCode::mismatch);
    EXPECT_EQ(e.message(),
              "not all ranks run the same program on the same kind of machine; rank 0: 1.0 avx2; "
              "rank 1: 1.1 avx2; rank 3: 1.0 sse2");
  }
}

TEST_F(CoordinatorStateTest, a_rank_that_sends_damage_is_given_up) {
  open(2);
  begin(4);
  state_->on_message({1, message::outcome, Payload(Bytes(10))}, now_);
  EXPECT_EQ(state_->take_given_up(), std::vector<int>{1});
  EXPECT_TRUE(state_->take_outcomes().empty());
}

TEST_F(CoordinatorStateTest, leaving_ranks_learn_who_was_lost) {
  open(3);
  state_->give_up(1, "killed");
  sent_.clear();
  state_->leave();
  collect();
  EXPECT_EQ(count(1, message::leave), 0);
  const auto last = std::find_if(sent_.begin(), sent_.end(),
                                 [](const message::Envelope& e) { return e.to == 2; });
  ASSERT_NE(last, sent_.end());
  EXPECT_EQ(message::decode_leave({0, last->kind, last->payload}), std::vector<int>{1});
}

const Refusal kNoFile{.code = ErrorCode::not_found, .reason = "no file", .hint = "Copy it"};
const Refusal kOtherFile{.code = ErrorCode::mismatch, .reason = "another file", .hint = "Same"};

TEST_F(CoordinatorStateTest, all_ranks_get_one_buffer) {
  open(3);
  configure();
  std::set<const std::byte*> buffers;
  for (const message::Envelope& e : sent_) {
    if (e.kind == message::configure) buffers.insert(e.payload.view().data());
  }
  EXPECT_EQ(buffers.size(), 1u);
  for (int r = 0; r < 3; ++r) EXPECT_EQ(count(r, message::configure), 1);
}

TEST_F(CoordinatorStateTest, a_rank_computes_only_after_it_has_said_that_it_is_configured) {
  open(2);
  configure();
  answer_configuration(0);
  EXPECT_FALSE(state_->is_configured());
  begin(4);
  EXPECT_FALSE(held_[0].empty());
  EXPECT_TRUE(held_[1].empty());
  answer_configuration(1);
  EXPECT_TRUE(state_->is_configured());
  EXPECT_FALSE(held_[1].empty());
}

TEST_F(CoordinatorStateTest, answers_to_an_earlier_configuration_do_not_count) {
  open(2);
  configure();
  configure();
  answer_configuration(0);
  answer_configuration(1, 1, std::nullopt);
  EXPECT_FALSE(state_->is_configured());
  answer_configuration(1, 1, kNoFile);
  EXPECT_FALSE(tick());
  answer_configuration(1);
  EXPECT_TRUE(state_->is_configured());
}

TEST_F(CoordinatorStateTest, a_rank_that_starts_late_gets_all_configurations_in_order) {
  open(3, 2);
  configure();
  configure();
  EXPECT_TRUE(configurations(2).empty());
  hello(2, "f");
  collect();
  EXPECT_EQ(configurations(2), (std::vector<std::uint64_t>{1, 2}));
  EXPECT_EQ(configurations(1), (std::vector<std::uint64_t>{1, 2}));
}

TEST_F(CoordinatorStateTest, a_rank_with_another_fingerprint_is_not_configured) {
  open(2, 1);
  configure();
  hello(1, "another");
  collect();
  EXPECT_TRUE(configurations(1).empty());
  answer_configuration(0);
  EXPECT_EQ(tick()->code(), ErrorCode::mismatch);
}

TEST_F(CoordinatorStateTest, ranks_that_cannot_be_configured_are_named_once_all_have_answered) {
  open(5);
  configure();
  for (const int r : {4, 1, 2}) answer_configuration(r, kNoFile);
  answer_configuration(0);
  EXPECT_FALSE(tick()) << "rank 3 may fail as well";
  answer_configuration(3);
  for (int turn = 0; turn < 2; ++turn) {
    const auto error = tick();
    ASSERT_TRUE(error);
    EXPECT_EQ(error->code(), ErrorCode::not_found);
    EXPECT_EQ(error->message(), "3 of 5 ranks cannot take part: ranks 1-2, 4: no file");
    EXPECT_EQ(error->hint(), "Copy it");
  }
  EXPECT_THROW(begin(3), Error);
  EXPECT_EQ(count(3, message::task), 0);
}

TEST_F(CoordinatorStateTest, ranks_that_differ_come_first_and_cannot_be_left_out) {
  open(4);
  configure(OnFailure::leave_out);
  answer_configuration(0);
  answer_configuration(1, kNoFile);
  answer_configuration(2, kOtherFile);
  answer_configuration(3, kOtherFile);
  const auto error = tick();
  ASSERT_TRUE(error);
  EXPECT_EQ(error->code(), ErrorCode::mismatch);
  EXPECT_EQ(error->message(),
            "2 of 4 ranks differ from rank 0: ranks 2-3: another file; "
            "1 of 4 ranks cannot take part: rank 1: no file");
  EXPECT_EQ(error->hint(), "Same");
  EXPECT_FALSE(state_->ranks()[1].left_out);
}

TEST_F(CoordinatorStateTest, a_rank_that_is_left_out_gets_heartbeats_and_leave_but_no_work) {
  open(2, {.dead_after_s = 10.0});
  configure(OnFailure::leave_out);
  answer_configuration(0);
  answer_configuration(1, kNoFile);
  EXPECT_FALSE(state_->is_configured());
  EXPECT_FALSE(tick());
  EXPECT_TRUE(state_->is_configured());
  EXPECT_TRUE(state_->ranks()[1].left_out);
  begin(6);
  EXPECT_TRUE(held_[1].empty());
  configure();
  EXPECT_EQ(configurations(1).size(), 1u);
  pass(5.0, {0, 1});
  EXPECT_GE(count(1, message::heartbeat), 4);
  answer_configuration(1, kNoFile);  // late nonsense changes nothing
  EXPECT_FALSE(tick());
  state_->leave();
  collect();
  EXPECT_EQ(count(1, message::leave), 1);
}

TEST_F(CoordinatorStateTest, a_failed_task_does_not_wait_for_a_rank_that_is_left_out) {
  open(2);
  configure(OnFailure::leave_out);
  answer_configuration(0);
  answer_configuration(1, kNoFile);
  EXPECT_FALSE(tick());
  begin(1);
  answer(0, false, "first");
  ASSERT_EQ(held_[0].size(), 1u);
  answer(0, true);
  EXPECT_TRUE(outcomes_.at(0).ok);
}

TEST_F(CoordinatorStateTest, a_failed_task_waits_for_a_rank_that_is_still_being_configured) {
  open(2);
  configure();
  answer_configuration(0);
  begin(1);
  answer(0, false, "not here");
  EXPECT_TRUE(held_[0].empty());
  answer_configuration(1);
  ASSERT_EQ(held_[1].size(), 1u);
}

TEST_F(CoordinatorStateTest, a_rank_that_is_lost_while_it_is_configured_is_not_waited_for) {
  open(3, {.dead_after_s = 10.0});
  configure();
  answer_configuration(0);
  answer_configuration(1);
  answer_configuration(2, kNoFile);
  state_->give_up(2, "killed");
  EXPECT_FALSE(tick()) << "what a lost rank said is no matter";
  EXPECT_TRUE(state_->is_configured());
  configure();
  answer_configuration(0);
  pass(11.0, {0});
  EXPECT_EQ(state_->take_given_up(), (std::vector<int>{2, 1}));
  EXPECT_TRUE(state_->is_configured());
}

TEST_F(CoordinatorStateTest, after_a_failure_a_later_configuration_counts) {
  open(2);
  configure();
  answer_configuration(0);
  answer_configuration(1, kNoFile);
  EXPECT_TRUE(tick());
  configure();
  EXPECT_FALSE(tick());
  answer_configuration(0);
  answer_configuration(1);
  EXPECT_FALSE(tick());
  EXPECT_TRUE(state_->is_configured());
  begin(2);
  EXPECT_EQ(held_[1].size(), 1u);
}

TEST_F(CoordinatorStateTest, alone_a_rank_fails_with_its_own_reason) {
  open(1);
  configure();
  answer_configuration(0, kNoFile);
  EXPECT_EQ(tick()->message(), "no file");
}

TEST_F(CoordinatorStateTest, a_silent_coordinator_still_beats) {
  open(2);
  begin(2);
  pass(10.0, {0, 1});
  EXPECT_GE(count(1, message::heartbeat), 9);
  EXPECT_LE(count(1, message::heartbeat), 11);
}

}  // namespace
}  // namespace qsweep
