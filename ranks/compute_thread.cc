#include "ranks/compute_thread.h"

#include <exception>
#include <new>
#include <utility>

namespace qsweep {
namespace {

/// Calls `f`; an exception comes back as its text.
template <class F>
std::string reason_of_failure(F&& f) {
  try {
    f();
    return {};
  } catch (const std::bad_alloc&) {
    return "out of memory";
  } catch (const std::exception& e) {
    return e.what();
  }
}

}  // namespace

ComputeThread::ComputeThread(TaskHandler& handler)
    : handler_(handler), thread_([this] { loop(); }) {}

ComputeThread::~ComputeThread() {
  {
    const std::lock_guard lock(mutex_);
    leave_ = true;
  }
  changed_.notify_all();
  thread_.join();
}

void ComputeThread::configure(Bytes state) {
  {
    const std::lock_guard lock(mutex_);
    jobs_.push_back({.is_configure = true, .round = 0, .index = 0, .payload = std::move(state)});
  }
  changed_.notify_all();
}

void ComputeThread::start(std::uint64_t round, std::uint64_t index, Bytes payload) {
  {
    const std::lock_guard lock(mutex_);
    jobs_.push_back(
        {.is_configure = false, .round = round, .index = index, .payload = std::move(payload)});
  }
  changed_.notify_all();
}

std::optional<message::OutcomeMessage> ComputeThread::finished(std::chrono::microseconds timeout) {
  std::unique_lock lock(mutex_);
  if (!changed_.wait_for(lock, timeout, [this] { return !outcomes_.empty(); })) return std::nullopt;
  message::OutcomeMessage outcome = std::move(outcomes_.front());
  outcomes_.pop_front();
  return outcome;
}

void ComputeThread::loop() {
  for (;;) {
    Job job;
    {
      std::unique_lock lock(mutex_);
      changed_.wait(lock, [this] { return leave_ || !jobs_.empty(); });
      if (leave_) return;
      job = std::move(jobs_.front());
      jobs_.pop_front();
    }
    run(job);
  }
}

void ComputeThread::run(const Job& job) {
  if (job.is_configure) {
    broken_ = reason_of_failure([&] { handler_.configure(job.payload); });
    return;
  }
  const auto start = std::chrono::steady_clock::now();
  message::OutcomeMessage outcome{.round = job.round,
                                  .index = job.index,
                                  .ok = false,
                                  .seconds = 0.0,
                                  .result = {},
                                  .error = broken_};
  if (broken_.empty())
    outcome.error = reason_of_failure([&] { outcome.result = handler_.run(job.payload); });
  outcome.ok = outcome.error.empty();
  outcome.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  {
    const std::lock_guard lock(mutex_);
    outcomes_.push_back(std::move(outcome));
  }
  changed_.notify_all();
}

}  // namespace qsweep
