#include "io/onnx/detail/tensor_writer.h"

#include <bit>

#include "io/onnx/element_type.h"

namespace qsweep::detail {
namespace {

/// Raw data is little-endian by specification; so are the machines qsweep runs on.
static_assert(std::endian::native == std::endian::little);

std::string packed_nibbles(const Tensor& tensor) {
  const auto codes = tensor.data<std::uint8_t>();
  std::string packed((codes.size() + 1) / 2, '\0');
  for (std::size_t i = 0; i < codes.size(); ++i) {
    const unsigned nibble = (codes[i] & 0xFU) << (i % 2 == 0 ? 0U : 4U);
    packed[i / 2] = static_cast<char>(static_cast<unsigned char>(packed[i / 2]) | nibble);
  }
  return packed;
}

}  // namespace

void write_tensor(const Tensor& tensor, const std::string& name, onnx::TensorProto& into) {
  const Tensor rows = tensor.to_layout(Layout::row_major);
  into.set_name(name);
  into.set_data_type(static_cast<std::int32_t>(onnx_type_of(rows.dtype())));
  for (const std::int64_t extent : rows.shape()) into.add_dims(extent);
  if (stored_bits(rows.dtype()) == 4) {
    into.set_raw_data(packed_nibbles(rows));
  } else {
    into.set_raw_data(rows.raw(), rows.bytes());
  }
}

}  // namespace qsweep::detail
