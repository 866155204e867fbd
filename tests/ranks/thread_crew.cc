#include <atomic>
#include <thread>

#include "tests/ranks/crew.h"

namespace qsweep::testing {
namespace {

struct Died {};

/// A transport whose rank can die: then nothing leaves it any more, and its loop ends.
class MortalTransport final : public Transport {
 public:
  MortalTransport(std::unique_ptr<Transport> inner, const std::atomic<bool>& dead)
      : inner_(std::move(inner)), dead_(dead) {}
  int rank() const override { return inner_->rank(); }
  int size() const override { return inner_->size(); }
  double now() const override { return inner_->now(); }
  void send(int to, std::uint8_t kind, Payload payload) override {
    if (!dead_) inner_->send(to, kind, std::move(payload));
  }
  std::optional<Message> receive(std::chrono::microseconds timeout) override {
    if (dead_) throw Died{};
    return inner_->receive(timeout);
  }

 private:
  std::unique_ptr<Transport> inner_;
  const std::atomic<bool>& dead_;
};

class ThreadCrew final : public Crew {
 public:
  ThreadCrew(int ranks, const CoordinatorOptions& options)
      : dead_(static_cast<std::size_t>(ranks)), local_(0, [] {}) {
    auto transports = make_thread_transports(ranks);
    own_ = std::move(transports.front());
    for (int r = 1; r < ranks; ++r) {
      std::atomic<bool>& dead = dead_[static_cast<std::size_t>(r)];
      workers_.emplace_back([transport = std::move(transports[static_cast<std::size_t>(r)]),
                             options, r, &dead]() mutable {
        MortalTransport mortal(std::move(transport), dead);
        TextHandler handler(r, [&dead] { dead = true; });
        try {
          (void)serve(mortal, handler, options);
        } catch (const Died&) {
        }
      });
    }
    coordinator_ = std::make_unique<Coordinator>(*own_, local_, options);
  }
  ~ThreadCrew() override {
    coordinator_.reset();
    for (std::thread& t : workers_) t.join();
  }

  bool configure(const std::string& state, OnFailure on_failure, double stop_after_s) override {
    const ByteView bytes = as_bytes(state);
    StopFlag stop(stop_after_s);
    return coordinator_->configure(Bytes(bytes.begin(), bytes.end()), stop.flag(), on_failure);
  }
  bool run(const std::vector<Task>& tasks,
           const std::function<void(const TaskOutcome&)>& report,
           const std::function<bool()>& stop) override {
    std::atomic<bool> stopping{false};
    return coordinator_->run(
        tasks,
        [&](const TaskOutcome& o) {
          report(o);
          if (stop()) stopping = true;
        },
        stopping);
  }
  void shutdown() override { coordinator_->shutdown(); }
  std::vector<RankReport> ranks() const override { return coordinator_->ranks(); }

 private:
  std::vector<std::atomic<bool>> dead_;
  TextHandler local_;
  std::unique_ptr<Transport> own_;
  std::vector<std::thread> workers_;
  std::unique_ptr<Coordinator> coordinator_;
};

}  // namespace

std::vector<int> rank_counts() {
  return {1, 2, 3, 7};
}

std::unique_ptr<Crew> open_crew(int ranks, const CoordinatorOptions& options) {
  return std::make_unique<ThreadCrew>(ranks, options);
}

}  // namespace qsweep::testing
