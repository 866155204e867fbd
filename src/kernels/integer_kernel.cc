#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <memory>
#include <optional>
#include <utility>

#include <fmt/format.h>

#include "src/kernels/detail/array.h"
#include "src/kernels/detail/layer_operands.h"
#include "src/kernels/detail/onednn_layer.h"
#include "src/kernels/detail/window_layer.h"
#include "src/kernels/linear.h"

namespace qsweep {
namespace {

/// Below this magnitude every integer is a float32, so integer sums in float are exact in any
/// order.
constexpr std::int64_t kExactFloat = std::int64_t{1} << 24;
constexpr int kMaxCode = 255;  ///< largest magnitude of x, or of x - zx, for 8-bit codes

/// Calls visit(output channel, position) for each element of a weight in ONNX layout.
template <class Visit>
void for_each_weight(const LinearSpec& spec,
                     const Shape& shape,
                     std::int64_t channels,
                     const Visit& visit) {
  const std::int64_t size = element_count(shape);
  if (spec.kind == LinearSpec::Kind::conv_transpose) {
    // [I, O/g, taps]: the input channel says which group, the second axis which output of it.
    const std::int64_t outs = shape[1];
    const std::int64_t taps = size / (shape[0] * outs);
    const std::int64_t ins = shape[0] / spec.group;
    std::int64_t position = 0;
    for (std::int64_t i = 0; i < shape[0]; ++i) {
      for (std::int64_t o = 0; o < outs; ++o) {
        for (std::int64_t t = 0; t < taps; ++t) visit(i / ins * outs + o, position++);
      }
    }
  } else if (spec.kind == LinearSpec::Kind::gemm && !spec.weight_is_output_major) {
    for (std::int64_t position = 0; position < size; ++position)
      visit(position % channels, position);
  } else {
    const std::int64_t each = size / channels;
    for (std::int64_t position = 0; position < size; ++position) visit(position / each, position);
  }
}

/// What oneDNN divides results by before it rounds them to codes of `next`; 0 where that would not
/// be what quantize() does (it adds the zero point to the rounded value) or there are none to give.
float divisor_for(const LinearSpec& spec, const std::optional<QuantParams>& next) {
  if (!next || spec.epilogue != Epilogue::relu || next->format.dtype != DType::u8) return 0.0f;
  const bool is_plain = next->format.granularity == Granularity::per_tensor &&
                        code_range(next->format).highest == kMaxCode && next->scale.size() == 1 &&
                        (next->zero_point.empty() || next->zero_point[0] == 0);
  return is_plain ? next->scale[0] : 0.0f;
}

class IntegerKernel final : public LinearKernel {
 public:
  IntegerKernel(const LinearSpec& spec,
                const QuantizedWeight& weight,
                const Tensor& bias,
                const QuantParams& activation,
                IntegerBackend backend,
                const QuantParams* next);

  Tensor run(const Tensor& x) override;
  Tensor run_added(const Tensor& x, const Tensor& residual, bool relu) override;
  [[nodiscard]] std::string name() const override {
    return windows_ ? "vnni_u8s8s32" : integer_ ? "onednn_u8s8s32" : "exact_f32";
  }

 private:
  [[nodiscard]] Tensor source_codes(const Tensor& x,
                                    const detail::Geometry& plain,
                                    detail::Geometry& padded) const;
  [[nodiscard]] bool uses_windows(const detail::Geometry& geometry) const {
    if (folded_bias_.empty()) return false;
    return integer_ ? detail::WindowLayer::suits_codes(spec_, geometry)
                    : detail::WindowLayer::computes(spec_, geometry);
  }
  detail::WindowLayer& windows();
  Tensor run_exact(const Tensor& x);
  void make_exact_parts();

