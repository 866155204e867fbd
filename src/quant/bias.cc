#include "src/quant/bias.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace qsweep {

void widen_for_bias(QuantizedWeight& weight, std::span<const float> bias, float input_scale) {
  constexpr double kMargin = 1.0001;
  constexpr double kHighest = std::numeric_limits<std::int32_t>::max();
  QuantParams wide = weight.params;
  for (std::size_t o = 0; o < bias.size(); ++o) {
    float& scale = wide.scale[o % wide.scale.size()];
    const double least = kMargin * std::fabs(static_cast<double>(bias[o])) /
                         (kHighest * static_cast<double>(input_scale));
    scale = std::max(scale, static_cast<float>(least));
  }
  if (wide == weight.params) return;
  weight.codes = quantize(weight.dequantized(), wide);
  weight.params = wide;
}

}  // namespace qsweep
