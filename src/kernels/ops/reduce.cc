#include <algorithm>
#include <cmath>
#include <limits>

#include "src/kernels/detail/array.h"
#include "src/kernels/detail/operator.h"
#include "src/kernels/detail/strided.h"

namespace qsweep::detail {
namespace {

/// x with the reduced axes moved innermost, and the shape of the result.
struct Rows {
  Tensor values;  ///< row_major, one row of `width` per result element
  std::int64_t width = 1;
  Shape result;
};

Rows gather_rows(const Tensor& x, const std::vector<bool>& reduced, bool keep_axes) {
  Rows rows;
  Box box;
  const Ints strides = strides_of(x.shape(), Layout::row_major);
  for (const bool wanted : {false, true}) {
    for (std::size_t i = 0; i < reduced.size(); ++i) {
      if (reduced[i] != wanted) continue;
      box.extents.push_back(x.shape()[i]);
      box.source_strides.push_back(strides[i]);
      if (wanted) rows.width *= x.shape()[i];
    }
  }
  for (std::size_t i = 0; i < reduced.size(); ++i) {
    if (!reduced[i])
      rows.result.push_back(x.shape()[i]);
    else if (keep_axes)
      rows.result.push_back(1);
  }
  if (std::ranges::is_sorted(reduced)) {
    rows.values = x;  // already innermost
    return rows;
  }
  box.target_strides = strides_of(box.extents, Layout::row_major);
  rows.values = Tensor(x.dtype(), box.extents);
  copy_box(x, rows.values, box);
  return rows;
}

float reduce_float(std::string_view op, const float* x, std::int64_t n) {
  if (op == "ReduceSum") return sum(x, n);
  if (op == "ReduceMean") return sum(x, n) / static_cast<float>(n);
  if (op == "ReduceSumSquare") return sum_squared_deviation(x, 0.0f, n);
  if (op == "ReduceL2") return std::sqrt(sum_squared_deviation(x, 0.0f, n));
  if (op == "ReduceLogSum") return std::log(sum(x, n));
  if (op == "ReduceMax") return maximum(x, n);
  float result = op == "ReduceProd"  ? 1.0f
                 : op == "ReduceMin" ? std::numeric_limits<float>::infinity()
                                     : 0.0f;
  if (op == "ReduceLogSumExp") {
    const float largest = maximum(x, n);
    if (std::isinf(largest)) return largest;
    for (std::int64_t i = 0; i < n; ++i) result += std::exp(x[i] - largest);
    return std::log(result) + largest;
  }
  for (std::int64_t i = 0; i < n; ++i) {
    if (op == "ReduceProd")
      result *= x[i];
    else if (op == "ReduceMin")
      result = std::min(result, x[i]);
    else
      result += std::fabs(x[i]);  // ReduceL1
  }
  return result;
}

/// Integer reductions wrap; only those that stay within the integers.
template <class T>
T reduce_integer(const OpCall& call, const T* x, std::int64_t n) {
  if (call.op == "ReduceMax")
    return n == 0 ? std::numeric_limits<T>::lowest() : *std::max_element(x, x + n);
  if (call.op == "ReduceMin")
    return n == 0 ? std::numeric_limits<T>::max() : *std::min_element(x, x + n);
  const bool product = call.op == "ReduceProd";
  if (!product && call.op != "ReduceSum" && call.op != "ReduceMean")
    refuse(call, "has no kernel for integers");
  std::uint64_t result = product ? 1 : 0;
  for (std::int64_t i = 0; i < n; ++i) {
    result = product ? result * static_cast<std::uint64_t>(x[i])
                     : result + static_cast<std::uint64_t>(x[i]);
  }
  if (call.op != "ReduceMean") return static_cast<T>(result);
  if (n == 0) fail(call, "averages nothing");
  return static_cast<T>(static_cast<T>(result) / static_cast<T>(n));
}

}  // namespace

Tensors reduce(const OpCall& call, Inputs inputs) {
  const Tensor& x = inputs[0];
  const Ints axes = ints_argument(call, inputs, 1, "axes");
  if (axes.empty() && call.attributes.i("noop_with_empty_axes", 0) != 0) return {x};
  std::vector<bool> reduced(x.shape().size(), axes.empty());
  for (const std::int64_t axis : axes) reduced[resolve_axis(call, axis, x.rank())] = true;
  const Rows rows = gather_rows(x, reduced, call.attributes.i("keepdims", 1) != 0);
  Tensor y(x.dtype(), rows.result);
  if (x.dtype() == DType::f32) {
    const float* in = rows.values.data<float>().data();
    for (float& value : y.mutable_data<float>()) {
      value = reduce_float(call.op, in, rows.width);
      in += rows.width;
    }
    return {y};
  }
  visit_numeric(call, x.dtype(), [&]<class T>(std::type_identity<T>) {
    if constexpr (std::is_integral_v<T>) {
      const T* in = rows.values.data<T>().data();
      for (T& value : y.mutable_data<T>()) {
        value = reduce_integer<T>(call, in, rows.width);
        in += rows.width;
      }
    } else {
      refuse(call, "has no kernel for " + std::string(name_of(x.dtype())));
    }
  });
  return {y};
}

Tensors arg_extreme(const OpCall& call, Inputs inputs) {
  const Tensor& x = inputs[0];
  std::vector<bool> reduced(x.shape().size(), false);
  reduced[resolve_axis(call, call.attributes.i("axis", 0), x.rank())] = true;
  const Rows rows = gather_rows(x, reduced, call.attributes.i("keepdims", 1) != 0);
  if (rows.width == 0) fail(call, "searches an empty axis");
  const bool largest = call.op == "ArgMax";
  const bool last = call.attributes.i("select_last_index", 0) != 0;
  Tensor y(DType::i64, rows.result);
  visit_numeric(call, x.dtype(), [&]<class T>(std::type_identity<T>) {
    const T* in = rows.values.data<T>().data();
    for (std::int64_t& index : y.mutable_data<std::int64_t>()) {
      index = 0;
      for (std::int64_t i = 1; i < rows.width; ++i) {
        const bool better = largest ? in[i] > in[index] : in[i] < in[index];
        if (better || (last && in[i] == in[index])) index = i;
      }
      in += rows.width;
    }
  });
  return {y};
}

Tensors cumulative_sum(const OpCall& call, Inputs inputs) {
  const Tensor& x = inputs[0];
  const Ints axes = int_values(call, inputs[1]);
  if (axes.size() != 1) fail(call, "needs one axis");
  const std::size_t axis = resolve_axis(call, axes[0], x.rank());
  const std::int64_t extent = x.shape()[axis];
  const std::int64_t inner = strides_of(x.shape(), Layout::row_major)[axis];
  const bool exclusive = call.attributes.i("exclusive", 0) != 0;
  const bool reverse = call.attributes.i("reverse", 0) != 0;
  Tensor y(x.dtype(), x.shape());
  visit_numeric(call, x.dtype(), [&]<class T>(std::type_identity<T>) {
    using Sum = std::conditional_t<std::is_integral_v<T>, std::uint64_t, T>;
    const T* in = x.data<T>().data();
    T* out = y.mutable_data<T>().data();
    for (std::int64_t first = 0; first < x.size(); ++first) {
      if (first / inner % extent != 0) continue;
      Sum total{};
      for (std::int64_t k = 0; k < extent; ++k) {
        const std::int64_t at = first + (reverse ? extent - 1 - k : k) * inner;
        if (exclusive) out[at] = static_cast<T>(total);
        total += static_cast<Sum>(in[at]);
        if (!exclusive) out[at] = static_cast<T>(total);
      }
    }
  });
  return {y};
}

}  // namespace qsweep::detail