  LinearSpec spec_;
  std::optional<QuantParams> next_;  ///< of the codes to give; absent: the values
  detail::Geometries geometries_;
  Tensor weight_;  ///< i8, ONNX layout
  DType code_type_ = DType::u8;
  std::int32_t zero_point_ = 0;            ///< in the activation's own codes
  std::int32_t shift_ = 0;                 ///< makes u8 codes of the activation's
  std::vector<std::int32_t> bias_;         ///< b_q
  std::vector<std::int32_t> folded_bias_;  ///< b_q - (zx + shift) sum w; empty where sums of u8
                                           ///< codes might leave 32 bits, or not asked for
  std::vector<float> scale_;               ///< s_x * s_w[o]
  std::unique_ptr<detail::WindowLayer> windows_;       ///< made for the first geometry that suits
  std::unique_ptr<detail::OneDnnLayer> integer_;       ///< null when it would not be exact
  std::unique_ptr<detail::OneDnnLayer> requantizing_;  ///< the same with codes of `next_`, or null
  std::vector<std::unique_ptr<LinearKernel>>
      exact_;  ///< float kernels whose outputs sum to the accumulator, made when first needed
};

IntegerKernel::IntegerKernel(const LinearSpec& spec,
                             const QuantizedWeight& weight,
                             const Tensor& bias,
                             const QuantParams& activation,
                             IntegerBackend backend,
                             const QuantParams* next)
    : spec_(spec),
      next_(next ? std::optional(*next) : std::nullopt),
      weight_(spec.kept(weight.codes.to_layout(Layout::row_major).reinterpreted(DType::i8))),
      code_type_(activation.format.dtype),
      zero_point_(activation.zero_point.empty() ? 0 : activation.zero_point[0]),
      shift_(code_type_ == DType::i8 ? 128 : 0) {
  const std::int64_t channels = detail::output_channels(spec, weight_.shape());
  const std::vector<float>& weight_scale = weight.params.scale;
  const std::int64_t scales = static_cast<std::int64_t>(weight_scale.size());
  // A transposed convolution has its scales along axis 1, which all groups share.
  if (activation.scale.size() != 1 || scales < 1 || channels % scales != 0 ||
      (scales != 1 && scales * spec.group != channels && scales != channels)) {
    throw Error(ErrorCode::corrupt_input,
                fmt::format("{} weight scales do not fit {} output channels", scales, channels),
                spec.name);
  }
  const int lowest = code_type_ == DType::i8 ? -128 : 0;
  if (zero_point_ < lowest || zero_point_ > lowest + kMaxCode) {
    throw Error(ErrorCode::corrupt_input,
                fmt::format("zero point {} is not a {} code", zero_point_, name_of(code_type_)),
                spec.name);
  }
  const std::vector<float> bias_float = detail::bias_values(spec, bias, channels);
  for (std::int64_t o = 0; o < channels; ++o) {
    const float scale = activation.scale[0] * weight_scale[static_cast<std::size_t>(o % scales)];
    if (!(scale > 0.0f) || !std::isfinite(scale)) {
      throw Error(ErrorCode::numeric,
                  fmt::format("scale {} of channel {} is not a positive number", scale, o),
                  spec.name);
    }
    scale_.push_back(scale);
    const double exact =
        bias_float.empty()
            ? 0.0
            : std::nearbyint(static_cast<double>(bias_float[static_cast<std::size_t>(o)]) /
                             static_cast<double>(scale));
    if (std::isnan(exact)) throw Error(ErrorCode::numeric, "bias is not a number", spec.name);
    bias_.push_back(static_cast<std::int32_t>(
        std::clamp<double>(exact, std::numeric_limits<std::int32_t>::min(),
                           std::numeric_limits<std::int32_t>::max())));
  }

  // The integer path computes with x' = x + shift in u8 and the zero point folded into the bias:
  // sum (x' - zx') w + b = sum x' w + (b - zx' sum w). For oneDNN both terms must be exact as
  // floats; in integers it is enough that no sum leaves 32 bits.
  std::vector<std::int64_t> sum(static_cast<std::size_t>(channels), 0);
  std::vector<std::int64_t> positive(sum), negative(sum);
  const auto codes = weight_.data<std::int8_t>();
  for_each_weight(spec_, weight_.shape(), channels, [&](std::int64_t o, std::int64_t position) {
    const std::int64_t w = codes[static_cast<std::size_t>(position)];
    const auto channel = static_cast<std::size_t>(o);
    sum[channel] += w;
    (w > 0 ? positive : negative)[channel] += std::abs(w);
  });
  bool exact = true, fits = backend == IntegerBackend::automatic;
  std::vector<float> folded_bias;
  for (std::size_t o = 0; o < sum.size(); ++o) {
    const std::int64_t folded = bias_[o] - (zero_point_ + shift_) * sum[o];
    exact = exact && kMaxCode * std::max(positive[o], negative[o]) < kExactFloat &&
            std::abs(folded) < kExactFloat;
    fits = fits && folded + kMaxCode * positive[o] <= std::numeric_limits<std::int32_t>::max() &&
           folded - kMaxCode * negative[o] >= std::numeric_limits<std::int32_t>::min();
    folded_bias.push_back(static_cast<float>(folded));
    folded_bias_.push_back(static_cast<std::int32_t>(folded));
  }
  if (!fits) folded_bias_.clear();
  // Transposed: places reached by fewer taps would need a bias of their own, so they go the exact
  // way.
  const bool transposed = spec.kind == LinearSpec::Kind::conv_transpose;
  if (exact && !transposed && backend != IntegerBackend::exact_f32 &&
      detail::onednn_int8_is_exact()) {
    integer_ = std::make_unique<detail::OneDnnLayer>(spec_, weight_, folded_bias, scale_);
    if (const float divisor = divisor_for(spec_, next_); divisor != 0.0f)
      requantizing_ =
          std::make_unique<detail::OneDnnLayer>(spec_, weight_, folded_bias, scale_, divisor);
  }
}

/// x as u8 codes for oneDNN. Its own padding is with 0, so where the zero point is another code the
/// padding is written here; `padded` is the geometry then, else untouched.
Tensor IntegerKernel::source_codes(const Tensor& x,
                                   const detail::Geometry& plain,
                                   detail::Geometry& padded) const {
  const auto is_zero = [](std::int64_t pad) { return pad == 0; };
  const bool pad = zero_point_ + shift_ != 0 && !(std::ranges::all_of(plain.pad_begin, is_zero) &&
                                                  std::ranges::all_of(plain.pad_end, is_zero));
  const auto flip = static_cast<std::uint8_t>(shift_);  // adding 128 is flipping the top bit
  const auto* source = static_cast<const std::uint8_t*>(x.raw());
  if (!pad) {
    if (shift_ == 0) return x;
    Tensor codes(DType::u8, x.shape(), x.layout());
    const auto target = codes.mutable_data<std::uint8_t>();
    for (std::size_t i = 0; i < target.size(); ++i) target[i] = source[i] ^ flip;
    return codes;
  }
  // Copy row by row of the last spatial axis into the middle of a buffer of zero points.
  detail::Geometry& g = padded = plain;
  const std::vector<std::int64_t> begin =
      std::exchange(g.pad_begin, std::vector<std::int64_t>(g.input.size(), 0));
  const std::vector<std::int64_t> end =
      std::exchange(g.pad_end, std::vector<std::int64_t>(g.input.size(), 0));
  std::vector<std::int64_t> lines = {g.batch};
  lines.insert(lines.end(), g.input.begin(), g.input.end() - 1);
  const std::int64_t line = g.input.back() * g.in_channels;
  for (std::size_t a = 0; a < g.input.size(); ++a) g.input[a] += begin[a] + end[a];
  Tensor codes(DType::u8, {g.batch, detail::product(g.input), g.in_channels});
  auto* target = codes.mutable_data<std::uint8_t>().data();
  std::memset(target, zero_point_ + shift_, codes.bytes());
  std::vector<std::int64_t> place(lines.size());
  for (std::int64_t l = 0; l < detail::product(lines); ++l) {
    detail::unflatten(l, lines, place);
    std::int64_t pixel = place[0];
    for (std::size_t a = 0; a < g.input.size(); ++a) {
      pixel = pixel * g.input[a] + begin[a] + (a + 1 < place.size() ? place[a + 1] : 0);
    }
    std::uint8_t* out = target + pixel * g.in_channels;
    for (std::int64_t i = 0; i < line; ++i) out[i] = source[l * line + i] ^ flip;
  }
  return codes;
}

Tensor IntegerKernel::run(const Tensor& x) {
  if (x.dtype() != code_type_) {
    throw Error(
        ErrorCode::corrupt_input,
        fmt::format("layer expects {} codes and got {}", name_of(code_type_), name_of(x.dtype())),
        spec_.name);
  }
  if (x.size() > 0 && !folded_bias_.empty()) {
    const detail::Geometry& geometry = geometries_.of(spec_, weight_.shape(), x.shape());
    if (uses_windows(geometry)) {
      Tensor y = windows().run(x.to_layout(Layout::channels_last), geometry);
      return next_ && y.dtype() == DType::f32 ? quantize(y, *next_) : y;
    }
  }
  if (x.size() > 0 && integer_) {
    const detail::Geometry& plain = geometries_.of(spec_, weight_.shape(), x.shape());
    detail::Geometry padded;
    const Tensor codes = source_codes(detail::ordered_input(spec_, x), plain, padded);
    const detail::Geometry& geometry = padded.batch > 0 ? padded : plain;
    if (requantizing_) {
      if (auto y = requantizing_->run(codes, geometry)) return *std::move(y);
      requantizing_.reset();
    }
    if (auto y = integer_->run(codes, geometry))
      return next_ ? quantize(*y, *next_) : *std::move(y);
    integer_.reset();
  }
  if (exact_.empty()) make_exact_parts();
  return next_ ? quantize(run_exact(x), *next_) : run_exact(x);
}

Tensor IntegerKernel::run_added(const Tensor& x, const Tensor& residual, bool relu) {
  const bool can_add = x.dtype() == code_type_ && x.size() > 0 && !next_ &&
                       residual.layout() == Layout::channels_last &&
                       spec_.epilogue == Epilogue::none && !folded_bias_.empty();
  if (can_add) {
    const detail::Geometry& geometry = geometries_.of(spec_, weight_.shape(), x.shape());
    if (uses_windows(geometry) && residual.shape() == geometry.result)
      return windows().run(x.to_layout(Layout::channels_last), geometry, &residual, relu);
  }
  return LinearKernel::run_added(x, residual, relu);
}

detail::WindowLayer& IntegerKernel::windows() {
  if (!windows_) {
    windows_ = std::make_unique<detail::WindowLayer>(
        spec_, weight_, folded_bias_, scale_, static_cast<std::uint8_t>(zero_point_ + shift_),
        static_cast<std::uint8_t>(shift_), next_ ? &*next_ : nullptr);
  }
  return *windows_;
}

/// Splits the weight into parts (others zeroed) so small that no partial sum of one reaches 2^24,
/// whatever the order of summation; nearly always one part does.
void IntegerKernel::make_exact_parts() {
  LinearSpec spec = spec_;
  spec.epilogue = Epilogue::none;
  const std::int64_t channels = detail::output_channels(spec, weight_.shape());
  std::vector<std::int64_t> positive(static_cast<std::size_t>(channels), 0), negative(positive);
  std::vector<std::size_t> part(positive.size(), 0);
  const auto codes = weight_.data<std::int8_t>();
  std::vector<Tensor> weights;
  for_each_weight(spec, weight_.shape(), channels, [&](std::int64_t o, std::int64_t position) {
    const std::int64_t w = codes[static_cast<std::size_t>(position)];
    const auto channel = static_cast<std::size_t>(o);
    std::int64_t& side = (w > 0 ? positive : negative)[channel];
    if (kMaxCode * (side + std::abs(w)) >= kExactFloat) {
      positive[channel] = negative[channel] = 0;
      ++part[channel];
    }
    side += std::abs(w);
    if (part[channel] >= weights.size()) {
      weights.emplace_back(DType::f32, weight_.shape());
      std::ranges::fill(weights.back().mutable_data<float>(), 0.0f);
    }
    weights[part[channel]].mutable_data<float>()[static_cast<std::size_t>(position)] =
        static_cast<float>(w);
  });
  // Direct: Winograd's form is not exact on integers.
  for (const Tensor& weight : weights)
    exact_.push_back(make_float_kernel(spec, weight, Tensor(), FloatBackend::direct));
}

Tensor IntegerKernel::run_exact(const Tensor& x) {
  const Tensor ordered = detail::ordered_input(spec_, x);
  Tensor centred(DType::f32, ordered.shape(), ordered.layout());
  const auto values = centred.mutable_data<float>();
  const auto zero = static_cast<float>(zero_point_);
  const auto centre = [&](const auto codes) {
    for (std::size_t i = 0; i < values.size(); ++i) values[i] = static_cast<float>(codes[i]) - zero;
  };
  if (code_type_ == DType::u8) {
    centre(ordered.data<std::uint8_t>());
  } else {
    centre(ordered.data<std::int8_t>());
  }
  Tensor y = exact_[0]->run(centred);
  const auto out = y.mutable_data<float>();
  // Sums of integers below 2^53 are exact in double; one rounding to float, then one product.
  std::vector<double> sums(out.begin(), out.end());
  for (std::size_t part = 1; part < exact_.size(); ++part) {
    const Tensor more = exact_[part]->run(centred);
    const auto values_of_part = more.data<float>();
    for (std::size_t i = 0; i < sums.size(); ++i) sums[i] += static_cast<double>(values_of_part[i]);
  }
  const std::size_t channels = scale_.size();
  for (std::size_t first = 0; first < out.size(); first += channels) {
    const double* row = sums.data() + first;
    for (std::size_t o = 0; o < channels; ++o) {
      const float value = static_cast<float>(row[o] + bias_[o]) * scale_[o];
      out[first + o] = spec_.epilogue == Epilogue::relu && !(value > 0.0f) ? 0.0f : value;
    }
  }
  if (spec_.epilogue == Epilogue::silu) detail::silu(out.data(), out.data(), y.size());
  return y;
}

}  // namespace

std::unique_ptr<LinearKernel> make_integer_kernel(const LinearSpec& spec,
                                                  const QuantizedWeight& weight,
                                                  const Tensor& bias,
                                                  const QuantParams& activation,
                                                  IntegerBackend backend,
                                                  const QuantParams* next) {
  if (!has_integer_kernel(weight.params.format, activation.format)) {
    throw Error(ErrorCode::unsupported,
                fmt::format("no integer kernel for {} weights with {} activations",
                            name_of(weight.params.format.dtype), name_of(activation.format.dtype)),
                spec.name);
  }
  return std::make_unique<IntegerKernel>(spec, weight, bias, activation, backend, next);
}

bool has_integer_kernel(const Format& weight, const Format& activation) {
  return (weight.dtype == DType::i8 || weight.dtype == DType::i4) && weight.symmetric &&
         weight.granularity != Granularity::per_block &&
         (activation.dtype == DType::u8 || activation.dtype == DType::i8) &&
         activation.granularity == Granularity::per_tensor;
}

}  // namespace qsweep
