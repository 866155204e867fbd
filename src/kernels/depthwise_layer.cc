#include "src/kernels/detail/depthwise_layer.h"

#include <algorithm>
#include <cstring>

#include "src/base/machine.h"
#include "src/base/vector_clones.h"

#include "src/kernels/detail/array.h"

namespace qsweep::detail {
namespace {

/// Values side by side that have weights of their own; what comes behind repeats them.
constexpr std::int64_t kLanes = 16;
/// Sums under way, in vectors of kLanes: enough to wait for no product.
constexpr std::int64_t kSums = 4;

/// For the compiler to keep in registers. Its products are fused into its sums (CMakeLists.txt).
using Vector = float __attribute__((vector_size(kLanes * sizeof(float))));

[[gnu::always_inline]] inline void load(const float* values, Vector& vector) {
  std::memcpy(&vector, values, sizeof vector);
}

/// out[i] = sum over taps of tap[t][i] * weight[t][i mod kLanes], + bias
template <std::int64_t kVectors>
[[gnu::always_inline]] inline void add_taps(const std::vector<const float*>& taps,
                                            const float* weight,
                                            const float* bias,
                                            bool clips,
                                            std::int64_t place,
                                            float* out) {
  Vector sum[kVectors] = {}, factor, x;
  for (const float* const tap : taps) {
    load(weight, factor);
    for (std::int64_t v = 0; v < kVectors; ++v) {
      load(tap + place + v * kLanes, x);
      sum[v] += x * factor;
    }
    weight += kLanes;
  }
  load(bias, factor);
  for (std::int64_t v = 0; v < kVectors; ++v) {
    Vector y = sum[v] + factor;
    if (clips) y = y > 0.0f ? y : Vector{};
    std::memcpy(out + place + v * kLanes, &y, sizeof y);
  }
}

/// A row of `n` results, at least kLanes and a multiple of the channels. Ends are computed again
/// with what lies before them.
QSWEEP_VECTOR_CLONES
void convolve_row(const std::vector<const float*>& taps,
                  const float* weight,
                  const float* bias,
                  bool clips,
                  std::int64_t n,
                  float* out) {
  constexpr std::int64_t kBlock = kSums * kLanes;
  for (std::int64_t i = 0; i < n;) {
    if (n >= kBlock) {
      add_taps<kSums>(taps, weight, bias, clips, std::min(i, n - kBlock), out);
      i += kBlock;
    } else {
      add_taps<1>(taps, weight, bias, clips, std::min(i, n - kLanes), out);
      i += kLanes;
    }
  }
}

}  // namespace

bool DepthwiseLayer::suits(const LinearSpec& spec, const Geometry& g) {
  constexpr std::int64_t kMostTaps = 7;
  if (spec.kind != LinearSpec::Kind::conv || g.input.size() != 2 || g.group != g.in_channels ||
      g.group != g.out_channels || g.group >= kLanes || kLanes % g.group != 0 ||
      !this_machine().has_avx2_fma)
    return false;
  return g.strides[1] == 1 && g.dilations[0] == 1 && g.dilations[1] == 1 &&
         g.kernel[0] <= kMostTaps && g.kernel[1] <= kMostTaps && g.output[1] * g.group >= kLanes;
}

DepthwiseLayer::DepthwiseLayer(const LinearSpec& spec,
                               const Tensor& weight,
                               const std::vector<float>& bias)
    : epilogue_(spec.epilogue) {
  const std::int64_t channels = weight.dim(0), taps = weight.dim(2) * weight.dim(3);
  const auto values = weight.data<float>();
  for (std::int64_t t = 0; t < taps; ++t) {
    for (std::int64_t l = 0; l < kLanes; ++l)
      weight_.push_back(values[static_cast<std::size_t>(l % channels * taps + t)]);
  }
  for (std::int64_t l = 0; l < kLanes; ++l)
    bias_.push_back(bias.empty() ? 0.0f : bias[static_cast<std::size_t>(l % channels)]);
}

Tensor DepthwiseLayer::run(const Tensor& x, const Geometry& g) const {
  const std::int64_t line = g.input[1] * g.group, before = g.pad_begin[1] * g.group;
  const std::int64_t padded = before + line + g.pad_end[1] * g.group;
  const std::int64_t results = g.output[1] * g.group;
  // The padded lines of a window, each in the place of the one that left it; then a line of zeros.
  std::vector<float> lines(static_cast<std::size_t>((g.kernel[0] + 1) * padded), 0.0f);
  const float* const zeros = lines.data() + g.kernel[0] * padded;
  std::vector<const float*> taps(static_cast<std::size_t>(product(g.kernel)));
  Tensor y(DType::f32, g.result, Layout::channels_last);
  const float* picture = x.data<float>().data();
  float* out = y.mutable_data<float>().data();
  for (std::int64_t n = 0; n < g.batch; ++n, picture += g.input[0] * line) {
    std::int64_t copied = 0;  // lines of the picture so far
    for (std::int64_t row = 0; row < g.output[0]; ++row, out += results) {
      const std::int64_t top = row * g.strides[0] - g.pad_begin[0];
      const std::int64_t end = std::min(top + g.kernel[0], g.input[0]);
      for (copied = std::max(copied, top); copied < end; ++copied) {
        float* const to = lines.data() + copied % g.kernel[0] * padded + before;
        std::copy_n(picture + copied * line, line, to);
      }
      auto tap = taps.begin();
      for (std::int64_t l = top; l < top + g.kernel[0]; ++l) {
        const bool is_outside = l < 0 || l >= g.input[0];
        const float* in = is_outside ? zeros : lines.data() + l % g.kernel[0] * padded;
        for (std::int64_t c = 0; c < g.kernel[1]; ++c, in += g.group) *tap++ = in;
      }
      convolve_row(taps, weight_.data(), bias_.data(), epilogue_ == Epilogue::relu, results, out);
    }
  }
  if (epilogue_ == Epilogue::silu)
    silu(y.data<float>().data(), y.mutable_data<float>().data(), y.size());
  return y;
}

}  // namespace qsweep::detail
