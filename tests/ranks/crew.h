#pragma once

#include <atomic>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "src/base/error.h"

#include "ranks/coordinator.h"
#include "ranks/worker_state.h"

namespace qsweep::testing {

/// Ranks at work on tasks that are small texts (see answer()), over one of the transports. The
/// suite in suite_test.cc is written against this and compiled once per transport.
class Crew {
 public:
  virtual ~Crew() = default;
  /// Coordinator::configure() with a stop flag that is set after `stop_after_s`.
  virtual bool configure(const std::string& state,
                         OnFailure on_failure = OnFailure::end_run,
                         double stop_after_s = 1e6) = 0;
  /// `stop` is asked after each report whether to stop.
  virtual bool run(const std::vector<Task>& tasks,
                   const std::function<void(const TaskOutcome&)>& report,
                   const std::function<bool()>& stop) = 0;
  virtual void shutdown() = 0;
  [[nodiscard]] virtual std::vector<RankReport> ranks() const = 0;
};

/// Defined once per transport.
[[nodiscard]] std::vector<int> rank_counts();
[[nodiscard]] std::unique_ptr<Crew> open_crew(int ranks, const CoordinatorOptions& options);

/// The deadlines of tests: short, yet far above what a loaded machine needs to answer.
[[nodiscard]] inline CoordinatorOptions quick_options(double dead_after_s = 5.0) {
  return {.heartbeat_s = 0.05,
          .dead_after_s = dead_after_s,
          .coordinator_timeout_s = 20.0,
          .fingerprint = "test"};
}

/// What a task or a state makes its rank do.
enum class Fate { answers, fails, differs, dies };
struct Answer {
  Fate fate = Fate::answers;
  std::string text{};  ///< the result, or the reason
  double seconds = 0.0;
};

/// The tasks of the suite: `echo X`, `sleep S`, `fail X`, `fail_on RANK`, `die_on RANK`.
[[nodiscard]] Answer answer(int rank, const std::string& state, const std::string& task);

/// What comes of a state, a list of clauses with `;` between them: `fail_on RANK`, `differ_on RANK`
/// and `die_on RANK`, `slow SECONDS` for all; other clauses do nothing. `bad` fails everywhere. A
/// rank that answers makes the whole text its state, and begins its results with it.
[[nodiscard]] Answer configured(int rank, const std::string& state);
/// The error of a rank that fails or differs as configured() says.
[[nodiscard]] Error configure_error(const Answer& answer);

[[nodiscard]] inline Task text_task(const std::string& text, double cost = 1.0) {
  const ByteView bytes = as_bytes(text);
  return {.payload = Bytes(bytes.begin(), bytes.end()), .cost = cost};
}

/// A stop flag that is set once `after_s` have passed.
class StopFlag {
 public:
  explicit StopFlag(double after_s);
  ~StopFlag();
  StopFlag(const StopFlag&) = delete;
  StopFlag& operator=(const StopFlag&) = delete;
  [[nodiscard]] const std::atomic<bool>& flag() const { return flag_; }

 private:
  std::atomic<bool> flag_{false};
  std::mutex mutex_;
  std::condition_variable changed_;
  bool is_over_ = false;
  std::thread timer_;
};

/// Computes answer() and configured() for real: sleeps, throws, and calls `die` to die.
class TextHandler : public TaskHandler {
 public:
  TextHandler(int rank, std::function<void()> die) : rank_(rank), die_(std::move(die)) {}
  void configure(ByteView state) override;
  Bytes run(ByteView task) override;

 private:
  int rank_;
  std::function<void()> die_;
  std::string state_;
};

}  // namespace qsweep::testing
