#include <algorithm>
#include <numeric>

#include "src/kernels/detail/geometry.h"
#include "src/kernels/detail/operator.h"
#include "src/kernels/detail/strided.h"

namespace qsweep::detail {
namespace {

/// Indices of an operand, negative ones counted from the end, each checked against `extent`.
Ints resolved_indices(const OpCall& call, const Tensor& indices, std::int64_t extent) {
  Ints values = int_values(call, indices);
  for (std::int64_t& value : values) {
    if (value < -extent || value >= extent) {
      fail(call,
           "has index " + std::to_string(value) + " into an axis of " + std::to_string(extent));
    }
    if (value < 0) value += extent;
  }
  return values;
}

/// Elements before and after `axis`, as counts.
struct Around {
  std::int64_t outer = 1, inner = 1;
};
Around around(const Shape& shape, std::size_t axis) {
  Around a;
  for (std::size_t i = 0; i < shape.size(); ++i) {
    if (i < axis) a.outer *= shape[i];
    if (i > axis) a.inner *= shape[i];
  }
  return a;
}

std::size_t index(std::int64_t i) {
  return static_cast<std::size_t>(i);
}

}  // namespace

Tensors gather(const OpCall& call, Inputs inputs) {
  const Tensor& x = inputs[0];
  const std::size_t axis = resolve_axis(call, call.attributes.i("axis", 0), x.rank());
  const Ints indices = resolved_indices(call, inputs[1], x.shape()[axis]);
  const Around a = around(x.shape(), axis);
  Shape shape(x.shape().begin(), x.shape().begin() + static_cast<std::ptrdiff_t>(axis));
  shape.insert(shape.end(), inputs[1].shape().begin(), inputs[1].shape().end());
  shape.insert(shape.end(), x.shape().begin() + static_cast<std::ptrdiff_t>(axis) + 1,
               x.shape().end());
  Tensor y = make_result(call, x.dtype(), shape);
  visit_size(x.dtype(), [&]<class T>(std::type_identity<T>) {
    const T* in = x.data<T>().data();
    T* out = y.mutable_data<T>().data();
    for (std::int64_t o = 0; o < a.outer; ++o) {
      for (const std::int64_t i : indices)
        out = std::copy_n(in + (o * x.shape()[axis] + i) * a.inner, a.inner, out);
    }
  });
  return {y};
}

namespace {

/// For each element of `indices`, the flat place in an array of `shape` that it names along `axis`.
Ints element_places(const OpCall& call,
                    const Shape& shape,
                    const Tensor& indices,
                    std::size_t axis) {
  if (indices.shape().size() != shape.size())
    fail(call, "has indices " + to_string(indices.shape()) + " for " + to_string(shape));
  for (std::size_t i = 0; i < shape.size(); ++i) {
    if (i != axis && indices.shape()[i] > shape[i])
      fail(call, "has indices larger than " + to_string(shape));
  }
  Ints places = resolved_indices(call, indices, shape[axis]);
  const Ints strides = strides_of(shape, Layout::row_major);
  Ints at(shape.size(), 0);
  for (std::int64_t& place : places) {
    place *= strides[axis];
    for (std::size_t i = 0; i < shape.size(); ++i) {
      if (i != axis) place += at[i] * strides[i];
    }
    for (std::size_t i = shape.size(); i-- > 0;) {
      if (++at[i] < indices.shape()[i]) break;
      at[i] = 0;
    }
  }
  return places;
}

/// For each row of `indices` (its last axis), the flat place of the slice of `shape` it names.
Ints slice_places(const OpCall& call,
                  const Shape& shape,
                  const Tensor& indices,
                  std::size_t first_axis) {
  const auto depth = static_cast<std::size_t>(indices.rank() > 0 ? indices.dim(-1) : 0);
  if (depth == 0 || first_axis + depth > shape.size())
    fail(call, "has indices " + to_string(indices.shape()) + " for " + to_string(shape));
  const Ints values = int_values(call, indices);
  const Ints strides = strides_of(shape, Layout::row_major);
  Ints places(values.size() / depth, 0);
  for (std::size_t i = 0; i < values.size(); ++i) {
    const std::size_t axis = first_axis + i % depth;
    const std::int64_t extent = shape[axis];
    if (values[i] < -extent || values[i] >= extent)
      fail(call,
           "has index " + std::to_string(values[i]) + " into an axis of " + std::to_string(extent));
    places[i / depth] += (values[i] < 0 ? values[i] + extent : values[i]) * strides[axis];
  }
  return places;
}

Tensor copy_of(const Tensor& x) {
  Tensor y(x.dtype(), x.shape());
  visit_size(x.dtype(), [&]<class T>(std::type_identity<T>) {
    std::ranges::copy(x.data<T>(), y.mutable_data<T>().begin());
  });
  return y;
}

/// Puts runs of `count` updates at `places` of y, joined to what is there as `reduction` says.
void scatter(
    const OpCall& call, const Tensor& updates, const Ints& places, std::int64_t count, Tensor& y) {
  if (y.dtype() != updates.dtype()) fail(call, "has updates of another type");
  const std::string reduction = call.attributes.s("reduction", "none");
  if (reduction == "none") {
    visit_size(y.dtype(), [&]<class T>(std::type_identity<T>) {
      const T* from = updates.data<T>().data();
      T* out = y.mutable_data<T>().data();
      for (const std::int64_t place : places) {
        std::copy_n(from, count, out + place);
        from += count;
      }
    });
    return;
  }
  if (reduction != "add" && reduction != "mul" && reduction != "max" && reduction != "min")
    fail(call, "has reduction '" + reduction + "'");
  visit_numeric(call, y.dtype(), [&]<class T>(std::type_identity<T>) {
    // Integers wrap, as they do elsewhere.
    using Wide = std::conditional_t<std::is_integral_v<T>, std::uint64_t, T>;
    const T* from = updates.data<T>().data();
    T* out = y.mutable_data<T>().data();
    for (const std::int64_t place : places) {
      for (T* value = out + place; value != out + place + count; ++value, ++from) {
        if (reduction == "add")
          *value = static_cast<T>(static_cast<Wide>(*value) + static_cast<Wide>(*from));
        else if (reduction == "mul")
          *value = static_cast<T>(static_cast<Wide>(*value) * static_cast<Wide>(*from));
        else
          *value = reduction == "max" ? std::max(*value, *from) : std::min(*value, *from);
      }
    }
  });
}

}  // namespace

Tensors gather_elements(const OpCall& call, Inputs inputs) {
  const Tensor& x = inputs[0];
  const std::size_t axis = resolve_axis(call, call.attributes.i("axis", 0), x.rank());
  const Ints places = element_places(call, x.shape(), inputs[1], axis);
  Tensor y(x.dtype(), inputs[1].shape());
  visit_size(x.dtype(), [&]<class T>(std::type_identity<T>) {
    const auto in = x.data<T>();
    std::ranges::transform(places, y.mutable_data<T>().begin(),
                           [&](std::int64_t place) { return in[index(place)]; });
  });
  return {y};
}

Tensors scatter_elements(const OpCall& call, Inputs inputs) {
  const Tensor& x = inputs[0];
  if (inputs[1].shape() != inputs[2].shape())
    fail(call, "has indices and updates of different shapes");
  const std::size_t axis = resolve_axis(call, call.attributes.i("axis", 0), x.rank());
  const Ints places = element_places(call, x.shape(), inputs[1], axis);
  Tensor y = copy_of(x);
  scatter(call, inputs[2], places, 1, y);
  return {y};
}

Tensors gather_nd(const OpCall& call, Inputs inputs) {
  const Tensor& x = inputs[0];
  const Tensor& indices = inputs[1];
  const std::int64_t batch_axes = call.attributes.i("batch_dims", 0);
  if (indices.rank() < 1 || batch_axes < 0 || batch_axes >= std::min(x.rank(), indices.rank()))
    fail(call, "has batch_dims " + std::to_string(batch_axes));
  const auto first = static_cast<std::size_t>(batch_axes);
  if (!std::equal(x.shape().begin(), x.shape().begin() + batch_axes, indices.shape().begin()))
    fail(call, "has batches that differ");
  Ints places = slice_places(call, x.shape(), indices, first);
  const std::size_t after = first + index(indices.dim(-1));
  const Shape tail(x.shape().begin() + static_cast<std::ptrdiff_t>(after), x.shape().end());
  const std::int64_t count = element_count(tail);
  const Shape batch(x.shape().begin(), x.shape().begin() + batch_axes);
  const std::int64_t batches = element_count(batch);
  if (batches > 0) {
    const std::size_t each = places.size() / index(batches);
    for (std::size_t i = 0; i < places.size(); ++i)
      places[i] +=
          static_cast<std::int64_t>(i / std::max<std::size_t>(each, 1)) * (x.size() / batches);
  }
  Shape shape(indices.shape().begin(), indices.shape().end() - 1);
  shape.insert(shape.end(), tail.begin(), tail.end());
  Tensor y = make_result(call, x.dtype(), shape);
  visit_size(x.dtype(), [&]<class T>(std::type_identity<T>) {
    T* out = y.mutable_data<T>().data();
    for (const std::int64_t place : places)
      out = std::copy_n(x.data<T>().data() + place, count, out);
  });
  return {y};
}

Tensors scatter_nd(const OpCall& call, Inputs inputs) {
  const Tensor& x = inputs[0];
  const Ints places = slice_places(call, x.shape(), inputs[1], 0);
  const Shape tail(x.shape().begin() + inputs[1].dim(-1), x.shape().end());
  const std::int64_t count = element_count(tail);
  if (inputs[2].size() != static_cast<std::int64_t>(places.size()) * count)
    fail(call, "has updates " + to_string(inputs[2].shape()) + " that do not fit its indices");
  Tensor y = copy_of(x);
  scatter(call, inputs[2], places, count, y);
  return {y};
}

Tensors compress(const OpCall& call, Inputs inputs) {
  const bool flat = !call.attributes.has("axis");
  const Tensor x = flat ? inputs[0].reshaped({inputs[0].size()}) : inputs[0];
  const std::size_t axis = resolve_axis(call, call.attributes.i("axis", 0), x.rank());
  if (inputs[1].dtype() != DType::boolean || inputs[1].rank() != 1 ||
      inputs[1].dim(0) > x.shape()[axis])
    fail(call, "has a condition that does not fit " + to_string(x.shape()));
  Ints chosen;
  const auto condition = inputs[1].data<std::uint8_t>();
  for (std::size_t i = 0; i < condition.size(); ++i) {
    if (condition[i] != 0) chosen.push_back(static_cast<std::int64_t>(i));
  }
  const Around a = around(x.shape(), axis);
  Shape shape = x.shape();
  shape[axis] = static_cast<std::int64_t>(chosen.size());
  Tensor y(x.dtype(), shape);
  visit_size(x.dtype(), [&]<class T>(std::type_identity<T>) {
    const T* in = x.data<T>().data();
    T* out = y.mutable_data<T>().data();
    for (std::int64_t o = 0; o < a.outer; ++o) {
      for (const std::int64_t i : chosen)
        out = std::copy_n(in + (o * x.shape()[axis] + i) * a.inner, a.inner, out);
    }
  });
  return {y};
}

Tensors top_k(const OpCall& call, Inputs inputs) {
  const Tensor& x = inputs[0];
  const std::size_t axis = resolve_axis(call, call.attributes.i("axis", -1), x.rank());
  const Ints asked =
      has(inputs, 1) ? int_values(call, inputs[1]) : Ints{call.attributes.i("k", -1)};
  const std::int64_t extent = x.shape()[axis];
  if (asked.size() != 1 || asked[0] < 0 || asked[0] > extent) fail(call, "has an impossible k");
  const bool largest = call.attributes.i("largest", 1) != 0;
  const Around a = around(x.shape(), axis);
  Shape shape = x.shape();
  shape[axis] = asked[0];
  Tensor values(x.dtype(), shape), indices(DType::i64, shape);
  visit_numeric(call, x.dtype(), [&]<class T>(std::type_identity<T>) {
    const auto in = x.data<T>();
    const auto out = values.mutable_data<T>();
    const auto where = indices.mutable_data<std::int64_t>();
    Ints order(index(extent));
    for (std::int64_t row = 0; row < a.outer * a.inner; ++row) {
      const std::int64_t outer = row / a.inner;
      const std::int64_t inner = row % a.inner;
      const auto value = [&](std::int64_t k) {
        return in[index((outer * extent + k) * a.inner + inner)];
      };
      std::iota(order.begin(), order.end(), std::int64_t{0});
      // Equal values go by index, so the order is total and the answer unique.
      std::partial_sort(order.begin(), order.begin() + asked[0], order.end(),
                        [&](std::int64_t l, std::int64_t r) {
                          if (value(l) != value(r))
                            return largest ? value(l) > value(r) : value(l) < value(r);
                          return l < r;
                        });
      for (std::int64_t k = 0; k < asked[0]; ++k) {
        const std::size_t target = index((outer * asked[0] + k) * a.inner + inner);
        out[target] = value(order[index(k)]);
        where[target] = order[index(k)];
      }
    }
  });
  return {values, indices};
}

Tensors reverse_sequence(const OpCall& call, Inputs inputs) {
  const Tensor& x = inputs[0];
  const std::int64_t batch_axis = call.attributes.i("batch_axis", 1);
  const std::int64_t time_axis = call.attributes.i("time_axis", 0);
  if (x.rank() < 2 || batch_axis + time_axis != 1 || batch_axis * time_axis != 0)
    fail(call, "has axes other than 0 and 1");
  const Ints lengths = int_values(call, inputs[1]);
  const std::int64_t rows = x.dim(0);
  const std::int64_t columns = x.dim(1);
  if (static_cast<std::int64_t>(lengths.size()) != (batch_axis == 0 ? rows : columns))
    fail(call, "has " + std::to_string(lengths.size()) + " lengths for " + to_string(x.shape()));
  for (const std::int64_t length : lengths) {
    if (length < 0 || length > (time_axis == 0 ? rows : columns))
      fail(call, "has an impossible length");
  }
  const std::int64_t inner = around(x.shape(), 1).inner;
  Tensor y(x.dtype(), x.shape());
  visit_size(x.dtype(), [&]<class T>(std::type_identity<T>) {
    const T* in = x.data<T>().data();
    T* out = y.mutable_data<T>().data();
    for (std::int64_t r = 0; r < rows; ++r) {
      for (std::int64_t c = 0; c < columns; ++c) {
        const std::int64_t length = lengths[index(batch_axis == 0 ? r : c)];
        const std::int64_t time = time_axis == 0 ? r : c;
        const std::int64_t from = time < length ? length - 1 - time : time;
        const std::int64_t place = time_axis == 0 ? from * columns + c : r * columns + from;
        out = std::copy_n(in + place * inner, inner, out);
      }
    }
  });
  return {y};
}

Tensors one_hot(const OpCall& call, Inputs inputs) {
  const Tensor& depth_tensor = inputs[1];
  const Tensor& values = inputs[2];
  if (depth_tensor.size() != 1 || values.size() != 2) fail(call, "needs one depth and two values");
  const auto whole = [&](const Tensor& t) {
    if (t.dtype() != DType::f32) return int_values(call, t);
    Ints rounded;
    for (const float v : t.data<float>()) {
      if (!(v > -1e9f && v < 1e9f)) fail(call, "has an index that is not a number");
      rounded.push_back(static_cast<std::int64_t>(v));
    }
    return rounded;
  };
  const std::int64_t depth = whole(depth_tensor)[0];
  if (depth < 1 || depth > kMaxElements) fail(call, "has an impossible depth");
  const Ints indices = whole(inputs[0]);
  const std::size_t axis = resolve_axis(call, call.attributes.i("axis", -1), inputs[0].rank() + 1);
  Shape shape = inputs[0].shape();
  shape.insert(shape.begin() + static_cast<std::ptrdiff_t>(axis), depth);
  Tensor y = make_result(call, values.dtype(), shape);
  const Around a = around(shape, axis);
  visit_size(values.dtype(), [&]<class T>(std::type_identity<T>) {
    const auto out = y.mutable_data<T>();
    std::ranges::fill(out, values.data<T>()[0]);
    for (std::size_t i = 0; i < indices.size(); ++i) {
      const std::int64_t hot = indices[i] < 0 ? indices[i] + depth : indices[i];
      if (hot < 0 || hot >= depth) continue;  // the spec: such a row is all off
      const auto place = static_cast<std::int64_t>(i);
      out[index((place / a.inner * depth + hot) * a.inner + place % a.inner)] = values.data<T>()[1];
    }
  });
  return {y};
}

Tensors non_zero(const OpCall& call, Inputs inputs) {
  const Tensor& x = inputs[0];
  Ints places;
  const auto collect = [&]<class T>(std::type_identity<T>) {
    const auto in = x.data<T>();
    for (std::size_t i = 0; i < in.size(); ++i) {
      if (in[i] != T{0}) places.push_back(static_cast<std::int64_t>(i));
    }
  };
  if (x.dtype() == DType::boolean)
    collect(std::type_identity<std::uint8_t>{});
  else
    visit_numeric(call, x.dtype(), collect);
  const auto count = static_cast<std::int64_t>(places.size());
  Tensor y(DType::i64, {x.rank(), count});
  Ints at(x.shape().size());
  for (std::int64_t i = 0; i < count; ++i) {
    unflatten(places[index(i)], x.shape(), at);
    for (std::int64_t a = 0; a < x.rank(); ++a)
      y.mutable_data<std::int64_t>()[index(a * count + i)] = at[index(a)];
  }
  return {y};
}

}  // namespace qsweep::detail
