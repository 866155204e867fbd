#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "src/results/results.h"

/// What decisions, reports and the store ask of results: which evaluations are points of the front,
/// which layers rank first, how a scheme is called. Pure; pointers point into the results.
namespace qsweep::view {

using Evaluation = RunResults::Evaluation;
using Sensitivity = RunResults::Sensitivity;

/// Every stage that was asked for is finished.
[[nodiscard]] bool is_complete(const RunResults& results);
/// One sentence for the top of every report: how far the run is, how to go on. Empty when complete.
[[nodiscard]] std::string completeness_text(const RunResults& results);
/// What people must read first: completeness_text() and the alarms. Empty when all is well.
[[nodiscard]] std::vector<std::string> notices(const RunResults& results);
/// An alarm says that the float model's own figures are wrong.
[[nodiscard]] bool is_float_doubtful(const RunResults& results);

/// The run has a latency of the float model, so that others can be compared with it.
[[nodiscard]] bool has_latency(const RunResults& results);

/// How the run's latencies are known, in words: `qsweep's kernels, this machine, batch 1,
/// measured`; `roofline estimate, t4`; `ONNX Runtime 1.32.0 CPU, EPYC, 1 thread, measured`. Empty:
/// none known.
[[nodiscard]] std::string latency_label(const RunResults& results);
/// A scheme's latency is a model's, not a measurement of its kernels or its file.
[[nodiscard]] bool is_estimate(const Evaluation& scheme);

/// What the front minimises: the first of latency and size among the objectives, where the run has
/// the float model's latency; without one, deployed size.
enum class CostAxis { latency, size };
[[nodiscard]] CostAxis cost_axis(const RunResults& results);
[[nodiscard]] std::string_view name_of(CostAxis axis);  ///< column name: latency_ms, size_bytes
[[nodiscard]] double cost_of(const Evaluation& evaluation, CostAxis axis);

/// The float baseline, then every scheme in enumeration order, whatever its status. A scheme with
/// the baseline's id is the baseline and is not repeated.
[[nodiscard]] std::vector<const Evaluation*> all_schemes(const RunResults& results);
/// The schemes that can be points of the front: evaluated, finite and with a cost; by rising cost,
/// then falling metric, then enumeration order.
[[nodiscard]] std::vector<const Evaluation*> points(const RunResults& results);
/// points() that are on the front, by rising cost.
[[nodiscard]] std::vector<const Evaluation*> front(const RunResults& results);

[[nodiscard]] bool is_ok(const Evaluation& evaluation);
/// The figure of RunResults::other_metrics[index]; NaN where there is none.
[[nodiscard]] double other_of(const Evaluation& evaluation, std::size_t index);
/// Images a second, one call after another: 1000 * batch / latency; NaN without a latency (R192).
[[nodiscard]] double images_per_second(const RunResults& results, const Evaluation& scheme);
/// Times as fast as the baseline: its latency over the scheme's; NaN where one is missing (R206).
[[nodiscard]] double speedup(const RunResults& results, const Evaluation& scheme);
/// An interval that contains 0: the difference is called `not distinguishable from 0`.
[[nodiscard]] bool contains_zero(double low, double high);
/// degradation / baseline * 100, in percent; nothing where the baseline is 0 (R120).
[[nodiscard]] std::optional<double> relative_percent(double drop, double baseline);
/// The readable name, or the text form where there is none.
[[nodiscard]] const std::string& label_of(const Evaluation& evaluation);

/// What drops of sensitivity rows are against.
[[nodiscard]] const Evaluation& sensitivity_base(const RunResults& results);
/// The number a run ranks layers by (its `score` setting), larger = more sensitive.
[[nodiscard]] double score_of(const RunResults& results, const Sensitivity& row);
/// Rows of one mode and precision (empty = all precisions), by falling score, ties in the given
/// order.
[[nodiscard]] std::vector<const Sensitivity*> ranked(const RunResults& results,
                                                     std::string_view mode,
                                                     std::string_view precision = {});
/// Precisions that the sensitivity rows of a mode have, in the order of RunResults::precisions.
[[nodiscard]] std::vector<std::string> probed_precisions(const RunResults& results,
                                                         std::string_view mode);
/// The most frequent precision of an assignment, the earlier of equals; what `*=` stands for.
[[nodiscard]] std::string base_precision(const RunResults& results, const Evaluation& evaluation);
/// Name of a precision index, or an empty text when the index names none.
[[nodiscard]] std::string precision_name(const RunResults& results, std::uint8_t index);

/// Names of the layers that share a precision, each group's leader first; none: nothing is tied.
[[nodiscard]] std::vector<std::vector<std::string>> tied_layers(const RunResults& results);

[[nodiscard]] std::string class_name(const RunResults& results, std::size_t index);

/// `Top-1` for top1, `mAP` for map, `mIoU` for miou, else the column name.
[[nodiscard]] std::string metric_title(std::string_view metric);
/// `+1.20 points [+0.40, +2.10]`, and `not distinguishable from 0` where the interval says so.
[[nodiscard]] std::string drop_text(double drop, double low, double high);

/// Names of a layer's weight and activation format at a precision, for manifests and tables.
struct FormatNames {
  std::string weight, activation, granularity;
  int weight_bits = 32, activation_bits = 32;
};
[[nodiscard]] FormatNames format_names(const std::string& precision);

}  // namespace qsweep::view
