#include "sweep/run/results.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <numeric>

#include <fmt/format.h>

#include "src/base/log.h"
#include "src/base/machine.h"

#include "src/quant/weight_risk.h"

#include "src/kernels/linear.h"
#include "src/results/views.h"

#include "sweep/plan/alarms.h"
#include "sweep/plan/groups.h"
#include "sweep/plan/pareto.h"
#include "sweep/stages/adaptation.h"
#include "sweep/stages/calibration.h"
#include "sweep/stages/stage.h"

namespace qsweep {
namespace {

class Assembler {
 public:
  Assembler(const Workload& w, const Findings& f) : w_(w), f_(f) {}

  /// What calibration alone has found.
  RunResults calibration() {
    describe_inputs();
    describe_layers();
    describe_calibration();
    add_provenance();
    return std::move(r_);
  }

  RunResults run(const RunResults::Ledger& ledger) {
    describe_inputs();
    describe_layers();
    describe_calibration();
    records_ = sensitivity_records(f_);
    r_.baseline = evaluation("scheme", w_.uniform(0), f_.baseline, f_.baseline);
    add_sensitivity();
    add_schemes();
    add_latency();
    mark_front();
    add_groups();
    add_remarks();
    add_provenance();
    r_.ledger = ledger;
    r_.alarms = find_alarms(r_);
    for (const StageProgress& stage : f_.stages) {
      // Activations are kept beside the figures; none depends on them.
      if (stage.name != name_of(StageId::activations))
        r_.stages.push_back({stage.name, stage.planned, stage.done});
    }
    return std::move(r_);
  }

 private:
  [[nodiscard]] const std::vector<Layer>& layers() const { return w_.layers(); }
  [[nodiscard]] const Shape& weight_shape(const Layer& layer) const {
    return w_.model.program->graph().value(layer.weight).constant->shape();
  }

  void describe_inputs() {
    r_.model = {.path = w_.job.model.filename().string(),
                .sha256 = w_.model.file_digest,
                .name = w_.job.model.stem().string(),
                .opset = w_.model.program->graph().opset,
                .batch_norms_folded = w_.model.program->batch_norms_folded(),
                .parameters = 0,
                .macs = std::accumulate(w_.model.trace.macs.begin(), w_.model.trace.macs.end(),
                                        std::int64_t{0}),
                .float_bytes = 0,
                .input_shape = to_string(w_.model.image_shape)};
    const auto set = [](const JobConfig::Data& data, const ImageSet& images) {
      return RunResults::Dataset{.spec = data.format + ":" + data.paths.back().filename().string(),
                                 .digest = images.digest(),
                                 .images = images.size(),
                                 .sampling = data.sampling,
                                 .sample_ids = {images.ids().begin(), images.ids().end()},
                                 .remarks = images.data().remarks()};
    };
    if (w_.calibration.is_given()) r_.calibration = set(w_.job.calibration, w_.calibration);
    r_.evaluation = set(w_.job.evaluation, w_.evaluation);
    r_.objectives = w_.job.objectives;
    r_.confidence = w_.job.confidence;
    r_.calibrator = w_.job.quantization.calibrator;
    r_.preset = w_.job.quantization.preset;
    r_.algorithm = describe(w_.plan.weights);
    for (const QuantRule& rule : w_.plan.rules) r_.rules.push_back(to_json(rule));
    r_.score = w_.job.sensitivity.score;
    for (const Precision& p : w_.plan.precisions.all()) r_.precisions.push_back(p.name);
    if (!w_.all.scorer) return;
    r_.task = w_.job.task;
    r_.class_names = w_.all.scorer->class_names();
    r_.metric = w_.all.scorer->metrics().front().name;
    if (r_.metric == "top1") {
      const ValueId scores = w_.model.program->graph().outputs.at(0);
      r_.model.classes = w_.model.trace.shapes.at(static_cast<std::size_t>(scores)).back();
    }
    r_.other_metrics.clear();
    for (const Metric& metric : std::span(w_.all.scorer->metrics()).subspan(1))
      r_.other_metrics.push_back(metric.name);
  }

