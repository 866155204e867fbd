#include "ranks/worker_state.h"

#include <gtest/gtest.h>

#include "src/base/error.h"

namespace qsweep {
namespace {

class WorkerStateTest : public ::testing::Test {
 protected:
  void give(std::uint64_t index) {
    state_.on_message({0, message::task, message::encode_task(1, index, as_bytes("t"))}, 0.0);
  }
  void configure(std::string_view text) {
    state_.on_message(
        {0, message::configure, message::encode_configure(++configurations_, as_bytes(text))}, 0.0);
  }
  void tell(message::Kind kind) { state_.on_message({0, kind, message::encode_empty(kind)}, 0.0); }
  std::vector<int> sent_kinds() {
    std::vector<int> kinds;
    for (const message::Envelope& e : state_.take_sends()) kinds.push_back(e.kind);
    return kinds;
  }
  /// The worker's answer to the configuration that was given last.
  std::optional<Refusal> refusal() {
    const auto sends = state_.take_sends();
    EXPECT_EQ(sends.back().kind, message::configured);
    const auto answer = message::decode_configured({1, sends.back().kind, sends.back().payload});
    EXPECT_EQ(answer.number, configurations_);
    return answer.refusal;
  }
  WorkerState state_{
      {.heartbeat_s = 1.0, .coordinator_timeout_s = 10.0, .fingerprint = "f"}, 0.0, "node1"};
  std::uint64_t configurations_ = 0;
};

TEST_F(WorkerStateTest, says_hello_first) {
  const auto sends = state_.take_sends();
  ASSERT_EQ(sends.size(), 1u);
  const auto hello = message::decode_hello({1, sends[0].kind, sends[0].payload});
  EXPECT_EQ(hello.fingerprint, "f");
  EXPECT_EQ(hello.host, "node1");
}

TEST_F(WorkerStateTest, runs_one_job_at_a_time_in_the_order_given) {
  configure("a");
  give(1);
  give(2);
  EXPECT_TRUE(state_.next_job()->is_configure);
  EXPECT_FALSE(state_.next_job().has_value());
  state_.on_finished({.ok = true}, 0.0);
  EXPECT_FALSE(state_.next_job()->is_configure);
  state_.on_finished({.ok = true}, 0.0);
  EXPECT_TRUE(state_.next_job().has_value());
  state_.on_finished({.ok = false, .error = "no"}, 0.0);
  EXPECT_FALSE(state_.next_job().has_value());
  EXPECT_EQ(sent_kinds(), (std::vector<int>{message::hello, message::configured, message::outcome,
                                            message::outcome}));
}

TEST_F(WorkerStateTest, answers_each_configuration_with_ok_or_a_reason) {
  configure("good");
  (void)state_.next_job();
  state_.on_finished({.ok = true}, 0.0);
  EXPECT_FALSE(refusal().has_value());
  configure("bad");
  (void)state_.next_job();
  state_.on_finished({.error = "why", .code = ErrorCode::mismatch, .hint = "do"}, 0.0);
  const auto why = refusal();
  ASSERT_TRUE(why.has_value());
  EXPECT_EQ(why->code, ErrorCode::mismatch);
  EXPECT_EQ(why->reason, "why");
  EXPECT_EQ(why->hint, "do");
}

TEST_F(WorkerStateTest, computes_nothing_after_a_failed_configuration_until_one_succeeds) {
  configure("bad");
  (void)state_.next_job();
  state_.on_finished({.ok = false, .error = "why"}, 0.0);
  give(7);
  EXPECT_FALSE(state_.next_job().has_value());
  configure("good");
  EXPECT_TRUE(state_.next_job()->is_configure);
  state_.on_finished({.ok = true}, 0.0);
  give(8);
  EXPECT_FALSE(state_.next_job()->is_configure);
}

TEST_F(WorkerStateTest, beats_while_it_is_configured) {
  configure("slow");
  (void)state_.next_job();
  (void)state_.take_sends();
  for (double now = 0.25; now <= 5.0; now += 0.25) state_.on_tick(now);
  EXPECT_EQ(sent_kinds(), std::vector<int>(5, message::heartbeat));
}

TEST_F(WorkerStateTest, tasks_after_a_failed_configuration_fail_with_its_reason) {
  configure("bad");
  give(7);
  give(8);
  (void)state_.next_job();
  state_.on_finished({.ok = false, .error = "why"}, 0.0);
  EXPECT_FALSE(state_.next_job().has_value());
  const auto sends = state_.take_sends();
  ASSERT_EQ(sends.size(), 4u);
  const auto outcome = message::decode_outcome({1, sends[3].kind, sends[3].payload});
  EXPECT_FALSE(outcome.ok);
  EXPECT_EQ(outcome.index, 8u);
  EXPECT_EQ(outcome.error, "why");
}

TEST_F(WorkerStateTest, draining_drops_what_waits_and_answers_after_what_runs) {
  give(1);
  give(2);
  (void)state_.next_job();
  configure("kept");
  tell(message::drain);
  EXPECT_EQ(sent_kinds(), std::vector<int>{message::hello});
  state_.on_finished({.ok = true}, 0.0);
  EXPECT_EQ(sent_kinds(), (std::vector<int>{message::outcome, message::drained}));
  EXPECT_TRUE(state_.next_job()->is_configure);
  state_.on_finished({.ok = true}, 0.0);
  EXPECT_FALSE(state_.next_job().has_value());
}

TEST_F(WorkerStateTest, an_idle_worker_is_drained_at_once) {
  tell(message::drain);
  EXPECT_EQ(sent_kinds(), (std::vector<int>{message::hello, message::drained}));
}

TEST_F(WorkerStateTest, beats_while_it_computes) {
  give(1);
  (void)state_.next_job();
  (void)state_.take_sends();
  for (double now = 0.25; now <= 5.0; now += 0.25) state_.on_tick(now);
  EXPECT_EQ(sent_kinds(), std::vector<int>(5, message::heartbeat));
}

TEST_F(WorkerStateTest, leaves_when_told_and_knows_who_was_lost) {
  state_.on_message({0, message::leave, message::encode_leave({3})}, 0.0);
  EXPECT_EQ(state_.phase(), WorkerState::Phase::released);
  EXPECT_EQ(state_.lost_ranks(), std::vector<int>{3});
}

TEST_F(WorkerStateTest, knows_that_no_coordinator_follows) {
  tell(message::dismiss);
  EXPECT_EQ(state_.phase(), WorkerState::Phase::dismissed);
}

TEST_F(WorkerStateTest, leaves_when_the_coordinator_is_silent_too_long) {
  for (double now = 0.5; now <= 10.0; now += 0.5) state_.on_tick(now);
  EXPECT_EQ(state_.phase(), WorkerState::Phase::serving);
  tell(message::heartbeat);
  for (double now = 10.5; now <= 20.0; now += 0.5) state_.on_tick(now);
  EXPECT_EQ(state_.phase(), WorkerState::Phase::serving);
  state_.on_tick(20.5);
  EXPECT_EQ(state_.phase(), WorkerState::Phase::orphaned);
}

TEST_F(WorkerStateTest, a_worker_that_slept_does_not_blame_the_coordinator) {
  state_.on_tick(1000.0);
  EXPECT_EQ(state_.phase(), WorkerState::Phase::serving);
}

TEST_F(WorkerStateTest, damage_and_strange_kinds_are_errors) {
  EXPECT_THROW(state_.on_message({0, message::task, Payload(Bytes(3))}, 0.0), Error);
  EXPECT_THROW(tell(message::hello), Error);
}

}  // namespace
}  // namespace qsweep
