#include "sweep/run/import_latency.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <numeric>
#include <set>
#include <utility>

#include <fmt/format.h>

#include "src/base/error.h"
#include "src/base/text.h"

#include "src/results/views.h"

#include "io/fs/file_system.h"
#include "io/timings/timings.h"

#include "sweep/job/workload.h"
#include "sweep/run/driver.h"
#include "sweep/stages/latency.h"
#include "sweep/stages/latency_csv.h"
#include "sweep/work/record_store.h"

namespace qsweep {
namespace {

constexpr std::size_t kMostListed = 5;
constexpr double kAgreementExpected = 0.995;  ///< ONNX Runtime's fused kernels differ on ties

/// Names of a model's layers, as runtimes make kernels' names of them.
class LayerNames {
 public:
  explicit LayerNames(const Workload& w) : w_(w), layers_(w.layers()) {
    const Graph& graph = w.model.program->graph();
    for (std::size_t i = 0; i < layers_.size(); ++i) {
      const Layer& layer = layers_[i];
      const Node& node = graph.node(layer.node);
      const int index = static_cast<int>(i);
      makers_.emplace(layer.name, index);
      if (!node.source_name.empty()) makers_.emplace(node.source_name, index);
      makers_.emplace(graph.value(node.outputs.at(0)).name, index);
      readers_.emplace(graph.value(layer.weight).name, index);
      readers_.emplace(layer.name, index);
      readers_.emplace(graph.value(layer.input).name, index);
    }
    for (std::size_t i = 0; i < layers_.size(); ++i) follow(graph, static_cast<int>(i));
    for (const Node& node : graph.nodes) known_.insert(node.name);
    for (const Value& value : graph.values) known_.insert(value.name);
  }

  /// Layers that a kernel computes, none where it is no layer's.
  [[nodiscard]] std::set<int> of(const KernelTime& kernel) const {
    std::set<int> found;
    const bool quantizes = kernel.op.ends_with("uantizeLinear") || kernel.op == "Cast";
    if (quantizes) {
      for (const std::string& name : kernel.made_from) {
        const auto at = readers_.find(name);
        if (at != readers_.end()) return {at->second};
      }
      return {};
    }
    const auto computes = [&](const char* op) { return kernel.op.find(op) != std::string::npos; };
    if (!kernel.op.empty() && !computes("Conv") && !computes("Gemm") && !computes("MatMul"))
      return {};
    // Own names first: what is fused behind a layer may have been reached from another.
    for (const std::string& name : kernel.made_from) {
      const auto at = makers_.find(name);
      if (at != makers_.end() && layers_[static_cast<std::size_t>(at->second)].name == name)
        found.insert(at->second);
    }
    if (!found.empty()) return found;
    for (const std::string& name : kernel.made_from) {
      const auto at = makers_.find(name);
      if (at != makers_.end()) return {at->second};
    }
    return {};
  }

  /// A name that the model has, or that a runtime gives to its copies between formats.
  [[nodiscard]] bool knows(const KernelTime& kernel) const {
    return kernel.made_from.empty() ||
           std::ranges::any_of(kernel.made_from,
                               [&](const std::string& name) { return known_.contains(name); }) ||
           kernel.op == "Transpose";
  }

  /// Adds a kernel's time to its layers, by their products where there are several.
  void share(double ms, const std::set<int>& of, std::vector<double>& by_layer) const {
    double total = 0.0;
    const auto macs = [&](int layer) {
      return static_cast<double>(
          std::max<std::int64_t>(1, w_.model.layer_macs[static_cast<std::size_t>(layer)]));
    };
    for (const int layer : of) total += macs(layer);
    for (const int layer : of)
      by_layer[static_cast<std::size_t>(layer)] += ms * macs(layer) / total;
  }