  void describe_layers() {
    const Program& program = *w_.model.program;
    for (const LayerId id : ids<LayerId>(layers().size())) {
      const Layer& layer = program.layer(id);
      const Step& step = program.step(program.step_of(id));
      const LayerId leader = w_.plan.leaders[id.index()];
      const WeightRisk risk =
          weight_risk(program.weight(id), {layer.output_axis, layer.input_axis});
      r_.layers.push_back({.name = layer.name,
                           .op = layer.op,
                           .group = layer.group,
                           .weight_shape = to_string(weight_shape(layer)),
                           .output_shape = to_string(w_.model.trace.shapes.at(
                               static_cast<std::size_t>(step.outputs.at(0)))),
                           .macs = w_.model.layer_macs[id.index()],
                           .parameters = layer.parameters,
                           .depthwise = layer.is_depthwise,
                           .tied_to = leader == id ? std::string() : program.layer(leader).name,
                           .input = program.graph().value(layer.input).name,
                           .weight_outlier_ratio = risk.outlier_ratio,
                           .weight_channel_ratio = risk.channel_ratio});
      r_.model.parameters += layer.parameters;
      const std::int64_t bias = layer.parameters - element_count(weight_shape(layer));
      sizes_.push_back({weight_shape(layer),
                        {layer.output_axis, layer.input_axis},
                        bias,
                        input_factors(f_.adaptations, id)});
    }
    r_.model.float_bytes =
        scheme_size(std::vector<std::uint8_t>(layers().size(), 0), sizes_, w_.plan.precisions)
            .bytes;
  }

  void describe_calibration() {
    if (f_.stats.empty()) return;
    r_.calibration_warnings = calibration_warnings(w_);
    const Format format = parse_precision("W8A8", quant_defaults(w_.job)).activation;
    const Graph& graph = w_.model.program->graph();
    const std::vector<ValueId> values = w_.model.calibrated();
    for (std::size_t i = 0; i < values.size(); ++i) {
      const TensorStats& s = f_.stats.at(i);
      const std::string& tensor = graph.value(values[i]).name;
      // A value that no layer reads goes by the node that computes it.
      const std::string& reader =
          i < layers().size() ? layers()[i].name : graph.node(graph.producer(values[i])).name;
      const bool seen = std::any_of(r_.calibration_stats.begin(), r_.calibration_stats.end(),
                                    [&](const auto& c) { return c.tensor == tensor; });
      if (seen) continue;  // layers that read one tensor share its statistics
      RunResults::Calibration c{tensor, reader, s.min(), s.max(), s.histogram(), s.images()};
      if (!c.histogram.empty() && s.max() > s.min())
        c.ranges = report_range(s, format, w_.plan.calibrator);
      if (c.ranges.is_stretched) r_.calibration_warnings.push_back(range_warning(c));
      r_.calibration_stats.push_back(std::move(c));
    }
  }

  /// A range that a few outliers stretch wastes codes: say where, and which calibrator loses least.
  static std::string range_warning(const RunResults::Calibration& c) {
    const RangeReport& r = c.ranges;
    const double minmax = r.of(CalibratorKind::minmax).error;
    const std::string advice =
        r.best == CalibratorKind::minmax
            ? "minmax still has the least expected error"
            : fmt::format("{} has the least expected error, {:.2g} of minmax's", name_of(r.best),
                          minmax > 0.0 ? r.of(r.best).error / minmax : 1.0);
    return fmt::format(
        "Tensor '{}' (input of '{}') spans {:.4g} .. {:.4g} but 98 % of it lies within {:.4g} .. "
        "{:.4g}: {}.",
        c.tensor, c.layer, c.min, c.max, r.central_low, r.central_high, advice);
  }

