#include "ranks/sim/sim_cluster.h"

#include "tests/ranks/crew.h"

namespace qsweep::testing {
namespace {

class SimCrew final : public Crew {
 public:
  SimCrew(int ranks, const CoordinatorOptions& options)
      : states_(static_cast<std::size_t>(ranks)),
        cluster_({.ranks = ranks, .seed = 1, .coordinator = options},
                 [this](int rank, const Job& job) { return work(rank, job); }) {}

  bool configure(const std::string& state, OnFailure on_failure, double stop_after_s) override {
    const ByteView bytes = as_bytes(state);
    const double stop_s = cluster_.now() + stop_after_s;
    return cluster_.configure(Bytes(bytes.begin(), bytes.end()), on_failure,
                              [&] { return cluster_.now() >= stop_s; });
  }
  bool run(const std::vector<Task>& tasks,
           const std::function<void(const TaskOutcome&)>& report,
           const std::function<bool()>& stop) override {
    return cluster_.run(tasks, report, stop);
  }
  void shutdown() override { cluster_.shutdown(); }
  std::vector<RankReport> ranks() const override { return cluster_.ranks(); }

 private:
  std::optional<Computed> work(int rank, const Job& job) {
    const std::string text(as_text(job.payload.view()));
    std::string& state = states_.at(static_cast<std::size_t>(rank));
    if (job.is_configure) {
      const Answer a = configured(rank, text);
      if (a.fate == Fate::dies) return std::nullopt;
      if (a.fate == Fate::answers) {
        state = text;
        return Computed{.ok = true, .seconds = a.seconds};
      }
      const Error error = configure_error(a);
      return Computed{.error = Error(error.code(), error.message(), error.where()).what(),
                      .seconds = a.seconds,
                      .code = error.code(),
                      .hint = error.hint()};
    }
    const Answer a = answer(rank, state, text);
    if (a.fate == Fate::dies) return std::nullopt;
    const ByteView bytes = as_bytes(a.text);
    if (a.fate == Fate::fails) return Computed{.error = a.text, .seconds = a.seconds};
    return Computed{
        .ok = true, .result = Bytes(bytes.begin(), bytes.end()), .seconds = a.seconds + 1e-6};
  }

  std::vector<std::string> states_;
  SimCluster cluster_;
};

}  // namespace

std::vector<int> rank_counts() {
  return {1, 2, 3, 7, 64};
}

std::unique_ptr<Crew> open_crew(int ranks, const CoordinatorOptions& options) {
  return std::make_unique<SimCrew>(ranks, options);
}

}  // namespace qsweep::testing
