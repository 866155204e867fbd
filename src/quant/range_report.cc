#include "src/quant/range_report.h"

#include <algorithm>
#include <set>

#include "src/quant/detail/histogram.h"

namespace qsweep {
namespace {

constexpr double kStretched = 6.0;
/// What a calibrator must gain over minmax: a histogram knows a value to a bin only.
constexpr double kGain = 0.98;

/// Distinct values left, as a share of the format's codes.
double codes_used(const Tensor& values, const QuantParams& params) {
  const Tensor rounded = fake_quantize(values, params);
  const auto left = rounded.data<float>();
  const std::set<float> seen(left.begin(), left.end());
  const CodeRange codes = code_range(params.format);
  return static_cast<double>(seen.size()) / static_cast<double>(codes.highest - codes.lowest + 1);
}

}  // namespace

const RangeReport::Choice& RangeReport::of(CalibratorKind kind) const {
  return *std::find_if(choices.begin(), choices.end(),
                       [&](const Choice& c) { return c.kind == kind; });
}

RangeReport report_range(const TensorStats& stats,
                         const Format& format,
                         const CalibratorSettings& settings) {
  const detail::Histogram h(stats);
  const auto points = h.points();
  double mean_square = 0.0;
  for (std::size_t i = 0; i < points.weights.size(); ++i) {
    const auto x = static_cast<double>(points.values.data<float>()[i]);
    mean_square += points.weights[i] * x * x;
  }
  RangeReport report;
  for (const CalibratorKind kind : all_calibrators()) {
    CalibratorSettings chosen = settings;
    chosen.kind = kind;
    const ValueRange range = calibrated_range(stats, format, chosen);
    const QuantParams params =
        params_from_range(static_cast<float>(range.low), static_cast<float>(range.high), format);
    report.choices.push_back(
        {.kind = kind,
         .low = range.low,
         .high = range.high,
         .clipped = h.share_outside(range),
         .codes_used = codes_used(points.values, params),
         .error = mean_square > 0.0 ? points.squared_error(params) / mean_square : 0.0});
  }
  const auto best =
      std::min_element(report.choices.begin(), report.choices.end(),
                       [](const auto& a, const auto& b) { return a.error < b.error; });
  if (best->error < kGain * report.of(CalibratorKind::minmax).error) report.best = best->kind;
  report.central_low = h.quantile(0.01);
  report.central_high = h.quantile(0.99);
  const double usual = h.magnitude_quantile(0.999);
  report.outlier_ratio = usual > 0.0 ? stats.amax() / usual : 1.0;
  report.is_stretched = static_cast<double>(stats.max()) - static_cast<double>(stats.min()) >
                        kStretched * (report.central_high - report.central_low);
  return report;
}

}  // namespace qsweep
