#include "sweep/job/workload.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "src/base/error.h"
#include "src/base/log.h"

namespace qsweep {
namespace {

/// Runs independent checks and throws their problems together: one error as it is, several as a
/// list.
class ProblemList {
 public:
  template <class F>
  void attempt(F&& check) {
    try {
      check();
    } catch (const Error& e) {
      errors_.push_back(e);
    }
  }
  void raise() const {
    if (errors_.empty()) return;
    if (errors_.size() == 1) throw Error(errors_.front());
    std::string text = fmt::format("{} problems:", errors_.size());
    for (const Error& e : errors_) text += fmt::format("\n  - {}", e.what());
    throw Error(errors_.front().code(), text);
  }

 private:
  std::vector<Error> errors_;
};

std::string images_value(const ImageSet& images) {
  if (!images.is_given()) return "none";
  return fmt::format("{} images {}", images.size(), images.digest());
}

Identity identity_of(const Workload& w) {
  Identity identity;
  for (JobValue& v : job_values(w.job)) {
    if (v.decides != Decides::nothing)
      identity.add(std::move(v.key), std::move(v.value), v.decides);
  }
  identity.add("model", w.model.digest, Decides::statistics);
  identity.add("calibration_images", images_value(w.calibration), Decides::statistics);
  identity.add("evaluation_images", images_value(w.evaluation), Decides::outcomes);
  add_engine(identity);
  return identity;
}

void check_fit(const Workload& w) {
  const Shape& want = w.model.image_shape;
  const Shape got = w.evaluation.images({0, 1}).shape();
  if (got == want) return;
  throw Error(ErrorCode::mismatch,
              fmt::format("the model takes {} but an image is {}", to_string(want), to_string(got)),
              w.job.evaluation.path_text(),
              "Give input.layout, input.resize or shapes as the model needs them");
}

bool ends_in_softmax(const Graph& graph) {
  const NodeId producer = graph.producer(graph.outputs.at(0));
  return producer && graph.node(producer).op == "Softmax";
}

ScoredModel scored_model(const OpenModel& m) {
  const Graph& graph = m.program->graph();
  ScoredModel scored{
      .outputs = {}, .input = m.image_shape, .ends_in_softmax = ends_in_softmax(graph)};
  for (const ValueId output : graph.outputs)
    scored.outputs.push_back(m.trace.shapes.at(static_cast<std::size_t>(output)));
  return scored;
}

/// A warning where the data names other classes than the model scores; else empty.
std::string foreign_classes(const Workload& w) {
  if (w.job.task != "classification" || !w.evaluation.is_given()) return {};
  const Dataset& data = w.evaluation.data();
  const Shape scores = scored_model(w.model).outputs.at(0);
  if (!data.declares_classes() || scores.size() != 2 || scores[1] == data.classes()) return {};
  return fmt::format(
      "the data has {} classes, the model scores {}: is it the data set that the model was trained "
      "for?",
      data.classes(), scores[1]);
}

void open_scopes(Workload& w) {
  check_fit(w);
  const JobConfig& job = w.job;
  const ScoredModel scored = scored_model(w.model);
  w.all.scorer = make_scorer(job, scored, w.evaluation.data(), w.evaluation.ids());
  w.probing = w.all;
  const std::int64_t wanted = job.sensitivity.images;
  if (w.plan.probed.empty() || wanted == 0 || wanted >= w.evaluation.size()) return;
  w.probing.images = wanted;
  w.probing.scorer = make_scorer(job, scored, w.evaluation.data(), w.evaluation.ids({0, wanted}));
}

}  // namespace

Range EvaluationScope::shard(ShardId id) const {
  QSWEEP_CHECK(id.index() < shards().size());
  const std::int64_t begin = id.value() * shard_images;
  return {begin, images - begin <= shard_images ? images : begin + shard_images};
}

Scheme Workload::scheme(std::string name, std::vector<std::uint8_t> precision) const {
  return make_scheme(std::move(name), std::move(precision), layers(), plan.precisions,
                     scheme_settings);
}

Scheme Workload::uniform(std::uint8_t precision) const {
  return scheme(this->precision(precision).name,
                std::vector<std::uint8_t>(layers().size(), precision));
}

std::shared_ptr<const Workload> open_workload(const JobConfig& job,
                                              WorkloadUse use,
                                              const NodeShare& share) {
  auto w = std::make_shared<Workload>();
  w->job = job;
  w->use = use;
  ProblemList problems;
  problems.attempt([&] {
    w->model = open_model(job);
    w->plan = compile(job, w->model);
  });
  problems.attempt([&] { w->evaluation = open_images(job, job.evaluation, share, " evaluation"); });
  problems.attempt(
      [&] { w->calibration = open_images(job, job.calibration, share, " calibration"); });
  problems.raise();
  if (w->evaluation.is_given())
    w->all = {.images = w->evaluation.size(), .shard_images = job.evaluation.shard, .scorer = {}};
  if (use == WorkloadUse::evaluate && w->evaluation.is_given()) {
    if (w->calibration.is_given()) check_disjoint(w->calibration, w->evaluation, job);
    open_scopes(*w);
  }
  if (use == WorkloadUse::look && w->evaluation.is_given()) {
    check_fit(*w);
    try {
      open_scopes(*w);
    } catch (const Error& e) {
      w->unscored = e.message();
    }
  }
  w->identity = identity_of(*w);
  w->scheme_settings = w->identity.part(IdentityUse::schemes).text();
  return w;
}

QuantSetup quant_setup(const Workload& w,
                       const std::vector<TensorStats>& stats,
                       Adaptations adaptations) {
  const auto precisions = w.plan.precisions.all();
  QuantSetup setup{.precisions = {precisions.begin(), precisions.end()},
                   .input_stats = {},
                   .calibrator = w.plan.calibrator,
                   .weight_algorithm = w.plan.weights.algorithm,
                   .adaptations = std::move(adaptations),
                   .placement = &w.model.placement};
  if (stats.empty()) return setup;
  const auto layers = static_cast<std::ptrdiff_t>(w.layers().size());
  setup.input_stats.assign(stats.begin(), stats.begin() + layers);
  setup.point_stats.assign(stats.begin() + layers, stats.end());
  return setup;
}

std::vector<std::string> warnings_of(const Workload& w) {
  std::vector<std::string> warnings = w.plan.warnings;
  for (const ImageSet* images : {&w.calibration, &w.evaluation}) {
    if (!images->is_given()) continue;
    for (std::string& remark : images->data().remarks()) {
      if (std::ranges::find(warnings, remark) == warnings.end())
        warnings.push_back(std::move(remark));
    }
  }
  if (std::string text = foreign_classes(w); !text.empty()) warnings.push_back(std::move(text));
  return warnings;
}

void log_decoding(const Workload& w) {
  for (const auto& [name, images] :
       {std::pair("calibration", &w.calibration), std::pair("evaluation", &w.evaluation)}) {
    const std::string text = images->is_given() ? images->data().decoding() : std::string();
    if (!text.empty()) log_info(fmt::format("{}: {}", name, text));
  }
}

void WorkloadShelf::put(const std::string& run, const std::shared_ptr<const Workload>& workload) {
  const std::lock_guard lock(mutex_);
  std::erase_if(by_run_, [](const auto& entry) { return entry.second.expired(); });
  by_run_[run] = workload;
}

std::shared_ptr<const Workload> WorkloadShelf::find(const std::string& run) {
  const std::lock_guard lock(mutex_);
  const auto at = by_run_.find(run);
  return at == by_run_.end() ? nullptr : at->second.lock();
}

}  // namespace qsweep
