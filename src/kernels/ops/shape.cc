#include <algorithm>
#include <cmath>
#include <limits>

#include "src/kernels/detail/geometry.h"
#include "src/kernels/detail/operator.h"

namespace qsweep::detail {
namespace {

Tensor int_tensor(const Ints& values) {
  return Tensor::of<std::int64_t>(DType::i64, {static_cast<std::int64_t>(values.size())}, values);
}

}  // namespace

Tensors reshape(const OpCall& call, Inputs inputs) {
  const Tensor& x = inputs[0];
  Shape shape = ints_argument(call, inputs, 1, "shape");
  const bool allow_zero = call.attributes.i("allowzero", 0) != 0;
  std::int64_t known = 1;
  std::size_t inferred = shape.size();
  for (std::size_t i = 0; i < shape.size(); ++i) {
    if (shape[i] == 0 && !allow_zero) {
      if (i >= x.shape().size()) fail(call, "copies an extent the input does not have");
      shape[i] = x.shape()[i];
    }
    if (shape[i] == -1 && inferred == shape.size()) {
      inferred = i;
    } else if (shape[i] < 0 || (shape[i] > 0 && known > kMaxElements / shape[i])) {
      fail(call, "has an impossible shape");
    } else {
      known *= shape[i];
    }
  }
  if (inferred < shape.size()) shape[inferred] = known == 0 ? 0 : x.size() / known;
  if (!is_plausible(shape) || element_count(shape) != x.size()) {
    fail(call, "cannot turn " + to_string(x.shape()) + " into " + to_string(shape));
  }
  // Pixels in one axis or several: where they lie does not change.
  const bool keeps_channels =
      x.rank() >= 3 && shape.size() >= 3 && shape[0] == x.dim(0) && shape[1] == x.dim(1);
  return {(keeps_channels ? x : x.to_layout(Layout::row_major)).reshaped(shape)};
}

Tensors flatten(const OpCall& call, Inputs inputs) {
  const Tensor& x = inputs[0];
  const std::int64_t axis = call.attributes.i("axis", 1);
  const std::size_t first =
      axis == x.rank() ? x.shape().size() : resolve_axis(call, axis, x.rank());
  Shape shape = {1, 1};
  for (std::size_t i = 0; i < x.shape().size(); ++i) shape[i < first ? 0 : 1] *= x.shape()[i];
  return {x.reshaped(shape)};
}

Tensors squeeze(const OpCall& call, Inputs inputs) {
  const Tensor& x = inputs[0];
  const Ints axes = ints_argument(call, inputs, 1, "axes");
  const bool all = axes.empty() && !has(inputs, 1) && !call.attributes.has("axes");
  std::vector<bool> drop(x.shape().size(), false);
  for (const std::int64_t axis : axes) drop[resolve_axis(call, axis, x.rank())] = true;
  Shape shape;
  for (std::size_t i = 0; i < drop.size(); ++i) {
    if (drop[i] && x.shape()[i] != 1)
      fail(call, "drops an axis of extent " + std::to_string(x.shape()[i]));
    if (!drop[i] && !(all && x.shape()[i] == 1)) shape.push_back(x.shape()[i]);
  }
  return {x.reshaped(shape)};
}

Tensors unsqueeze(const OpCall& call, Inputs inputs) {
  const Tensor& x = inputs[0];
  const Ints axes = ints_argument(call, inputs, 1, "axes");
  if (axes.size() > 16) fail(call, "adds too many axes");
  const int rank = x.rank() + static_cast<int>(axes.size());
  std::vector<bool> added(static_cast<std::size_t>(rank), false);
  for (const std::int64_t axis : axes) {
    const std::size_t i = resolve_axis(call, axis, rank);
    if (added[i]) fail(call, "adds an axis twice");
    added[i] = true;
  }
  Shape shape;
  std::size_t next = 0;
  for (const bool is_new : added) shape.push_back(is_new ? 1 : x.shape()[next++]);
  return {x.reshaped(shape)};
}

Tensors shape_op(const OpCall& call, Inputs inputs) {
  const Shape& shape = inputs[0].shape();
  const auto rank = static_cast<std::int64_t>(shape.size());
  const auto bound = [&](std::int64_t axis) {
    return std::clamp<std::int64_t>(axis < 0 ? axis + rank : axis, 0, rank);
  };
  const std::int64_t start = bound(call.attributes.i("start", 0));
  const std::int64_t end = std::max(start, bound(call.attributes.i("end", rank)));
  return {int_tensor(Ints(shape.begin() + start, shape.begin() + end))};
}

Tensors size_op(const OpCall&, Inputs inputs) {
  const std::int64_t size = inputs[0].size();
  return {Tensor::of<std::int64_t>(DType::i64, {}, {&size, 1})};
}

Tensors constant(const OpCall& call, Inputs) {
  const Attributes& a = call.attributes;
  if (const Tensor* value = a.tensor("value")) return {*value};
  if (a.has("value_float")) {
    const float value = a.f("value_float", 0.0f);
    return {Tensor::of<float>(DType::f32, {}, {&value, 1})};
  }
  if (a.has("value_int")) {
    const std::int64_t value = a.i("value_int", 0);
    return {Tensor::of<std::int64_t>(DType::i64, {}, {&value, 1})};
  }
  if (a.has("value_floats")) {
    const std::vector<float> values = a.floats("value_floats");
    return {Tensor::of<float>(DType::f32, {static_cast<std::int64_t>(values.size())}, values)};
  }
  if (a.has("value_ints")) return {int_tensor(a.ints("value_ints"))};
  refuse(call, "has no numeric value");
}

Tensors constant_of_shape(const OpCall& call, Inputs inputs) {
  const Ints shape = int_values(call, inputs[0]);
  if (std::ranges::any_of(shape, [](std::int64_t extent) { return extent < 0; }))
    fail(call, "has a negative extent");
  const Tensor* value = call.attributes.tensor("value");
  if (value != nullptr && value->size() != 1) fail(call, "needs one value");
  Tensor y = make_result(call, value ? value->dtype() : DType::f32, shape);
  visit_size(y.dtype(), [&]<class T>(std::type_identity<T>) {
    std::ranges::fill(y.mutable_data<T>(), value ? value->data<T>()[0] : T{0});
  });
  return {y};
}

Tensors range(const OpCall& call, Inputs inputs) {
  for (const Tensor& input : inputs) {
    if (input.size() != 1 || input.dtype() != inputs[0].dtype())
      fail(call, "needs three scalars of one type");
  }
  return visit_numeric(call, inputs[0].dtype(), [&]<class T>(std::type_identity<T>) -> Tensors {
    const T start = inputs[0].data<T>()[0];
    const T limit = inputs[1].data<T>()[0];
    const T delta = inputs[2].data<T>()[0];
    const double steps = std::ceil((static_cast<double>(limit) - static_cast<double>(start)) /
                                   static_cast<double>(delta));
    if (delta == T{0} || std::isnan(steps) || steps > static_cast<double>(kMaxElements))
      fail(call, "does not end");
    const auto count = static_cast<std::int64_t>(std::max(steps, 0.0));
    Tensor y = make_result(call, inputs[0].dtype(), {count});
    const auto out = y.mutable_data<T>();
    for (std::size_t i = 0; i < out.size(); ++i)
      out[i] = static_cast<T>(start + static_cast<T>(i) * delta);
    return {y};
  });
}

Tensors eye_like(const OpCall& call, Inputs inputs) {
  const Tensor& x = inputs[0];
  if (x.rank() != 2) fail(call, "needs a matrix and got " + to_string(x.shape()));
  const std::int64_t shift = call.attributes.i("k", 0);
  Tensor y(x.dtype(), x.shape());
  visit_numeric(call, x.dtype(), [&]<class T>(std::type_identity<T>) {
    T* out = y.mutable_data<T>().data();
    for (std::int64_t r = 0; r < x.dim(0); ++r) {
      for (std::int64_t c = 0; c < x.dim(1); ++c) *out++ = static_cast<T>(c - r == shift);
    }
  });
  if (!call.attributes.has("dtype")) return {y};
  Attributes target;
  target.set("to", call.attributes.i("dtype", 0));
  const OpCall to_dtype{call.op, call.domain, call.opset, target, call.outputs, call.name};
  return cast(to_dtype, {&y, 1});
}

}  // namespace qsweep::detail
