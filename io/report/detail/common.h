#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "io/report/results.h"

/// What the renderers share: which evaluations are points of the front, how numbers and cells are
/// written.
namespace qsweep::report {

using Evaluation = RunResults::Evaluation;
using Sensitivity = RunResults::Sensitivity;

/// What the front minimises: latency where the run has one, else deployed size.
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

/// Shortest text that reads back as the same number; empty for NaN and infinity.
[[nodiscard]] std::string number(double value);
/// `Top-1` for top1, `mAP` for map, `mIoU` for miou, else the column name.
[[nodiscard]] std::string metric_title(std::string_view metric);
/// `+1.20 points [+0.40, +2.10]`, and `not distinguishable from 0` where the interval says so.
[[nodiscard]] std::string drop_text(double drop, double low, double high);

/// Rows of an RFC 4180 file: cells with a comma, quote or line break are quoted, lines end in LF.
class Csv {
 public:
  explicit Csv(const std::vector<std::string>& header) { row(header); }
  void row(const std::vector<std::string>& cells);
  [[nodiscard]] const std::string& text() const { return text_; }

 private:
  std::string text_;
};

}  // namespace qsweep::report