  RunResults::Evaluation evaluation(const std::string& kind,
                                    const Scheme& scheme,
                                    const SchemeResult& result,
                                    const SchemeResult& baseline) {
    RunResults::Evaluation e;
    e.kind = kind;
    e.id = scheme.id;
    e.name = scheme.name;
    e.text = to_text(scheme.precision, layers(), w_.plan.precisions);
    e.precision = scheme.precision;
    const SchemeSize size = scheme_size(scheme.precision, sizes_, w_.plan.precisions);
    e.size_bytes = size.bytes;
    e.effective_bits = size.effective_bits;
    e.bops = bit_operations(scheme.precision, w_.model.layer_macs, w_.plan.precisions);
    if (f_.latency) {
      const LatencyTable::Estimate latency =
          f_.latency->scheme_ms(scheme.precision, layers(), w_.plan.precisions);
      if (latency.complete) {
        e.latency_ms = latency.ms;
        e.latency_source = latency.source;
      }
    }
    if (!result.is_ok()) {
      e.status = "failed";
      e.reason = result.reason;
      return e;
    }
    ScoreSummary summary = result.verdict->summary();
    const ScoreComparison paired = result.verdict->compare(*baseline.verdict);
    e.images = summary.images;
    e.metric = summary.metrics.at(0);
    e.others.assign(summary.metrics.begin() + 1, summary.metrics.end());
    e.ci_low = summary.interval.low;
    e.ci_high = summary.interval.high;
    e.drop = paired.drop;
    e.drop_low = paired.interval.low;
    e.drop_high = paired.interval.high;
    e.drop_se = paired.standard_error;
    e.p_value = paired.p_value;
    e.kl = result.mean_kl;
    e.agreement = paired.agreement;
    e.class_metric = std::move(summary.class_metric);
    e.elapsed_s = result.seconds;
    if (kind == "scheme") {
      e.confusion = std::move(summary.confusion);
      e.predictions = std::move(summary.top1);
      e.detections = std::move(summary.detections);
    }
    e.nonfinite = result.nonfinite;
    if (result.nonfinite)
      e.reason = "NaN or infinity in the scores of some images (counted as wrong)";
    return e;
  }

  void add_sensitivity() {
    if (!f_.base.is_ok() || !f_.probing_baseline.is_ok()) return;
    if (w_.plan.base != 0 && !f_.cases.empty())
      r_.sensitivity_base =
          evaluation("scheme", w_.uniform(w_.plan.base), f_.base, f_.probing_baseline);
    const std::vector<SensitivityRecord>& records = records_;
    const Score score = parse_score(w_.job.sensitivity.score);
    std::size_t next = 0;  // records exist for successful cases only, in case order
    for (std::size_t i = 0; i < f_.cases.size(); ++i) {
      const SensitivityCase& c = f_.cases[i];
      if (f_.case_results[i].state == SchemeResult::State::missing) continue;
      r_.evaluations.push_back(
          evaluation("sensitivity", c.scheme, f_.case_results[i], f_.probing_baseline));
      if (!f_.case_results[i].is_ok()) continue;
      const SensitivityRecord& s = records.at(next++);
      const Layer& layer = layers()[c.layer.index()];
      const Precision& p = w_.plan.precisions.at(c.precision);
      r_.sensitivity.push_back(
          {.layer = layer.name,
           .precision = p.name,
           .mode = std::string(name_of(c.mode)),
           .kl = s.kl,
           .sqnr_db = s.sqnr_db,
           .mse = s.mse,
           .cosine = s.cosine,
           .qdq_error = s.qdq_error,
           .output_mse = s.output_mse,
           .metric = s.metric,
           .metric_drop = s.metric_drop,
           .ci_low = s.drop_low,
           .ci_high = s.drop_high,
           .size_cost = stored_weight_bytes(weight_shape(layer),
                                            {layer.output_axis, layer.input_axis}, p.weight),
           .sensitivity_class = std::string(name_of(classify(s))),
           .rank = 0,
           .nonfinite = s.has_nonfinite});
    }
    // Ranks within each (precision, mode); all_but is ranked by what keeping the layer at the
    // base gives back.
    for (const SensitivityMode mode : w_.plan.modes) {
      for (const Precision& p : w_.plan.precisions.all()) {
        std::vector<SensitivityRecord> group;
        for (const SensitivityRecord& s : records) {
          if (s.mode == mode && w_.plan.precisions.at(s.precision).name == p.name)
            group.push_back(s);
        }
        if (group.empty()) continue;
        std::vector<LayerId> order = rank_layers(group, group.front().precision, score);
        if (mode == SensitivityMode::all_but) std::reverse(order.begin(), order.end());
        for (std::size_t rank = 0; rank < order.size(); ++rank) {
          const std::string& name = layers()[order[rank].index()].name;
          for (auto& s : r_.sensitivity) {
            if (s.mode == name_of(mode) && s.precision == p.name && s.layer == name)
              s.rank = static_cast<int>(rank) + 1;
          }
        }
      }
    }
  }