 private:
  /// What runtimes fuse behind a layer: functions of one element and sums that alone read it.
  void follow(const Graph& graph, int index) {
    static const std::set<std::string> kFused = {"Relu",
                                                 "Clip",
                                                 "LeakyRelu",
                                                 "Sigmoid",
                                                 "HardSigmoid",
                                                 "HardSwish",
                                                 "Tanh",
                                                 "Elu",
                                                 "PRelu",
                                                 "Gelu",
                                                 "BatchNormalization",
                                                 "Add",
                                                 "Mul",
                                                 "Softplus",
                                                 "Mish",
                                                 "Identity",
                                                 "Cast"};
    ValueId value = graph.node(layers_[static_cast<std::size_t>(index)].node).outputs.at(0);
    for (std::vector<NodeId> readers = graph.consumers(value); readers.size() == 1;
         readers = graph.consumers(value)) {
      const Node& node = graph.node(readers.front());
      if (!kFused.contains(node.op)) return;
      value = node.outputs.at(0);
      makers_.emplace(node.name, index);
      makers_.emplace(graph.value(value).name, index);
    }
  }

  const Workload& w_;
  const std::vector<Layer>& layers_;
  std::map<std::string, int> makers_;   ///< node or tensor -> layer that makes it
  std::map<std::string, int> readers_;  ///< tensor -> layer that reads it
  std::set<std::string> known_;
};

/// Finds a run's schemes by whatever they are called.
class SchemeNames {
 public:
  SchemeNames(const Workload& w, const RunResults& results) : w_(w), results_(results) {}

  [[nodiscard]] std::optional<Assignment> find(const std::string& name) const {
    for (const RunResults::Evaluation* e : view::all_schemes(results_)) {
      if (e->id == name || e->name == name || e->text == name) return assignment(*e);
    }
    const auto precisions = w_.plan.precisions.all();
    for (std::size_t p = 0; p < precisions.size(); ++p) {
      const Scheme uniform = w_.uniform(static_cast<std::uint8_t>(p));
      if (uniform.id == name || precisions[p].name == name || spelt(name) == precisions[p].name)
        return uniform.precision;
    }
    if (name.find('=') == std::string::npos) return std::nullopt;
    PrecisionSet known = w_.plan.precisions;
    Assignment parsed = parse_scheme(name, w_.layers(), known);
    const bool is_known =
        std::ranges::all_of(parsed, [&](std::uint8_t p) { return p < precisions.size(); });
    return is_known ? std::optional(std::move(parsed)) : std::nullopt;
  }

 private:
  static std::string spelt(const std::string& name) {
    try {
      return parse_precision(name).name;
    } catch (const Error&) {
      return {};
    }
  }
  [[nodiscard]] Assignment assignment(const RunResults::Evaluation& e) const {
    return e.precision.empty() ? w_.uniform(0).precision : e.precision;
  }

  const Workload& w_;
  const RunResults& results_;
};

/// What the files say, matched with the run.
class Matcher {
 public:
  Matcher(const Workload& w, const RunResults& results) : w_(w), names_(w), schemes_(w, results) {}

  void add(const std::string& argument) {
    std::string name, path = argument;
    FileSystem& files = real_file_system();
    if (const std::size_t at = argument.rfind('=');
        at != std::string::npos && !files.exists(argument)) {
      name = argument.substr(0, at);
      path = argument.substr(at + 1);
      if (!schemes_.find(name)) no_scheme(name, path);
    }
    const Bytes bytes = files.read(path);
    const Timings timings = read_timings(as_text(bytes), name, path);
    agree("images per call", timings.batch, measured_.place.batch, batch_said_, path);
    agree("threads", timings.threads, measured_.place.threads, threads_said_, path);
    if (measured_.place.device.empty() || !timings.conditions.empty()) {
      measured_.place.device = timings.source;
      if (!timings.conditions.empty())
        measured_.place.device += (timings.source.empty() ? "" : ", ") + timings.conditions;
    }
    for (const TimedModel& model : timings.models) add(model, path);
    for (const TimedLayer& layer : timings.layers) add(layer, path);
    if (timings.other_ms) measured_.other_ms = timings.other_ms;
  }

  [[nodiscard]] MeasuredLatency measured() {
    for (auto& [precision, kernels] : kernels_) add_profile(precision, kernels);
    if (measured_.place.device.empty()) measured_.place.device = "another device";
    return std::move(measured_);
  }
  [[nodiscard]] std::vector<std::string> remarks() { return std::move(remarks_); }

