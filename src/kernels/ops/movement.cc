#include <algorithm>
#include <bit>
#include <numeric>

#include "src/kernels/detail/geometry.h"
#include "src/kernels/detail/strided.h"

namespace qsweep::detail {
namespace {

/// The layout most operands of rank >= 3 come in, so that few are converted.
Layout common_layout(Inputs inputs) {
  std::int64_t balance = 0;
  for (const Tensor& input : inputs) {
    if (input.empty() || input.rank() < 3) continue;
    balance += input.layout() == Layout::channels_last ? input.size() : -input.size();
  }
  return balance > 0 ? Layout::channels_last : Layout::row_major;
}

void copy_part(const Tensor& source,
               std::int64_t source_offset,
               const Ints& source_strides,
               Tensor& target,
               std::int64_t target_offset,
               const Shape& part) {
  Box box =
      make_box(part, source_strides, strides_of(target.shape(), target.layout()), target.layout());
  box.source_offset = source_offset;
  box.target_offset = target_offset;
  copy_box(source, target, box);
}

}  // namespace

Tensors transpose(const OpCall& call, Inputs inputs) {
  const Tensor& x = inputs[0];
  const std::size_t rank = x.shape().size();
  Ints reversed(rank);
  for (std::size_t i = 0; i < rank; ++i) reversed[i] = static_cast<std::int64_t>(rank - 1 - i);
  const Ints perm = call.attributes.ints("perm", reversed);
  if (perm.size() != rank)
    fail(call, "permutes " + std::to_string(perm.size()) + " axes of " + to_string(x.shape()));
  const Ints strides = strides_of(x.shape(), x.layout());
  std::vector<bool> seen(rank, false);
  Shape shape(rank);
  Ints source_strides(rank);
  for (std::size_t i = 0; i < rank; ++i) {
    const std::size_t from = resolve_axis(call, perm[i], x.rank());
    if (seen[from]) fail(call, "names an axis twice");
    seen[from] = true;
    shape[i] = x.shape()[from];
    source_strides[i] = strides[from];
  }
  Tensor y(x.dtype(), shape);
  copy_part(x, 0, source_strides, y, 0, shape);
  return {y};
}

Tensors concat(const OpCall& call, Inputs inputs) {
  if (!call.attributes.has("axis") && call.opset >= 4) fail(call, "has no axis");
  const Layout layout = common_layout(inputs);
  const std::size_t axis = resolve_axis(call, call.attributes.i("axis", 1), inputs[0].rank());
  Shape shape = inputs[0].shape();
  for (std::size_t i = 1; i < inputs.size(); ++i) {
    const Shape& other = inputs[i].shape();
    bool fits = !inputs[i].empty() && other.size() == shape.size() &&
                inputs[i].dtype() == inputs[0].dtype();
    for (std::size_t a = 0; fits && a < shape.size(); ++a) fits = a == axis || other[a] == shape[a];
    if (!fits) fail(call, "cannot join " + to_string(other) + " to " + to_string(shape));
    shape[axis] += other[axis];
  }
  Tensor y = make_result(call, inputs[0].dtype(), shape, layout);
  const std::int64_t step = strides_of(shape, y.layout())[axis];
  std::int64_t offset = 0;
  for (const Tensor& input : inputs) {
    copy_part(input, 0, strides_of(input.shape(), input.layout()), y, offset, input.shape());
    offset += input.shape()[axis] * step;
  }
  return {y};
}

Tensors split(const OpCall& call, Inputs inputs) {
  const Tensor& x = inputs[0];
  const std::size_t axis = resolve_axis(call, call.attributes.i("axis", 0), x.rank());
  const std::int64_t extent = x.shape()[axis];
  Ints parts = ints_argument(call, inputs, 1, "split");
  if (parts.empty()) {
    const std::int64_t count = call.attributes.i("num_outputs", call.outputs);
    if (count < 1 || count != call.outputs) fail(call, "has no parts");
    const std::int64_t each = (extent + count - 1) / count;  // the last part may be smaller
    for (std::int64_t left = extent; static_cast<std::int64_t>(parts.size()) < count;
         left -= parts.back()) {
      parts.push_back(std::min(each, left));
    }
  }
  if (std::ranges::any_of(parts, [&](std::int64_t part) { return part < 0 || part > extent; }) ||
      std::accumulate(parts.begin(), parts.end(), std::int64_t{0}) != extent) {
    fail(call, "has parts that do not add up to " + std::to_string(extent));
  }
  const Ints strides = strides_of(x.shape(), x.layout());
  Tensors results;
  std::int64_t offset = 0;
  for (const std::int64_t part : parts) {
    Shape shape = x.shape();
    shape[axis] = part;
    Tensor y(x.dtype(), shape, x.layout());
    copy_part(x, offset, strides, y, 0, shape);
    offset += part * strides[axis];
    results.push_back(y);
  }
  return results;
}

Tensors slice(const OpCall& call, Inputs inputs) {
  const Tensor& x = inputs[0];
  const Ints starts = ints_argument(call, inputs, 1, "starts");
  const Ints ends = ints_argument(call, inputs, 2, "ends");
  Ints axes = ints_argument(call, inputs, 3, "axes");
  Ints steps = has(inputs, 4) ? int_values(call, inputs[4]) : Ints(starts.size(), 1);
  if (axes.empty()) {
    axes.resize(starts.size());
    std::iota(axes.begin(), axes.end(), std::int64_t{0});
  }
  if (ends.size() != starts.size() || axes.size() != starts.size() ||
      steps.size() != starts.size()) {
    fail(call, "has starts, ends, axes and steps of different lengths");
  }
  const Ints strides = strides_of(x.shape(), x.layout());
  Shape shape = x.shape();
  Ints source_strides = strides;
  std::int64_t offset = 0;
  std::vector<bool> seen(shape.size(), false);
  for (std::size_t i = 0; i < axes.size(); ++i) {
    const std::size_t axis = resolve_axis(call, axes[i], x.rank());
    if (seen[axis]) fail(call, "names an axis twice");
    seen[axis] = true;
    const std::int64_t extent = x.shape()[axis];
    const std::int64_t step = steps[i];
    if (step == 0 || step < -kMaxElements || step > kMaxElements)
      fail(call, "has an impossible step");
    // Backwards the first element may be the last of the axis, and the end lies before element 0.
    const std::int64_t highest = step > 0 ? extent : extent - 1;
    const std::int64_t lowest = step > 0 ? 0 : -1;
    const auto place = [&](std::int64_t v, std::int64_t least) {
      return std::clamp(v < 0 ? v + extent : v, least, highest);
    };
    const std::int64_t start = place(starts[i], 0);
    const std::int64_t end = place(ends[i], lowest);
    const std::int64_t count =
        step > 0 ? (end - start + step - 1) / step : (start - end - step - 1) / -step;
    shape[axis] = std::max<std::int64_t>(count, 0);
    if (shape[axis] > 0) offset += start * strides[axis];
    source_strides[axis] *= step;
  }
  Tensor y(x.dtype(), shape, x.layout());
  if (y.size() > 0) copy_part(x, offset, source_strides, y, 0, shape);
  return {y};
}

namespace {

/// Source index of a padded coordinate, or -1 for the constant.
std::int64_t padded_source(std::string_view mode, std::int64_t i, std::int64_t extent) {
  if (i >= 0 && i < extent) return i;
  if (mode == "constant") return -1;
  if (mode == "edge") return i < 0 ? 0 : extent - 1;
  if (mode == "wrap") return (i % extent + extent) % extent;
  if (extent == 1) return 0;  // reflect
  const std::int64_t period = 2 * (extent - 1);
  const std::int64_t phase = (i % period + period) % period;
  return phase < extent ? phase : period - phase;
}

}  // namespace

Tensors pad(const OpCall& call, Inputs inputs) {
  const Tensor& x = inputs[0];
  const std::string mode = call.attributes.s("mode", "constant");
  if (mode != "constant" && mode != "reflect" && mode != "edge" && mode != "wrap")
    fail(call, "has mode '" + mode + "'");
  const Ints pads = ints_argument(call, inputs, 1, "pads");
  Ints axes;
  if (has(inputs, 3)) {
    axes = int_values(call, inputs[3]);
  } else {
    axes.resize(x.shape().size());
    std::iota(axes.begin(), axes.end(), std::int64_t{0});
  }
  if (pads.size() != 2 * axes.size()) fail(call, "has " + std::to_string(pads.size()) + " pads");
  Ints begin(x.shape().size(), 0), end(x.shape().size(), 0);
  for (std::size_t i = 0; i < axes.size(); ++i) {
    const std::size_t axis = resolve_axis(call, axes[i], x.rank());
    begin[axis] = pads[i];
    end[axis] = pads[i + axes.size()];
  }
  Shape shape = x.shape();
  Shape kept = x.shape();  // the part of x that negative pads leave
  for (std::size_t a = 0; a < shape.size(); ++a) {
    if (std::max(begin[a], end[a]) > kMaxElements || std::min(begin[a], end[a]) < -kMaxElements)
      fail(call, "has an impossible pad");
    kept[a] = std::max<std::int64_t>(
        0, shape[a] + std::min<std::int64_t>(begin[a], 0) + std::min<std::int64_t>(end[a], 0));
    shape[a] += begin[a] + end[a];
    if (shape[a] < 0 || (x.shape()[a] == 0 && mode != "constant" && shape[a] > 0))
      fail(call, "cannot pad " + to_string(x.shape()));
  }
  Tensor y = make_result(call, x.dtype(), shape, x.layout());
  const Ints from = strides_of(x.shape(), x.layout());
  const Ints to = strides_of(shape, y.layout());
  if (mode == "constant") {
    visit_size(x.dtype(), [&]<class T>(std::type_identity<T>) {
      T value{};
      if (has(inputs, 2)) {
        if (inputs[2].dtype() != x.dtype() || inputs[2].size() != 1)
          fail(call, "has a value that is not a scalar of the input's type");
        value = inputs[2].data<T>()[0];
      } else if (call.attributes.has("value")) {
        if constexpr (sizeof(T) == 4) value = std::bit_cast<T>(call.attributes.f("value", 0.0f));
      }
      std::ranges::fill(y.mutable_data<T>(), value);
    });
    std::int64_t source = 0, target = 0;
    for (std::size_t a = 0; a < shape.size(); ++a) {
      (begin[a] < 0 ? source : target) += begin[a] < 0 ? -begin[a] * from[a] : begin[a] * to[a];
    }
    if (element_count(kept) > 0) copy_part(x, source, from, y, target, kept);
    return {y};
  }
  // Other modes: one table per axis says where each output coordinate reads.
  std::vector<Ints> table(shape.size());
  for (std::size_t a = 0; a < shape.size(); ++a) {
    for (std::int64_t i = 0; i < shape[a]; ++i)
      table[a].push_back(padded_source(mode, i - begin[a], x.shape()[a]) * from[a]);
  }
  const std::vector<std::size_t> order = physical_order(shape.size(), y.layout());
  visit_size(x.dtype(), [&]<class T>(std::type_identity<T>) {
    const T* in = x.data<T>().data();
    Ints place(shape.size(), 0);
    for (T& value : y.mutable_data<T>()) {
      std::int64_t source = 0;
      for (std::size_t a = 0; a < shape.size(); ++a)
        source += table[a][static_cast<std::size_t>(place[a])];
      value = in[source];
      for (std::size_t k = order.size(); k-- > 0;) {
        if (++place[order[k]] < shape[order[k]]) break;
        place[order[k]] = 0;
      }
    }
  });
  return {y};
}

Tensors expand(const OpCall& call, Inputs inputs) {
  const Tensor& x = inputs[0];
  const Ints wanted = int_values(call, inputs[1]);
  Shape shape = wanted;
  if (x.shape().size() > shape.size())
    shape.insert(shape.begin(), x.shape().size() - shape.size(), 1);
  const std::size_t shift = shape.size() - x.shape().size();
  for (std::size_t i = 0; i < x.shape().size(); ++i) {
    const std::int64_t own = x.shape()[i];
    if (shape[shift + i] == 1) shape[shift + i] = own;
    if (own != 1 && own != shape[shift + i])
      fail(call, "cannot expand " + to_string(x.shape()) + " to " + to_string(wanted));
  }
  if (std::ranges::any_of(shape, [](std::int64_t extent) { return extent < 0; }))
    fail(call, "has a negative extent");
  Tensor y = make_result(call, x.dtype(), shape);
  copy_part(x, 0, broadcast_strides(x, shape), y, 0, shape);
  return {y};
}

Tensors tile(const OpCall& call, Inputs inputs) {
  const Tensor& x = inputs[0];
  const Ints repeats = int_values(call, inputs[1]);
  if (repeats.size() != x.shape().size())
    fail(call, "has " + std::to_string(repeats.size()) + " repeats for " + to_string(x.shape()));
  Shape shape = x.shape();
  const Ints from = strides_of(x.shape(), Layout::row_major);
  for (std::size_t i = 0; i < shape.size(); ++i) {
    if (repeats[i] < 0 || repeats[i] > kMaxElements) fail(call, "has an impossible repeat");
    shape[i] *= repeats[i];
  }
  Tensor y = make_result(call, x.dtype(), shape);
  // Each axis is two: which repeat (the source stands still), and the place in x.
  const Ints to = strides_of(shape, Layout::row_major);
  Box box;
  for (std::size_t i = 0; i < shape.size(); ++i) {
    box.extents.insert(box.extents.end(), {repeats[i], x.shape()[i]});
    box.source_strides.insert(box.source_strides.end(), {0, from[i]});
    box.target_strides.insert(box.target_strides.end(), {x.shape()[i] * to[i], to[i]});
  }
  copy_box(x, y, box);
  return {y};
}

namespace {

/// Reads x as `split` extents, permutes them and gives the result `shape`.
Tensor rearrange(const Tensor& x,
                 const Shape& split,
                 const std::vector<std::size_t>& order,
                 const Shape& shape) {
  const Ints strides = strides_of(split, Layout::row_major);
  Box box;
  for (const std::size_t axis : order) {
    box.extents.push_back(split[axis]);
    box.source_strides.push_back(strides[axis]);
  }
  box.target_strides = strides_of(box.extents, Layout::row_major);
  Tensor y(x.dtype(), shape);
  copy_box(x, y, box);
  return y;
}

std::int64_t block_size(const OpCall& call, const Tensor& x) {
  const std::int64_t block = call.attributes.i("blocksize", 0);
  if (x.rank() != 4) fail(call, "needs rank 4 and got " + to_string(x.shape()));
  if (block < 1 || block > 4096) fail(call, "has an impossible blocksize");
  return block;
}

}  // namespace

Tensors depth_to_space(const OpCall& call, Inputs inputs) {
  const Tensor& x = inputs[0];
  const std::int64_t b = block_size(call, x);
  const Shape& s = x.shape();
  if (s[1] % (b * b) != 0) fail(call, "cannot cut " + std::to_string(s[1]) + " channels in blocks");
  const std::int64_t c = s[1] / (b * b);
  const Shape result = {s[0], c, s[2] * b, s[3] * b};
  const std::string mode = call.attributes.s("mode", "DCR");
  if (mode == "DCR") return {rearrange(x, {s[0], b, b, c, s[2], s[3]}, {0, 3, 4, 1, 5, 2}, result)};
  if (mode == "CRD") return {rearrange(x, {s[0], c, b, b, s[2], s[3]}, {0, 1, 4, 2, 5, 3}, result)};
  fail(call, "has mode '" + mode + "'");
}

Tensors space_to_depth(const OpCall& call, Inputs inputs) {
  const Tensor& x = inputs[0];
  const std::int64_t b = block_size(call, x);
  const Shape& s = x.shape();
  if (s[2] % b != 0 || s[3] % b != 0) fail(call, "cannot cut " + to_string(s) + " in blocks");
  return {rearrange(x, {s[0], s[1], s[2] / b, b, s[3] / b, b}, {0, 3, 5, 1, 2, 4},
                    {s[0], s[1] * b * b, s[2] / b, s[3] / b})};
}

Tensors trilu(const OpCall& call, Inputs inputs) {
  const Tensor& x = inputs[0];
  if (x.rank() < 2) fail(call, "needs a matrix and got " + to_string(x.shape()));
  const Ints shift = has(inputs, 1) ? int_values(call, inputs[1]) : Ints{0};
  if (shift.size() != 1) fail(call, "needs one diagonal");
  const bool upper = call.attributes.i("upper", 1) != 0;
  const std::int64_t rows = x.dim(-2);
  const std::int64_t columns = x.dim(-1);
  Tensor y(x.dtype(), x.shape());
  visit_size(x.dtype(), [&]<class T>(std::type_identity<T>) {
    const auto in = x.data<T>();
    const auto out = y.mutable_data<T>();
    for (std::size_t i = 0; i < in.size(); ++i) {
      const auto place = static_cast<std::int64_t>(i);
      const std::int64_t distance = place % columns - place / columns % rows;
      out[i] = (upper ? distance >= shift[0] : distance <= shift[0]) ? in[i] : T{0};
    }
  });
  return {y};
}

}  // namespace qsweep::detail