  void add_schemes() {
    first_scheme_ = r_.evaluations.size();
    for (std::size_t i = 0; i < f_.schemes.size(); ++i) {
      if (f_.scheme_results[i].state == SchemeResult::State::missing) continue;
      r_.evaluations.push_back(
          evaluation("scheme", f_.schemes[i], f_.scheme_results[i], f_.baseline));
      shown_.push_back(i);
    }
  }

  void mark_front() {
    const bool by_latency = view::cost_axis(r_) == view::CostAxis::latency;
    // The other cost that the objectives name, where the run has it, is the front's second.
    const std::string_view other = by_latency ? "size" : "latency";
    const bool has_other = std::ranges::find(r_.objectives, other) != r_.objectives.end() &&
                           (by_latency || f_.latency);
    std::vector<FrontPoint> points;
    for (std::size_t i = first_scheme_; i < r_.evaluations.size(); ++i) {
      const auto& e = r_.evaluations[i];
      const auto size = static_cast<double>(e.size_bytes);
      const bool needs_latency = by_latency || has_other;
      points.push_back(
          {.id = e.id,
           .cost = by_latency ? e.latency_ms : size,
           .other_cost = !has_other   ? 0.0
                         : by_latency ? size
                                      : e.latency_ms,
           .metric = e.metric,
           .valid = e.status == "ok" && (!needs_latency || !e.latency_source.empty())});
    }
    const std::vector<bool> front = pareto_front(points);
    std::vector<std::size_t> members;
    for (std::size_t i = 0; i < front.size(); ++i) {
      r_.evaluations[first_scheme_ + i].on_front = front[i];
      if (front[i]) members.push_back(i);
    }
    std::stable_sort(members.begin(), members.end(),
                     [&](std::size_t a, std::size_t b) { return points[a].cost < points[b].cost; });
    // A step to the next, costlier point that is under two paired standard errors may be noise.
    for (std::size_t m = 0; m + 1 < members.size(); ++m) {
      const ScoreComparison step = f_.scheme_results[shown_[members[m]]].verdict->compare(
          *f_.scheme_results[shown_[members[m + 1]]].verdict);
      r_.evaluations[first_scheme_ + members[m]].inseparable =
          std::abs(step.drop) < 2.0 * step.standard_error;
    }
  }

  void add_latency() {
    if (!f_.latency) return;
    const LatencyPlace& place = f_.latency->place();
    r_.latency_device = place.device;
    r_.latency_batch = place.batch;
    r_.latency_threads = place.threads;
    r_.latency_other_ms = f_.latency->other_ms();
    r_.latency_source = name_of(place.origin);
    r_.latency_boundary_ms = f_.latency->boundary_ms();
    for (const SchemeLatency& s : f_.latency->schemes()) {
      r_.latency_schemes.push_back({"*", s.scheme, "measured", "whole file", s.ms, s.spread.mean_ms,
                                    s.spread.p95_ms, s.spread.p99_ms});
    }
    for (const LayerLatency& row : f_.latency->rows()) {
      r_.latency.push_back({row.layer, row.precision, row.source, row.kernel, row.ms,
                            row.spread.mean_ms, row.spread.p95_ms, row.spread.p99_ms});
    }
  }

