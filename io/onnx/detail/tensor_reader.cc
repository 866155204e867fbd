#include "io/onnx/detail/tensor_reader.h"

#include <charconv>
#include <cstring>
#include <limits>

#include "io/onnx/element_type.h"

namespace qsweep::detail {
namespace {

/// Raw data is little-endian by specification; so are the machines qsweep runs on.
static_assert(std::endian::native == std::endian::little);

[[noreturn]] void fail(const std::string& what, const std::string& where) {
  throw Error(ErrorCode::corrupt_input, what, where);
}

/// Bytes of `count` elements in a file, where four-bit elements are packed two to a byte.
std::uint64_t packed_bytes(DType dtype, std::int64_t count) {
  const auto n = static_cast<std::uint64_t>(count);
  return stored_bits(dtype) == 4 ? (n + 1) / 2 : n * element_bytes(dtype);
}

Shape read_shape(const onnx::TensorProto& proto, const std::string& where) {
  Shape shape(proto.dims().begin(), proto.dims().end());
  std::int64_t count = 1;
  for (const std::int64_t extent : shape) {
    if (extent < 0 || __builtin_mul_overflow(count, extent, &count)) {
      fail("impossible extents " + to_string(shape), where);
    }
  }
  // So that sizes in bytes cannot overflow either.
  if (count > std::numeric_limits<std::int64_t>::max() / 16) {
    fail("impossible extents " + to_string(shape), where);
  }
  return shape;
}

/// Element 2i is in the low half of byte i (ONNX: TensorProto.raw_data). Signed values are
/// extended.
void unpack_nibbles(std::span<const std::byte> packed, Tensor& into) {
  const bool is_signed = into.dtype() == DType::i4;
  const auto out = into.mutable_data<std::uint8_t>();
  for (std::size_t i = 0; i < out.size(); ++i) {
    const auto byte = static_cast<unsigned>(packed[i / 2]);
    const unsigned nibble = i % 2 == 0 ? byte & 0xFU : byte >> 4U;
    out[i] = static_cast<std::uint8_t>(is_signed && nibble >= 8 ? nibble | 0xF0U : nibble);
  }
}

/// Any non-zero byte is true.
void normalise_booleans(Tensor& tensor) {
  if (tensor.dtype() != DType::boolean) return;
  for (std::uint8_t& b : tensor.mutable_data<std::uint8_t>()) b = b != 0 ? 1 : 0;
}

/// Fills from bytes as a file holds them.
void fill_from_bytes(std::span<const std::byte> bytes, Tensor& into) {
  if (stored_bits(into.dtype()) == 4) {
    unpack_nibbles(bytes, into);
  } else if (!bytes.empty()) {
    std::memcpy(into.mutable_raw(), bytes.data(), bytes.size());
  }
  normalise_booleans(into);
}

/// Copies a typed field whose entries are wider than or as wide as the elements.
template <class T, class Field>
Tensor copy_field(const Field& field, DType dtype, Shape shape, const std::string& where) {
  const std::int64_t count = element_count(shape);
  if (field.size() != count) {
    fail("holds " + std::to_string(field.size()) + " of " + std::to_string(count) + " elements",
         where);
  }
  Tensor tensor(dtype, std::move(shape));
  const auto out = tensor.mutable_data<T>();
  for (int i = 0; i < field.size(); ++i) {
    const auto element = static_cast<T>(field[i]);
    // Bit patterns of small floats are stored as integers and pass this test as well.
    if constexpr (std::is_integral_v<T>) {
      if (!std::in_range<T>(field[i])) {
        fail("element " + std::to_string(i) + " does not fit its type", where);
      }
    }
    out[static_cast<std::size_t>(i)] = element;
  }
  normalise_booleans(tensor);
  return tensor;
}

/// int32_data of a four-bit type: each entry is one packed byte.
Tensor copy_packed_field(const onnx::TensorProto& proto,
                         DType dtype,
                         Shape shape,
                         const std::string& where) {
  const std::uint64_t expected = packed_bytes(dtype, element_count(shape));
  if (static_cast<std::uint64_t>(proto.int32_data_size()) != expected) {
    fail("holds " + std::to_string(proto.int32_data_size()) + " of " + std::to_string(expected) +
             " packed bytes",
         where);
  }
  std::vector<std::byte> packed;
  packed.reserve(expected);
  for (const std::int32_t entry : proto.int32_data())
    packed.push_back(static_cast<std::byte>(entry));
  Tensor tensor(dtype, std::move(shape));
  unpack_nibbles(packed, tensor);
  return tensor;
}

/// Which typed field holds which element type: comments of TensorProto in onnx.proto.
Tensor read_typed(const onnx::TensorProto& proto,
                  DType dtype,
                  Shape shape,
                  const std::string& where) {
  switch (dtype) {
    case DType::f32:
      return copy_field<float>(proto.float_data(), dtype, std::move(shape), where);
    case DType::f64:
      return copy_field<double>(proto.double_data(), dtype, std::move(shape), where);
    case DType::i64:
      return copy_field<std::int64_t>(proto.int64_data(), dtype, std::move(shape), where);
    case DType::u64:
      return copy_field<std::uint64_t>(proto.uint64_data(), dtype, std::move(shape), where);
    case DType::u32:
      return copy_field<std::uint32_t>(proto.uint64_data(), dtype, std::move(shape), where);
    case DType::i32:
      return copy_field<std::int32_t>(proto.int32_data(), dtype, std::move(shape), where);
    case DType::i16:
      return copy_field<std::int16_t>(proto.int32_data(), dtype, std::move(shape), where);
    case DType::i8:
      return copy_field<std::int8_t>(proto.int32_data(), dtype, std::move(shape), where);
    case DType::u16:
    case DType::f16:
    case DType::bf16:
      return copy_field<std::uint16_t>(proto.int32_data(), dtype, std::move(shape), where);
    case DType::u8:
    case DType::boolean:
    case DType::f8e4m3fn:
    case DType::f8e5m2:
      return copy_field<std::uint8_t>(proto.int32_data(), dtype, std::move(shape), where);
    case DType::i4:
    case DType::u4:
    case DType::f4e2m1:
      return copy_packed_field(proto, dtype, std::move(shape), where);
  }
  throw Error(ErrorCode::internal, "element type without a field", where);
}

std::uint64_t parse_number(const std::string& text, const std::string& where) {
  std::uint64_t number = 0;
  const auto [end, failed] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (failed != std::errc() || end != text.data() + text.size()) {
    fail("external data has the offset or length '" + text + "'", where);
  }
  return number;
}

Tensor read_external(const onnx::TensorProto& proto,
                     DType dtype,
                     Shape shape,
                     ExternalData& external,
                     const std::string& where) {
  ExternalData::Range range;
  range.length = packed_bytes(dtype, element_count(shape));
  for (const auto& entry : proto.external_data()) {
    if (entry.key() == "location") range.location = entry.value();
    if (entry.key() == "offset") range.offset = parse_number(entry.value(), where);
    if (entry.key() == "length" && parse_number(entry.value(), where) != range.length) {
      fail("external data has " + entry.value() + " bytes, but its extents need " +
               std::to_string(range.length),
           where);
    }
  }
  external.check(range, where);
  Tensor tensor(dtype, std::move(shape));
  if (stored_bits(dtype) == 4) {
    std::vector<std::byte> packed(range.length);
    external.read(range, packed, where);
    fill_from_bytes(packed, tensor);
  } else {
    external.read(range, {static_cast<std::byte*>(tensor.mutable_raw()), tensor.bytes()}, where);
    normalise_booleans(tensor);
  }
  return tensor;
}

}  // namespace

Tensor read_tensor(const onnx::TensorProto& proto,
                   ExternalData& external,
                   const std::string& where) {
  const auto type = static_cast<OnnxType>(proto.data_type());
  const std::optional<DType> dtype = dtype_of(type);
  if (!dtype) {
    throw Error(ErrorCode::unsupported, "element type " + name_of(type) + " is not supported",
                where);
  }
  if (proto.has_segment()) {
    throw Error(ErrorCode::unsupported, "tensors in segments are not supported", where);
  }
  Shape shape = read_shape(proto, where);
  if (proto.data_location() == onnx::TensorProto::EXTERNAL) {
    return read_external(proto, *dtype, std::move(shape), external, where);
  }
  if (!proto.has_raw_data()) return read_typed(proto, *dtype, std::move(shape), where);

  const std::uint64_t expected = packed_bytes(*dtype, element_count(shape));
  const std::string& raw = proto.raw_data();
  if (raw.size() != expected) {
    fail("has " + std::to_string(raw.size()) + " bytes of data, but extents " + to_string(shape) +
             " of " + name_of(type) + " need " + std::to_string(expected),
         where);
  }
  Tensor tensor(*dtype, std::move(shape));
  fill_from_bytes(std::as_bytes(std::span(raw)), tensor);
  return tensor;
}

}  // namespace qsweep::detail
