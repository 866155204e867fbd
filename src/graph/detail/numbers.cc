#include "src/graph/detail/numbers.h"

#include <algorithm>
#include <utility>

namespace qsweep::detail {

bool is_foldable(const Tensor& tensor) {
  return tensor.dtype() == DType::f32 || tensor.dtype() == DType::f64;
}

std::vector<double> to_doubles(const Tensor& tensor) {
  QSWEEP_CHECK(is_foldable(tensor));
  if (tensor.dtype() == DType::f64) {
    const auto elements = tensor.data<double>();
    return {elements.begin(), elements.end()};
  }
  const auto elements = tensor.data<float>();
  return {elements.begin(), elements.end()};
}

Tensor from_doubles(DType dtype, Shape shape, const std::vector<double>& values) {
  Tensor tensor(dtype, std::move(shape));
  QSWEEP_CHECK(is_foldable(tensor) && tensor.size() == static_cast<std::int64_t>(values.size()));
  if (dtype == DType::f64) {
    std::ranges::copy(values, tensor.mutable_data<double>().begin());
  } else {
    std::ranges::transform(values, tensor.mutable_data<float>().begin(),
                           [](double v) { return static_cast<float>(v); });
  }
  return tensor;
}

}  // namespace qsweep::detail
