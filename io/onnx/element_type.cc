#include "io/onnx/element_type.h"

#include "src/base/error.h"

namespace qsweep {
namespace {

struct Entry {
  OnnxType type;
  DType dtype;
};

constexpr Entry kTypes[] = {
    {OnnxType::float32, DType::f32},
    {OnnxType::float64, DType::f64},
    {OnnxType::float16, DType::f16},
    {OnnxType::bfloat16, DType::bf16},
    {OnnxType::float8e4m3fn, DType::f8e4m3fn},
    {OnnxType::float8e5m2, DType::f8e5m2},
    {OnnxType::float4e2m1, DType::f4e2m1},
    {OnnxType::int8, DType::i8},
    {OnnxType::uint8, DType::u8},
    {OnnxType::int4, DType::i4},
    {OnnxType::uint4, DType::u4},
    {OnnxType::int16, DType::i16},
    {OnnxType::uint16, DType::u16},
    {OnnxType::int32, DType::i32},
    {OnnxType::uint32, DType::u32},
    {OnnxType::int64, DType::i64},
    {OnnxType::uint64, DType::u64},
    {OnnxType::boolean, DType::boolean},
};

}  // namespace

std::optional<DType> dtype_of(OnnxType type) {
  for (const Entry& entry : kTypes) {
    if (entry.type == type) return entry.dtype;
  }
  return std::nullopt;
}

OnnxType onnx_type_of(DType dtype) {
  for (const Entry& entry : kTypes) {
    if (entry.dtype == dtype) return entry.type;
  }
  throw Error(ErrorCode::internal, "element type has no ONNX code");
}

std::string name_of(OnnxType type) {
  if (const auto dtype = dtype_of(type)) return std::string(name_of(*dtype));
  switch (type) {
    case OnnxType::string:
      return "string";
    case OnnxType::complex64:
      return "complex64";
    case OnnxType::complex128:
      return "complex128";
    case OnnxType::float8e4m3fnuz:
      return "float8e4m3fnuz";
    case OnnxType::float8e5m2fnuz:
      return "float8e5m2fnuz";
    default:
      return "type " + std::to_string(static_cast<std::int32_t>(type));
  }
}

}  // namespace qsweep
