#include <cmath>

#include "src/kernels/detail/array.h"
#include "src/kernels/detail/operator.h"
#include "src/kernels/detail/strided.h"

namespace qsweep::detail {
namespace {

/// Mean and 1 / sqrt(variance + epsilon) of n values.
struct Moments {
  float mean, inverse_deviation;
};
Moments moments(const float* x, std::int64_t n, float epsilon) {
  const auto count = static_cast<float>(n);
  const auto mean = static_cast<float>(wide_sum(x, n) / static_cast<double>(n));
  return {mean, 1.0f / std::sqrt(sum_squared_deviation(x, mean, n) / count + epsilon)};
}

std::vector<float> channel_values(const OpCall& call, const Tensor& tensor, std::int64_t channels) {
  const std::vector<float> values = float_values(call, tensor);
  if (static_cast<std::int64_t>(values.size()) != channels) {
    fail(call, "has an operand " + to_string(tensor.shape()) + " for " + std::to_string(channels) +
                   " channels");
  }
  return values;
}

/// Extent of all axes before, at and after `axis`.
struct Split {
  std::int64_t outer = 1, extent = 1, inner = 1;
};
Split split_at(const Shape& shape, std::size_t axis) {
  Split s;
  for (std::size_t i = 0; i < shape.size(); ++i)
    (i < axis ? s.outer : i == axis ? s.extent : s.inner) *= shape[i];
  return s;
}

}  // namespace

Tensors batch_normalization(const OpCall& call, Inputs inputs) {
  const Tensor& x = inputs[0];
  require_f32(call, x);
  if (call.attributes.i("training_mode", 0) != 0) refuse(call, "in training mode has no kernel");
  if (x.rank() < 2) fail(call, "needs a channel axis and got " + to_string(x.shape()));
  const std::int64_t channels = x.dim(1);
  const std::vector<float> gamma = channel_values(call, inputs[1], channels);
  const std::vector<float> beta = channel_values(call, inputs[2], channels);
  const std::vector<float> mean = channel_values(call, inputs[3], channels);
  const std::vector<float> variance = channel_values(call, inputs[4], channels);
  const float epsilon = call.attributes.f("epsilon", 1e-5f);
  std::vector<float> scale(gamma.size()), offset(gamma.size());
  for (std::size_t c = 0; c < gamma.size(); ++c) {
    scale[c] = gamma[c] / std::sqrt(variance[c] + epsilon);
    offset[c] = beta[c] - mean[c] * scale[c];
  }
  Tensor y(DType::f32, x.shape(), x.layout());
  const float* in = x.data<float>().data();
  float* out = y.mutable_data<float>().data();
  if (x.layout() == Layout::channels_last || x.rank() == 2) {
    for (std::int64_t i = 0; i < x.size(); i += channels)
      scale_offset(in + i, scale.data(), offset.data(), out + i, channels);
    return {y};
  }
  const Split s = split_at(x.shape(), 1);
  for (std::int64_t row = 0; row < s.outer * channels; ++row) {
    const auto c = static_cast<std::size_t>(row % channels);
    for (std::int64_t i = row * s.inner; i < (row + 1) * s.inner; ++i)
      out[i] = in[i] * scale[c] + offset[c];
  }
  return {y};
}

Tensors layer_normalization(const OpCall& call, Inputs inputs) {
  const Tensor& x = inputs[0];
  require_f32(call, x);
  require_f32(call, inputs[1]);
  const std::size_t axis = resolve_axis(call, call.attributes.i("axis", -1), x.rank());
  const float epsilon = call.attributes.f("epsilon", 1e-5f);
  const Shape normalized(x.shape().begin() + static_cast<std::ptrdiff_t>(axis), x.shape().end());
  const std::int64_t width = element_count(normalized);
  // Scale and bias broadcast to the normalized extents; expanded, the loop below is plain.
  const auto expanded = [&](std::size_t i, float absent) {
    Tensor row(DType::f32, normalized);
    std::ranges::fill(row.mutable_data<float>(), absent);
    if (!has(inputs, i)) return row;
    require_f32(call, inputs[i]);
    if (broadcast_shape(call, {&row, &inputs[i]}) != normalized)
      fail(call, "has an operand larger than the normalized axes");
    copy_box(inputs[i], row,
             make_box(normalized, broadcast_strides(inputs[i], normalized),
                      strides_of(normalized, Layout::row_major), Layout::row_major));
    return row;
  };
  const Tensor scale = expanded(1, 1.0f);
  const Tensor bias = expanded(2, 0.0f);
  Shape reduced = x.shape();
  for (std::size_t i = axis; i < reduced.size(); ++i) reduced[i] = 1;
  Tensor y(DType::f32, x.shape()), means(DType::f32, reduced), inverses(DType::f32, reduced);
  const float* in = x.data<float>().data();
  float* out = y.mutable_data<float>().data();
  const float* gamma = scale.data<float>().data();
  const float* beta = bias.data<float>().data();
  for (std::int64_t row = 0; row < means.size(); ++row, in += width, out += width) {
    const Moments m = moments(in, width, epsilon);
    normalize(in, m.mean, m.inverse_deviation, gamma, beta, out, width);
    means.mutable_data<float>()[static_cast<std::size_t>(row)] = m.mean;
    inverses.mutable_data<float>()[static_cast<std::size_t>(row)] = m.inverse_deviation;
  }
  return {y, means, inverses};
}

Tensors instance_normalization(const OpCall& call, Inputs inputs) {
  const Tensor& x = inputs[0];
  require_f32(call, x);
  if (x.rank() < 3) fail(call, "needs spatial axes and got " + to_string(x.shape()));
  const std::int64_t channels = x.dim(1);
  const std::vector<float> gamma = channel_values(call, inputs[1], channels);
  const std::vector<float> beta = channel_values(call, inputs[2], channels);
  const float epsilon = call.attributes.f("epsilon", 1e-5f);
  const Split s = split_at(x.shape(), 1);
  Tensor y(DType::f32, x.shape());
  const float* in = x.data<float>().data();
  float* out = y.mutable_data<float>().data();
  for (std::int64_t row = 0; row < s.outer * channels; ++row, in += s.inner, out += s.inner) {
    const Moments m = moments(in, s.inner, epsilon);
    const auto c = static_cast<std::size_t>(row % channels);
    for (std::int64_t i = 0; i < s.inner; ++i)
      out[i] = (in[i] - m.mean) * m.inverse_deviation * gamma[c] + beta[c];
  }
  return {y};
}

Tensors group_normalization(const OpCall& call, Inputs inputs) {
  const Tensor& x = inputs[0];
  require_f32(call, x);
  if (x.rank() < 3) fail(call, "needs spatial axes and got " + to_string(x.shape()));
  const std::int64_t channels = x.dim(1);
  const std::int64_t groups = call.attributes.i("num_groups", 0);
  if (groups < 1 || channels < 1 || channels % groups != 0)
    fail(call, "cannot cut " + std::to_string(channels) + " channels in groups");
  // Before opset 21 scale and bias are per group, from then on per channel.
  const std::int64_t scales = call.opset < 21 ? groups : channels;
  const std::vector<float> gamma = channel_values(call, inputs[1], scales);
  const std::vector<float> beta = channel_values(call, inputs[2], scales);
  const float epsilon = call.attributes.f("epsilon", 1e-5f);
  const std::int64_t pixels = x.dim(0) == 0 ? 0 : x.size() / (x.dim(0) * channels);
  const std::int64_t width = channels / groups * pixels;
  Tensor y(DType::f32, x.shape());
  const float* in = x.data<float>().data();
  float* out = y.mutable_data<float>().data();
  for (std::int64_t row = 0; row < x.dim(0) * groups; ++row, in += width, out += width) {
    const Moments m = moments(in, width, epsilon);
    for (std::int64_t i = 0; i < width; ++i) {
      const std::int64_t channel = row % groups * (channels / groups) + i / pixels;
      const auto s = static_cast<std::size_t>(channel * scales / channels);
      out[i] = (in[i] - m.mean) * m.inverse_deviation * gamma[s] + beta[s];
    }
  }
  return {y};
}

Tensors mean_variance_normalization(const OpCall& call, Inputs inputs) {
  const Tensor& x = inputs[0];
  require_f32(call, x);
  Ints axes = call.attributes.ints("axes", {0, 2, 3});
  // Gather the normalized axes innermost, normalize rows, and go back.
  std::vector<bool> is_normalized(x.shape().size(), false);
  for (const std::int64_t axis : axes) is_normalized[resolve_axis(call, axis, x.rank())] = true;
  Shape order_shape;
  Ints source_strides, target_strides;
  const Ints strides = strides_of(x.shape(), Layout::row_major);
  std::int64_t width = 1;
  for (const bool wanted : {false, true}) {
    for (std::size_t i = 0; i < x.shape().size(); ++i) {
      if (is_normalized[i] != wanted) continue;
      order_shape.push_back(x.shape()[i]);
      source_strides.push_back(strides[i]);
      if (wanted) width *= x.shape()[i];
    }
  }
  const Ints packed = strides_of(order_shape, Layout::row_major);
  Tensor rows(DType::f32, order_shape), y(DType::f32, x.shape());
  copy_box(x, rows, Box{order_shape, source_strides, packed});
  const auto values = rows.mutable_data<float>();
  for (std::int64_t first = 0; width > 0 && first < rows.size(); first += width) {
    float* row = values.data() + first;
    const float mean = sum(row, width) / static_cast<float>(width);
    const float deviation =
        std::sqrt(sum_squared_deviation(row, mean, width) / static_cast<float>(width));
    for (std::int64_t i = 0; i < width; ++i) row[i] = (row[i] - mean) / (deviation + 1e-9f);
  }
  copy_box(rows, y, Box{order_shape, packed, source_strides});
  return {y};
}

Tensors local_response_normalization(const OpCall& call, Inputs inputs) {
  require_f32(call, inputs[0]);
  if (inputs[0].rank() < 3)
    fail(call, "needs spatial axes and got " + to_string(inputs[0].shape()));
  const std::int64_t size = call.attributes.i("size", 0);
  if (size < 1) fail(call, "has no size");
  const float alpha = call.attributes.f("alpha", 1e-4f) / static_cast<float>(size);
  const float beta = call.attributes.f("beta", 0.75f);
  const float bias = call.attributes.f("bias", 1.0f);
  const Tensor x = inputs[0].to_layout(Layout::channels_last);
  Tensor y(DType::f32, x.shape(), Layout::channels_last);
  const std::int64_t channels = x.dim(1);
  const float* in = x.data<float>().data();
  float* out = y.mutable_data<float>().data();
  for (std::int64_t pixel = 0; pixel < x.size(); pixel += channels) {
    for (std::int64_t c = 0; c < channels; ++c) {
      const std::int64_t first = std::max<std::int64_t>(0, c - (size - 1) / 2);
      const std::int64_t last = std::min(channels - 1, c + size / 2);
      float squares = 0.0f;
      for (std::int64_t i = first; i <= last; ++i) squares += in[pixel + i] * in[pixel + i];
      out[pixel + c] = in[pixel + c] / std::pow(bias + alpha * squares, beta);
    }
  }
  return {y};
}

Tensors lp_normalization(const OpCall& call, Inputs inputs) {
  const Tensor& x = inputs[0];
  require_f32(call, x);
  const std::int64_t p = call.attributes.i("p", 2);
  if (p != 1 && p != 2) fail(call, "has p=" + std::to_string(p));
  const Split s = split_at(x.shape(), resolve_axis(call, call.attributes.i("axis", -1), x.rank()));
  Tensor y(DType::f32, x.shape());
  const float* in = x.data<float>().data();
  float* out = y.mutable_data<float>().data();
  for (std::int64_t o = 0; o < s.outer; ++o) {
    for (std::int64_t i = 0; i < s.inner; ++i) {
      const std::int64_t first = o * s.extent * s.inner + i;
      float norm = 0.0f;
      for (std::int64_t k = 0; k < s.extent; ++k) {
        const float v = in[first + k * s.inner];
        norm += p == 1 ? std::fabs(v) : v * v;
      }
      if (p == 2) norm = std::sqrt(norm);
      for (std::int64_t k = 0; k < s.extent; ++k) {
        const std::int64_t at = first + k * s.inner;
        out[at] = norm == 0.0f ? 0.0f : in[at] / norm;
      }
    }
  }
  return {y};
}

namespace {

/// Rows along which softmax works: from opset 13 one axis; before it, all axes from `axis` on as
/// one.
Split softmax_rows(const OpCall& call, const Tensor& x) {
  require_f32(call, x);
  if (x.rank() == 0) return {};
  const bool coerced = call.opset < 13;
  const std::int64_t axis = call.attributes.i("axis", coerced ? 1 : -1);
  if (coerced && axis == x.rank()) return {x.size(), 1, 1};
  Split s = split_at(x.shape(), resolve_axis(call, axis, x.rank()));
  if (coerced) s = {s.outer, s.extent * s.inner, 1};
  return s;
}

/// Runs f(row in, row out, length) on contiguous copies of the rows.
template <class F>
Tensor along_rows(const Tensor& x, const Split& s, const F& f) {
  Tensor y(DType::f32, x.shape());
  const float* in = x.data<float>().data();
  float* out = y.mutable_data<float>().data();
  if (s.inner == 1) {
    for (std::int64_t o = 0; o < s.outer; ++o) f(in + o * s.extent, out + o * s.extent, s.extent);
    return y;
  }
  std::vector<float> row(static_cast<std::size_t>(s.extent)), result(row.size());
  for (std::int64_t o = 0; o < s.outer; ++o) {
    for (std::int64_t i = 0; i < s.inner; ++i) {
      const std::int64_t first = o * s.extent * s.inner + i;
      for (std::size_t k = 0; k < row.size(); ++k)
        row[k] = in[first + static_cast<std::int64_t>(k) * s.inner];
      f(row.data(), result.data(), s.extent);
      for (std::size_t k = 0; k < row.size(); ++k)
        out[first + static_cast<std::int64_t>(k) * s.inner] = result[k];
    }
  }
  return y;
}

}  // namespace

Tensors softmax(const OpCall& call, Inputs inputs) {
  const bool log = call.op == "LogSoftmax";
  return {along_rows(inputs[0], softmax_rows(call, inputs[0]),
                     [log](const float* in, float* out, std::int64_t n) {
                       const float largest = maximum(in, n);
                       exponential(in, largest, out, n);
                       const float total = sum(out, n);
                       if (!log) {
                         scale_by(out, 1.0f / total, n);
                         return;
                       }
                       const float shift = std::log(total);
                       for (std::int64_t i = 0; i < n; ++i) out[i] = in[i] - largest - shift;
                     })};
}

Tensors hardmax(const OpCall& call, Inputs inputs) {
  return {along_rows(inputs[0], softmax_rows(call, inputs[0]),
                     [](const float* in, float* out, std::int64_t n) {
                       std::int64_t best = 0;
                       for (std::int64_t i = 0; i < n; ++i) {
                         if (in[i] > in[best]) best = i;
                         out[i] = 0.0f;
                       }
                       if (n > 0) out[best] = 1.0f;
                     })};
}

}  // namespace qsweep::detail
