#include "src/quant/weight_risk.h"

#include <algorithm>
#include <cmath>
#include <vector>

namespace qsweep {
namespace {

/// The smallest element that at least `share` of all are not above.
double percentile(std::vector<float>& values, double share) {
  const auto rank =
      static_cast<std::ptrdiff_t>(std::ceil(share * static_cast<double>(values.size())));
  const auto at = values.begin() + std::max<std::ptrdiff_t>(rank - 1, 0);
  std::ranges::nth_element(values, at);
  return static_cast<double>(*at);
}

double ratio(double largest, double usual) {
  return usual > 0.0 ? largest / usual : 1.0;
}

}  // namespace

WeightRisk weight_risk(const Tensor& weight, WeightAxes axes) {
  WeightRisk risk;
  const auto values = weight.data<float>();
  if (values.empty()) return risk;
  double mean = 0.0;
  for (const float v : values) mean += static_cast<double>(v);
  mean /= static_cast<double>(values.size());
  double second = 0.0, fourth = 0.0;
  for (const float v : values) {
    const double square = (static_cast<double>(v) - mean) * (static_cast<double>(v) - mean);
    second += square;
    fourth += square * square;
  }
  if (second == 0.0) return risk;
  risk.kurtosis = fourth * static_cast<double>(values.size()) / (second * second);

  const auto slices = weight_slices(weight.shape(), axes,
                                    {.dtype = DType::i8, .granularity = Granularity::per_channel});
  std::vector<float> magnitudes, channels;
  magnitudes.reserve(values.size());
  channels.resize(slices.empty() ? 1 : *std::ranges::max_element(slices) + std::size_t{1});
  for (std::size_t i = 0; i < values.size(); ++i) {
    magnitudes.push_back(std::abs(values[i]));
    float& channel = channels[slices.empty() ? 0 : slices[i]];
    channel = std::max(channel, magnitudes.back());
  }
  std::erase(channels, 0.0f);
  const double largest = static_cast<double>(*std::ranges::max_element(channels));
  risk.outlier_ratio = ratio(largest, percentile(magnitudes, 0.999));
  risk.channel_ratio = ratio(largest, percentile(channels, 0.5));
  return risk;
}

}  // namespace qsweep
