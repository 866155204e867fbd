#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "ranks/coordinator.h"
#include "ranks/worker_state.h"

namespace qsweep::testing {

/// Ranks at work on tasks that are small texts (see answer()), over one of the transports. The
/// suite in suite_test.cc is written against this and compiled once per transport.
class Crew {
 public:
  virtual ~Crew() = default;
  virtual void configure(const std::string& state) = 0;
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

/// What a task makes its rank do.
enum class Fate { answers, fails, dies };
struct Answer {
  Fate fate = Fate::answers;
  std::string text;  ///< the result, or the reason
  double seconds = 0.0;
};

/// The tasks of the suite: `echo X`, `sleep S`, `fail X`, `fail_on RANK`, `die_on RANK`.
[[nodiscard]] Answer answer(int rank, const std::string& state, const std::string& task);

[[nodiscard]] inline Task text_task(const std::string& text, double cost = 1.0) {
  const ByteView bytes = as_bytes(text);
  return {.payload = Bytes(bytes.begin(), bytes.end()), .cost = cost};
}

/// Computes answer() for real: sleeps, throws, and calls `die` to die.
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
