#include "ranks/compute_thread.h"

#include <exception>
#include <new>
#include <utility>

#include "src/base/error.h"

#include "ranks/out_of_memory.h"

namespace qsweep {
namespace {

/// How long a rank without a job waits for messages before it looks at the clock.
constexpr std::chrono::microseconds kIdlePoll{1000};
/// How often one with a job looks for them. Its next job is at hand, and each look takes the core
/// from the running one.
constexpr std::chrono::microseconds kBusyPoll{5000};

/// Exceptions end the job, not the worker.
Computed compute(TaskHandler& handler, const Job& job) {
  const auto start = std::chrono::steady_clock::now();
  Computed c;
  try {
    if (job.is_configure) {
      handler.configure(job.payload.view());
    } else {
      c.result = handler.run(job.payload.view());
    }
    c.ok = true;
  } catch (const std::bad_alloc&) {
    c.error = kOutOfMemory;
    c.code = ErrorCode::resource;
  } catch (const Error& e) {
    // The answer to a configuration is part of an error of ours, which puts the hint at its end.
    c.error = job.is_configure ? Error(e.code(), e.message(), e.where()).what() : e.what();
    c.code = e.code();
    c.hint = e.hint();
  } catch (const std::exception& e) {
    c.error = e.what();
  }
  c.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  return c;
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

void ComputeThread::start(Job job) {
  {
    const std::lock_guard lock(mutex_);
    job_ = std::move(job);
  }
  changed_.notify_all();
}

std::optional<Computed> ComputeThread::finished(std::chrono::microseconds timeout) {
  std::unique_lock lock(mutex_);
  changed_.wait_for(lock, timeout, [this] { return computed_.has_value(); });
  return std::exchange(computed_, std::nullopt);
}

void ComputeThread::loop() {
  std::unique_lock lock(mutex_);
  for (;;) {
    changed_.wait(lock, [this] { return leave_ || job_.has_value(); });
    if (leave_) return;
    const Job job = *std::exchange(job_, std::nullopt);
    lock.unlock();
    Computed computed = compute(handler_, job);
    lock.lock();
    computed_ = std::move(computed);
    changed_.notify_all();
  }
}

void RankWork::step(double now, std::chrono::microseconds timeout) {
  if (auto computed = thread_.finished(timeout)) state.on_finished(std::move(*computed), now);
  if (auto job = state.next_job()) thread_.start(std::move(*job));
}

std::optional<Message> RankWork::wait(Transport& transport) {
  const bool computes = state.is_computing();
  // Where one message came another may lie behind it.
  if (computes && !has_mail_) step(transport.now(), kBusyPoll);
  auto message = transport.receive(computes ? std::chrono::microseconds{} : kIdlePoll);
  has_mail_ = message.has_value();
  return message;
}

}  // namespace qsweep