 private:
  [[noreturn]] void no_scheme(const std::string& name, const std::string& path) const {
    std::vector<std::string> precisions;
    for (const Precision& p : w_.plan.precisions.all()) precisions.push_back(p.name);
    throw Error(ErrorCode::config, fmt::format("the run has no scheme '{}'", name), path,
                "Say what the file is of: --import SCHEME=FILE, with an id, a name or a text form "
                "of a scheme, or a precision (" +
                    join(precisions, ", ") + ")");
  }

  template <typename T>
  void agree(const char* what, T said, T& value, bool& is_said, const std::string& path) {
    if (said == T{0}) return;
    if (is_said && said != value) {
      throw Error(ErrorCode::mismatch,
                  fmt::format("{} are {} here and {} in a file before", what, said, value), path,
                  "Import what was measured alike");
    }
    value = said;
    is_said = true;
  }

  void add(const TimedModel& model, const std::string& path) {
    const std::string file = std::filesystem::path(path).filename().string();
    const std::string stem = file.substr(0, file.find('.'));
    std::optional<Assignment> precision = schemes_.find(model.model);
    if (!precision) precision = schemes_.find(stem);
    if (!precision) no_scheme(model.model.empty() ? stem : model.model, path);
    const std::string text = to_text(*precision, w_.layers(), w_.plan.precisions);
    if (model.whole) {
      measured_.wholes.push_back(
          {*precision,
           model.whole->ms,
           {model.whole->mean_ms, model.whole->p95_ms, model.whole->p99_ms}});
    }
    if (model.check && model.check->agreement < kAgreementExpected) {
      remarks_.push_back(fmt::format(
          "{}: the device's answers are those that qsweep predicted on {:.2f} % of {} images "
          "(largest difference {:.3g}).",
          text, 100.0 * model.check->agreement, model.check->images,
          model.check->largest_difference));
    }
    if (!model.remark.empty()) remarks_.push_back(fmt::format("{}: {}.", text, model.remark));
    const bool is_uniform =
        std::ranges::all_of(*precision, [&](std::uint8_t p) { return p == precision->front(); });
    if (model.kernels.empty()) return;
    if (!is_uniform) {
      remarks_.push_back(fmt::format(
          "{}: a profile of several precisions says nothing of one; only its whole time counts.",
          text));
      return;
    }
    Kernels& kernels = kernels_[precision->front()];
    for (const KernelTime& kernel : model.kernels) {
      if (kernel.ran_at.empty() && std::isnan(kernel.ms)) continue;
      if (!std::isnan(kernel.ms)) kernels.timed.push_back(kernel);
    }
    for (const KernelTime& kernel : model.kernels) {
      if (!std::isnan(kernel.ms)) continue;
      kernels.made_from[kernel.name] = kernel.made_from;
      if (!kernel.ran_at.empty()) kernels.ran_at[kernel.name] = kernel.ran_at;
    }
  }

  void add(const TimedLayer& row, const std::string& path) {
    const auto layer = std::ranges::find(w_.layers(), row.layer, &Layer::name);
    const std::optional<Assignment> at = schemes_.find(row.precision);
    if (row.layer == "*" && at) {
      measured_.wholes.push_back(
          {*at, row.time.ms, {row.time.mean_ms, row.time.p95_ms, row.time.p99_ms}});
    } else if (layer == w_.layers().end() || !at ||
               !std::ranges::all_of(*at, [&](std::uint8_t p) { return p == at->front(); })) {
      remarks_.push_back(fmt::format("{}: the run has no layer '{}' at {}; {:.4g} ms are left out.",
                                     path, row.layer, row.precision, row.time.ms));
    } else {
      measured_.layers.push_back({row.layer,
                                  w_.precision(at->front()).name,
                                  row.time.ms,
                                  "table",
                                  "",
                                  {row.time.mean_ms, row.time.p95_ms, row.time.p99_ms}});
    }
  }

  struct Kernels {
    std::vector<KernelTime> timed;
    std::map<std::string, std::vector<std::string>> made_from;  ///< from layer information
    std::map<std::string, std::string> ran_at;
  };

