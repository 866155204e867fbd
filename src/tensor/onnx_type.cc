#include "src/tensor/onnx_type.h"

#include <algorithm>
#include <utility>

namespace qsweep {

std::optional<DType> dtype_of_onnx(std::int64_t type) {
  static constexpr std::pair<std::int64_t, DType> kTypes[] = {
      {1, DType::f32},   {2, DType::u8},        {3, DType::i8},      {4, DType::u16},
      {5, DType::i16},   {6, DType::i32},       {7, DType::i64},     {9, DType::boolean},
      {10, DType::f16},  {11, DType::f64},      {12, DType::u32},    {13, DType::u64},
      {16, DType::bf16}, {17, DType::f8e4m3fn}, {19, DType::f8e5m2}, {21, DType::u4},
      {22, DType::i4},   {23, DType::f4e2m1}};
  const auto found = std::ranges::find(kTypes, type, &std::pair<std::int64_t, DType>::first);
  return found == std::end(kTypes) ? std::nullopt : std::optional(found->second);
}

}  // namespace qsweep
