#include "src/tensor/dtype.h"

#include <array>

#include "src/base/error.h"

namespace qsweep {
namespace {

struct Traits {
  DType dtype;
  std::string_view name;
  std::size_t bytes;
  int stored_bits;
  bool integer;
  bool floating;
};

constexpr std::array kTraits = {
    Traits{DType::f32, "float32", 4, 32, false, true},
    Traits{DType::f64, "float64", 8, 64, false, true},
    Traits{DType::f16, "float16", 2, 16, false, true},
    Traits{DType::bf16, "bfloat16", 2, 16, false, true},
    Traits{DType::f8e4m3fn, "float8e4m3fn", 1, 8, false, true},
    Traits{DType::f8e5m2, "float8e5m2", 1, 8, false, true},
    Traits{DType::f4e2m1, "float4e2m1", 1, 4, false, true},
    Traits{DType::i8, "int8", 1, 8, true, false},
    Traits{DType::u8, "uint8", 1, 8, true, false},
    Traits{DType::i4, "int4", 1, 4, true, false},
    Traits{DType::u4, "uint4", 1, 4, true, false},
    Traits{DType::i16, "int16", 2, 16, true, false},
    Traits{DType::u16, "uint16", 2, 16, true, false},
    Traits{DType::i32, "int32", 4, 32, true, false},
    Traits{DType::u32, "uint32", 4, 32, true, false},
    Traits{DType::i64, "int64", 8, 64, true, false},
    Traits{DType::u64, "uint64", 8, 64, true, false},
    Traits{DType::boolean, "bool", 1, 8, false, false},
};

const Traits& traits(DType dtype) {
  const auto index = static_cast<std::size_t>(dtype);
  QSWEEP_CHECK(index < kTraits.size() && kTraits[index].dtype == dtype);
  return kTraits[index];
}

}  // namespace

std::size_t element_bytes(DType dtype) {
  return traits(dtype).bytes;
}
int stored_bits(DType dtype) {
  return traits(dtype).stored_bits;
}
std::string_view name_of(DType dtype) {
  return traits(dtype).name;
}
bool is_integer(DType dtype) {
  return traits(dtype).integer;
}
bool is_float(DType dtype) {
  return traits(dtype).floating;
}

}  // namespace qsweep