  void add_profile(std::uint8_t precision, Kernels& kernels) {
    const std::string name = w_.precision(precision).name;
    std::vector<std::string> elsewhere;
    UniformProfile profile{precision, std::vector<double>(w_.layers().size(), 0.0), 0.0};
    double unknown = 0.0;
    std::vector<std::string> strangers;
    for (KernelTime& kernel : kernels.timed) {
      const auto more = kernels.made_from.find(kernel.name);
      if (more != kernels.made_from.end())
        kernel.made_from.insert(kernel.made_from.end(), more->second.begin(), more->second.end());
      const std::set<int> layers = names_.of(kernel);
      names_.share(kernel.ms, layers, profile.layer_ms);
      if (!layers.empty()) continue;
      profile.rest_ms += kernel.ms;
      if (names_.knows(kernel)) continue;
      unknown += kernel.ms;
      strangers.push_back("'" + kernel.name + "'");
    }
    for (const auto& [kernel, at] : kernels.ran_at) {
      const std::set<int> layers =
          names_.of({.name = kernel, .made_from = kernels.made_from[kernel], .op = {}});
      const bool integer = at.find("8") != std::string::npos;
      const bool wanted = precision != 0 && is_integer_arithmetic(w_.precision(precision));
      if (!layers.empty() && integer != wanted)
        elsewhere.push_back(fmt::format("'{}' at {}", kernel, at));
    }
    if (!elsewhere.empty()) {
      remarks_.push_back(
          fmt::format("{}: ran at another precision than asked: {}.", name, listed(elsewhere)));
    }
    if (kernels.timed.empty()) return;
    const double total =
        std::accumulate(profile.layer_ms.begin(), profile.layer_ms.end(), profile.rest_ms);
    remarks_.push_back(fmt::format(
        "{}: {:.1f} % of the profiled time is that of layers, {:.1f} % is beside them{}.", name,
        total > 0.0 ? 100.0 * (total - profile.rest_ms) / total : 0.0,
        total > 0.0 ? 100.0 * profile.rest_ms / total : 0.0,
        strangers.empty() ? std::string()
                          : fmt::format(", of it {:.4g} ms in kernels whose names the model does "
                                        "not have: {}",
                                        unknown, listed(strangers))));
    measured_.profiles.push_back(std::move(profile));
  }

  static std::string listed(std::vector<std::string> texts) {
    if (texts.size() <= kMostListed) return join(texts, ", ");
    const std::size_t more = texts.size() - kMostListed;
    texts.resize(kMostListed);
    return fmt::format("{} and {} more", join(texts, ", "), more);
  }

  const Workload& w_;
  LayerNames names_;
  SchemeNames schemes_;
  MeasuredLatency measured_;
  bool batch_said_ = false, threads_said_ = false;
  std::map<std::uint8_t, Kernels> kernels_;
  std::vector<std::string> remarks_;
};

}  // namespace

LatencyImport import_latency(const std::filesystem::path& directory,
                             const std::vector<std::string>& files) {
  const RunResults before = load_results(directory);
  const std::shared_ptr<const Workload> workload =
      open_workload(load_job(directory / "run_config.yaml"));
  const Workload& w = *workload;
  Matcher matcher(w, before);
  for (const std::string& file : files) matcher.add(file);
  const MeasuredLatency measured = matcher.measured();
  const FittedLatency fitted = fit_latency(measured, w.layers(), w.plan.precisions);
  if (!fitted.table.scheme_ms(w.uniform(0).precision, w.layers(), w.plan.precisions).complete) {
    throw Error(ErrorCode::mismatch,
                "the files give no time of the float model, which every scheme is compared with",
                "", "Measure it too: whole, or each of its layers");
  }
  RecordStore records =
      RecordStore::amend(real_file_system(), directory / "journal.qsj", w.identity);
  put_imported_latency(records, fitted.table);
  std::int64_t timed = std::ssize(fitted.table.schemes());
  return {.results = rebuild_reports(directory),
          .residuals = fitted.residuals,
          .files = timed,
          .remarks = matcher.remarks()};
}

}  // namespace qsweep
