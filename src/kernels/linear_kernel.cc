#include "src/kernels/detail/array.h"
#include "src/kernels/linear.h"

namespace qsweep {

Tensor LinearKernel::run_added(const Tensor& x, const Tensor& residual, bool relu) {
  Tensor y = run(x);
  QSWEEP_CHECK(y.dtype() == DType::f32 && residual.dtype() == DType::f32 &&
               y.shape() == residual.shape());
  Tensor other = residual;
  if (y.layout() != other.layout()) {
    y = y.to_layout(Layout::channels_last);
    other = other.to_layout(Layout::channels_last);
  }
  float* sum = y.mutable_data<float>().data();
  detail::arithmetic_row(relu ? detail::Arithmetic::add_relu : detail::Arithmetic::add, sum, 1,
                         other.data<float>().data(), 1, sum, y.size());
  return y;
}

}  // namespace qsweep
