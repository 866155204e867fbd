#include "src/base/error.h"

#include "src/kernels/detail/geometry.h"
#include "src/kernels/linear.h"

namespace qsweep {

InputRows::InputRows(const LinearSpec& spec, const Shape& weight, const Shape& input) {
  if (spec.kind == LinearSpec::Kind::conv_transpose)
    throw Error(ErrorCode::unsupported, "a ConvTranspose has no rows of inputs", spec.name);
  const detail::Geometry g = detail::resolve_geometry(spec, weight, input);
  channels_ = g.in_channels;
  area_ = detail::product(g.kernel);
  rows_ = spec.kind == LinearSpec::Kind::gemm ? g.batch : detail::product(g.output);
  kernel_ = g.kernel;
  input_ = g.input;
  output_ = g.output;
  strides_ = g.strides;
  dilations_ = g.dilations;
  pads_ = g.pad_begin;
}

void InputRows::append(std::span<const float> image,
                       std::int64_t row,
                       std::vector<float>& out) const {
  QSWEEP_CHECK(row >= 0 && row < rows_);
  const auto at = [&](std::int64_t i) { return image[static_cast<std::size_t>(i)]; };
  if (kernel_.empty()) {
    for (std::int64_t c = 0; c < channels_; ++c) out.push_back(at(row * channels_ + c));
    return;
  }
  const std::int64_t plane = detail::product(input_);
  std::vector<std::int64_t> place(output_.size()), tap(kernel_.size());
  detail::unflatten(row, output_, place);
  for (std::int64_t c = 0; c < channels_; ++c) {
    for (std::int64_t k = 0; k < area_; ++k) {
      detail::unflatten(k, kernel_, tap);
      std::int64_t pixel = 0;
      for (std::size_t a = 0; a < tap.size() && pixel >= 0; ++a) {
        const std::int64_t x = place[a] * strides_[a] + tap[a] * dilations_[a] - pads_[a];
        pixel = x >= 0 && x < input_[a] ? pixel * input_[a] + x : -1;
      }
      out.push_back(pixel < 0 ? 0.0f : at(c * plane + pixel));
    }
  }
}

}  // namespace qsweep
