#pragma once

#include <chrono>
#include <condition_variable>
#include <mutex>
#include <optional>
#include <thread>

#include "ranks/coordinator.h"
#include "ranks/worker_state.h"

namespace qsweep {

/// Runs a rank's handler on a thread of its own, so that the rank can talk while it computes. One
/// job at a time; used by one other thread.
class ComputeThread {
 public:
  explicit ComputeThread(TaskHandler& handler);
  ~ComputeThread();  ///< waits for the running job
  ComputeThread(const ComputeThread&) = delete;
  ComputeThread& operator=(const ComputeThread&) = delete;

  /// Only after the last job was collected with finished().
  void start(Job job);
  /// What came of the job, or nothing within `timeout`.
  std::optional<Computed> finished(std::chrono::microseconds timeout);

 private:
  void loop();

  TaskHandler& handler_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::optional<Job> job_;
  std::optional<Computed> computed_;
  bool leave_ = false;
  std::thread thread_;
};

/// A rank's work: its WorkerState and the thread that computes for it.
class RankWork {
 public:
  RankWork(TaskHandler& handler, const CoordinatorOptions& options, const Transport& transport)
      : state(options, transport.now(), transport.host()), thread_(handler) {}

  /// Takes what is finished, starts what is next. Waits at most `timeout` for something to finish.
  void step(double now, std::chrono::microseconds timeout = {});
  /// Waits a little for something to happen: the end of the running job, or a message when there is
  /// none. @return a message that came
  std::optional<Message> wait(Transport& transport);

  WorkerState state;

 private:
  ComputeThread thread_;
  bool has_mail_ = false;  ///< the last look found some
};

}  // namespace qsweep
