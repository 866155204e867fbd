#include <algorithm>

#include <cblas.h>
#include <dnnl.h>

#include "src/base/error.h"

#include "src/kernels/detail/geometry.h"
#include "src/kernels/detail/matmul_shape.h"
#include "src/kernels/detail/strided.h"
#include "src/kernels/detail/threads.h"
#include "src/kernels/linear.h"

namespace qsweep::detail {
namespace {

int blas_int(const OpCall& call, std::int64_t extent) {
  if (extent > (std::int64_t{1} << 30)) fail(call, "has an extent beyond any real layer");
  return static_cast<int>(extent);
}

}  // namespace

Tensors linear_op(const OpCall& call, Inputs inputs) {
  const Tensor weight = inputs[1].to_layout(Layout::row_major);
  require_f32(call, inputs[0]);
  require_f32(call, weight);
  const LinearSpec spec = linear_spec(call.op, call.attributes, weight, call.name);
  // Direct: a weight that is used once is not worth transforming.
  return {
      make_float_kernel(spec, weight, has(inputs, 2) ? inputs[2] : Tensor(), FloatBackend::direct)
          ->run(inputs[0])};
}

Tensors gemm_op(const OpCall& call, Inputs inputs) {
  const Tensor& a = inputs[0];
  const Tensor& b = inputs[1];
  require_f32(call, a);
  require_f32(call, b);
  if (a.rank() != 2 || b.rank() != 2)
    fail(call, "needs matrices and got " + to_string(a.shape()) + " and " + to_string(b.shape()));
  const bool trans_a = call.attributes.i("transA", 0) != 0;
  const bool trans_b = call.attributes.i("transB", 0) != 0;
  const std::int64_t m = a.dim(trans_a ? 1 : 0);
  const std::int64_t k = a.dim(trans_a ? 0 : 1);
  const std::int64_t n = b.dim(trans_b ? 0 : 1);
  if (b.dim(trans_b ? 1 : 0) != k)
    fail(call, "cannot multiply " + to_string(a.shape()) + " by " + to_string(b.shape()));
  Tensor y = make_result(call, DType::f32, {m, n});
  std::ranges::fill(y.mutable_data<float>(), 0.0f);
  if (has(inputs, 2)) {
    require_f32(call, inputs[2]);
    if (broadcast_shape(call, {&y, &inputs[2]}) != y.shape())
      fail(call, "has a C larger than its result");
    copy_box(inputs[2], y,
             make_box(y.shape(), broadcast_strides(inputs[2], y.shape()),
                      strides_of(y.shape(), Layout::row_major), Layout::row_major));
  }
  if (y.size() == 0) return {y};
  begin_blas();
  cblas_sgemm(CblasRowMajor, trans_a ? CblasTrans : CblasNoTrans,
              trans_b ? CblasTrans : CblasNoTrans, blas_int(call, m), blas_int(call, n),
              blas_int(call, k), call.attributes.f("alpha", 1.0f), a.data<float>().data(),
              std::max(blas_int(call, a.dim(1)), 1), b.data<float>().data(),
              std::max(blas_int(call, b.dim(1)), 1), call.attributes.f("beta", 1.0f),
              y.mutable_data<float>().data(), blas_int(call, n));
  return {y};
}

MatMulShape matmul_shape(const OpCall& call, const Shape& left, const Shape& right) {
  if (left.empty() || right.empty()) fail(call, "multiplies a scalar");
  const bool row = left.size() == 1;
  const bool column = right.size() == 1;
  MatMulShape s;
  s.m = row ? 1 : left[left.size() - 2];
  s.k = left.back();
  s.n = column ? 1 : right.back();
  if ((column ? right[0] : right[right.size() - 2]) != s.k)
    fail(call, "cannot multiply " + to_string(left) + " by " + to_string(right));
  // Batches broadcast; tensors without elements stand for their leading axes.
  const auto leading = [](const Shape& shape) {
    return shape.size() < 2 ? Shape{} : Shape(shape.begin(), shape.end() - 2);
  };
  const Shape left_batch = leading(left);
  const Shape right_batch = leading(right);
  Shape batch(std::max(left_batch.size(), right_batch.size()), 1);
  const auto extent_of = [&](const Shape& own, std::size_t i) {
    const std::size_t shift = batch.size() - own.size();
    return i < shift ? std::int64_t{1} : own[i - shift];
  };
  for (std::size_t i = 0; i < batch.size(); ++i) {
    const std::int64_t l = extent_of(left_batch, i);
    const std::int64_t r = extent_of(right_batch, i);
    if (l != r && l != 1 && r != 1)
      fail(call, "cannot broadcast " + to_string(left) + " with " + to_string(right));
    batch[i] = l == 1 ? r : l;
  }
  s.result = batch;
  if (!row) s.result.push_back(s.m);
  if (!column) s.result.push_back(s.n);
  std::int64_t step_l = s.m * s.k, step_r = s.k * s.n, step_y = s.m * s.n;
  std::vector<std::array<std::int64_t, 3>> strides(batch.size());
  for (std::size_t i = batch.size(); i-- > 0;) {
    strides[i] = {extent_of(left_batch, i) == 1 ? 0 : step_l,
                  extent_of(right_batch, i) == 1 ? 0 : step_r, step_y};
    step_l *= extent_of(left_batch, i);
    step_r *= extent_of(right_batch, i);
    step_y *= batch[i];
  }
  for (std::size_t i = 0; i < batch.size(); ++i) s.batches.add_axis(batch[i], strides[i]);
  return s;
}

Tensors matmul_op(const OpCall& call, Inputs inputs) {
  const Tensor& a = inputs[0];
  const Tensor& b = inputs[1];
  require_f32(call, a);
  require_f32(call, b);
  const MatMulShape shape = matmul_shape(call, a.shape(), b.shape());
  const std::int64_t m = shape.m, k = shape.k, n = shape.n;
  Tensor y = make_result(call, DType::f32, shape.result);
  std::ranges::fill(y.mutable_data<float>(), 0.0f);
  if (y.size() == 0 || k == 0) return {y};
  begin_blas();
  const float* in_a = a.data<float>().data();
  const float* in_b = b.data<float>().data();
  float* out = y.mutable_data<float>().data();
  shape.batches.run([&](const auto& offset, const auto& stride, std::int64_t count) {
    // Matrices of a run that share the right operand and follow one another are one taller matrix.
    const bool tall = stride[1] == 0 && stride[0] == m * k && stride[2] == m * n;
    const std::int64_t rows = tall ? m * count : m;
    for (std::int64_t i = 0; i < (tall ? 1 : count); ++i) {
      QSWEEP_CHECK(dnnl_sgemm('N', 'N', rows, n, k, 1.0f, in_a + offset[0] + i * stride[0], k,
                              in_b + offset[1] + i * stride[1], n, 0.0f,
                              out + offset[2] + i * stride[2], n) == dnnl_success);
    }
  });
  return {y};
}

}  // namespace qsweep::detail
