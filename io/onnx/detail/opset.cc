#include "io/onnx/detail/opset.h"

namespace qsweep::detail {

int least_opset(const Format& format) {
  int opset = 13;
  switch (format.dtype) {
    case DType::f32:
      return 0;
    case DType::f16:
      return 9;
    case DType::f8e4m3fn:
    case DType::f8e5m2:
      opset = 19;
      break;
    case DType::i4:
    case DType::u4:
    case DType::i16:
    case DType::u16:
      opset = 21;
      break;
    case DType::f4e2m1:
      opset = 23;
      break;
    default:
      break;
  }
  return has_scale(format) && format.granularity == Granularity::per_block && opset < 21 ? 21
                                                                                         : opset;
}

int ir_version_of(int opset) {
  constexpr struct {
    int opset, ir;
  } kTable[] = {{21, 10}, {19, 9}, {15, 8}, {12, 7}, {11, 6}, {10, 5}};
  for (const auto& row : kTable) {
    if (opset >= row.opset) return row.ir;
  }
  return 4;
}

}  // namespace qsweep::detail
