#include <csignal>

#include <gtest/gtest.h>

#include "ranks/mpi/mpi_transport.h"

#include "tests/ranks/crew.h"

// The ranks of one mpirun serve test after test; rank 0 runs the tests.

namespace qsweep::testing {
namespace {

/// Beyond the kinds of ranks/messages.h: rank 0 opens a crew, or is through.
constexpr std::uint8_t kNextCrew = 200;
constexpr std::uint8_t kNoMoreCrews = 201;

MpiSession*& session() {
  static MpiSession* instance = nullptr;
  return instance;
}

class MpiCrew final : public Crew {
 public:
  explicit MpiCrew(const CoordinatorOptions& options)
      : local_(0, [] {}), coordinator_(session()->transport(), local_, options) {}
  bool configure(const std::string& state, OnFailure on_failure, double stop_after_s) override {
    const ByteView bytes = as_bytes(state);
    StopFlag stop(stop_after_s);
    return coordinator_.configure(Bytes(bytes.begin(), bytes.end()), stop.flag(), on_failure);
  }
  bool run(const std::vector<Task>& tasks,
           const std::function<void(const TaskOutcome&)>& report,
           const std::function<bool()>& stop) override {
    std::atomic<bool> stopping{false};
    return coordinator_.run(
        tasks,
        [&](const TaskOutcome& o) {
          report(o);
          if (stop()) stopping = true;
        },
        stopping);
  }
  void shutdown() override { coordinator_.shutdown(); }
  std::vector<RankReport> ranks() const override { return coordinator_.ranks(); }

 private:
  TextHandler local_;
  Coordinator coordinator_;
};

void tell_all(std::uint8_t kind) {
  Transport& transport = session()->transport();
  for (int r = 1; r < transport.size(); ++r) transport.send(r, kind, {});
}

int serve_tests() {
  for (;;) {
    const auto m = session()->transport().receive(std::chrono::seconds(60));
    if (!m) return 1;
    if (m->kind == kNoMoreCrews) return 0;
    TextHandler handler(session()->transport().rank(), [] { std::raise(SIGKILL); });
    if (serve(session()->transport(), handler, quick_options()) != Parting::released) return 1;
  }
}

}  // namespace

std::vector<int> rank_counts() {
  return {session()->transport().size()};
}

std::unique_ptr<Crew> open_crew(int, const CoordinatorOptions& options) {
  tell_all(kNextCrew);
  return std::make_unique<MpiCrew>(options);
}

}  // namespace qsweep::testing

int main(int argc, char** argv) {
  using namespace qsweep::testing;
  qsweep::MpiSession mpi;
  session() = &mpi;
  if (mpi.transport().rank() != 0) return serve_tests();
  ::testing::InitGoogleTest(&argc, argv);
  const int result = RUN_ALL_TESTS();
  tell_all(kNoMoreCrews);
  return result;
}