  void add_groups() {
    if (f_.cases.empty()) return;
    const double total = static_cast<double>(std::max<std::int64_t>(r_.model.macs, 1));
    std::vector<double> share;
    for (std::int64_t macs : w_.model.layer_macs)
      share.push_back(static_cast<double>(macs) / total);
    std::vector<SensitivityRecord> records;  // a tied layer's are its leader's
    for (const SensitivityRecord& record : records_) {
      for (const LayerId layer : ids<LayerId>(layers().size())) {
        if (w_.plan.leaders[layer.index()] != record.layer) continue;
        records.push_back(record);
        records.back().layer = layer;
      }
    }
    for (const GroupSensitivity& g : group_sensitivity(layers(), share, records)) {
      r_.groups.push_back({.name = g.name,
                           .sensitivity_class = std::string(name_of(g.sensitivity)),
                           .recommendation = g.recommendation,
                           .drop = g.worst_drop,
                           .kl = g.worst_kl,
                           .work_share = g.work_share,
                           .layers = g.layers});
    }
  }

  void add_remarks() {
    std::int64_t separable = 0;
    for (const auto& s : r_.sensitivity) separable += s.ci_low > 0.0 ? 1 : 0;
    if (!r_.sensitivity.empty()) {
      r_.remarks.push_back(
          fmt::format("{} of {} single-layer changes {}lower {} by more than noise at {:.0f} % "
                      "confidence on {} images; the rest are ranked by {} only.",
                      separable, r_.sensitivity.size(),
                      r_.sensitivity_base ? "from " + r_.sensitivity_base->name + " " : "",
                      r_.metric, 100.0 * r_.confidence, r_.evaluation.images, r_.score));
    }
    std::int64_t front = 0, inseparable = 0;
    for (const auto& e : r_.evaluations) {
      front += e.on_front ? 1 : 0;
      inseparable += e.inseparable ? 1 : 0;
    }
    if (inseparable > 0) {
      r_.remarks.push_back(
          fmt::format("{} of the front's {} steps are under two paired standard errors: those "
                      "neighbours cannot be told apart by {}.",
                      inseparable, front - 1, r_.metric));
    }
    r_.remarks.insert(r_.remarks.end(), r_.calibration_warnings.begin(),
                      r_.calibration_warnings.end());
    for (const auto& e : r_.evaluations) {
      if (e.status != "ok")
        r_.remarks.push_back(fmt::format("{} {} failed: {}", e.kind, e.id, e.reason));
      else if (!e.reason.empty())
        r_.remarks.push_back(fmt::format("{} {}: {}", e.kind, e.id, e.reason));
    }
  }

  void add_provenance() {
    const Machine& machine = this_machine();
    std::string features;
    for (const std::string& f : machine.features) features += (features.empty() ? "" : " ") + f;
    r_.provenance = {{"qsweep_version", version()},
                     {"compiler", compiler()},
                     {"libraries", kernel_libraries()},
                     {"cpu", machine.cpu_model},
                     {"cpu_features", features},
                     {"fingerprint", w_.identity.part(IdentityUse::records).digest()},
                     {"seed", std::to_string(w_.job.seed)}};
  }

  const Workload& w_;
  const Findings& f_;
  std::vector<SensitivityRecord> records_;
  std::vector<WeightExtent> sizes_;
  std::size_t first_scheme_ = 0;
  std::vector<std::size_t> shown_;  ///< schemes with a result, in the order of their evaluations
  RunResults r_;
};

}  // namespace

RunResults assemble(const Workload& workload,
                    const Findings& findings,
                    const RunResults::Ledger& ledger) {
  return Assembler(workload, findings).run(ledger);
}

void warn_of_alarms(const RunResults& results) {
  for (const RunResults::Alarm& alarm : results.alarms) {
    if (alarm.about == RunResults::Alarm::About::float_model) log_warning(alarm.text);
  }
}

RunResults assemble_calibration(const Workload& workload, const std::vector<TensorStats>& stats) {
  Findings findings;
  findings.stats = stats;
  return Assembler(workload, findings).calibration();
}

}  // namespace qsweep
