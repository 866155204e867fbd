#pragma once

#include <condition_variable>
#include <deque>
#include <mutex>
#include <optional>
#include <thread>

#include "ranks/coordinator.h"
#include "ranks/messages.h"

namespace qsweep {

/// Runs a rank's handler on a thread of its own, so that the rank can talk while it computes. Jobs
/// run in the order given. Used by one other thread.
class ComputeThread {
 public:
  explicit ComputeThread(TaskHandler& handler);
  ~ComputeThread();  ///< finishes the running job, drops the waiting ones
  ComputeThread(const ComputeThread&) = delete;
  ComputeThread& operator=(const ComputeThread&) = delete;

  /// A failed configuration makes the tasks after it fail with its reason.
  void configure(Bytes state);
  void start(std::uint64_t round, std::uint64_t index, Bytes payload);
  /// The next finished task, or nothing after `timeout`.
  std::optional<message::OutcomeMessage> finished(std::chrono::microseconds timeout);

 private:
  struct Job {
    bool is_configure = false;
    std::uint64_t round = 0;
    std::uint64_t index = 0;
    Bytes payload;
  };
  void loop();
  void run(const Job& job);

  TaskHandler& handler_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Job> jobs_;
  std::deque<message::OutcomeMessage> outcomes_;
  bool leave_ = false;
  std::string broken_;  ///< reason of the last configuration that failed; compute thread only
  std::thread thread_;
};

}  // namespace qsweep
