#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "src/tensor/dtype.h"

namespace qsweep {

/// Element types of a tensor in a file: TensorProto.DataType of the ONNX specification (onnx.proto
/// of ONNX 1.18, IR version 11). On-disk values, never renumber. Own constants, because the
/// installed headers may be older than the types they have to name.
enum class OnnxType : std::int32_t {
  undefined = 0,
  float32 = 1,
  uint8 = 2,
  int8 = 3,
  uint16 = 4,
  int16 = 5,
  int32 = 6,
  int64 = 7,
  string = 8,
  boolean = 9,
  float16 = 10,
  float64 = 11,
  uint32 = 12,
  uint64 = 13,
  complex64 = 14,
  complex128 = 15,
  bfloat16 = 16,
  float8e4m3fn = 17,
  float8e4m3fnuz = 18,
  float8e5m2 = 19,
  float8e5m2fnuz = 20,
  uint4 = 21,
  int4 = 22,
  float4e2m1 = 23,
};

/// The type qsweep computes with, or nothing for those it has none for (strings, complex numbers
/// and the FNUZ variants of FP8).
[[nodiscard]] std::optional<DType> dtype_of(OnnxType type);

/// The code of a type in a file.
[[nodiscard]] OnnxType onnx_type_of(DType dtype);

/// `float8e4m3fnuz`, or `type 99` for a code the specification does not have.
[[nodiscard]] std::string name_of(OnnxType type);

}  // namespace qsweep
