#include "io/data/npy.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstring>
#include <string_view>
#include <utility>

#include <fmt/format.h>

#include "src/base/text.h"

#include "io/data/detail/data_file.h"

namespace qsweep {

namespace {

constexpr std::string_view kMagic = "\x93NUMPY";
constexpr std::size_t kMaxHeaderBytes = 1 << 16;
constexpr std::size_t kMaxRank = 32;  // NumPy's own limit
constexpr std::size_t kAlignment = 64;

/// NumPy's name of each element type but for its byte order; the first of a type is the one
/// written.
constexpr std::array<std::pair<std::string_view, DType>, 14> kTypes{{
    {"f4", DType::f32},
    {"f8", DType::f64},
    {"f2", DType::f16},
    {"i1", DType::i8},
    {"u1", DType::u8},
    {"i2", DType::i16},
    {"u2", DType::u16},
    {"i4", DType::i32},
    {"u4", DType::u32},
    {"i8", DType::i64},
    {"u8", DType::u64},
    {"b1", DType::boolean},
    {"i1", DType::i4},
    {"u1", DType::u4},
}};

/// Reads the header, a Python dictionary literal with the keys 'descr', 'fortran_order' and
/// 'shape'.
class HeaderParser {
 public:
  HeaderParser(std::string_view text, const std::string& where) : rest_(text), where_(where) {}

  struct Header {
    std::string descr;
    bool is_fortran = false;
    Shape shape;
  };

  Header parse() {
    Header header;
    bool has_descr = false, has_order = false, has_shape = false;
    expect('{');
    while (!accept('}')) {
      const std::string key = quoted();
      expect(':');
      if (key == "descr" && !std::exchange(has_descr, true)) {
        header.descr = type();
      } else if (key == "fortran_order" && !std::exchange(has_order, true)) {
        header.is_fortran = boolean();
      } else if (key == "shape" && !std::exchange(has_shape, true)) {
        header.shape = tuple();
      } else {
        fail();
      }
      if (!accept(',')) {
        expect('}');
        break;
      }
    }
    if (!has_descr || !has_order || !has_shape || !trim(rest_).empty()) {
      fail();
    }
    return header;
  }

 private:
  [[noreturn]] void fail() const {
    throw Error(ErrorCode::corrupt_input, "the .npy header is malformed", where_);
  }
  void skip_space() {
    while (!rest_.empty() && (rest_.front() == ' ' || rest_.front() == '\n')) {
      rest_.remove_prefix(1);
    }
  }
  bool accept(char c) {
    skip_space();
    if (rest_.empty() || rest_.front() != c) {
      return false;
    }
    rest_.remove_prefix(1);
    return true;
  }
  void expect(char c) {
    if (!accept(c)) {
      fail();
    }
  }
  std::string quoted() {
    skip_space();
    const char quote = rest_.empty() ? '\0' : rest_.front();
    const std::size_t end = rest_.find(quote, 1);
    if ((quote != '\'' && quote != '"') || end == std::string_view::npos) {
      fail();
    }
    std::string text(rest_.substr(1, end - 1));
    rest_.remove_prefix(end + 1);
    return text;
  }
  /// A structure of named fields is a list.
  std::string type() {
    skip_space();
    if (rest_.starts_with('[')) {
      throw Error(ErrorCode::unsupported, "a .npy array of structures", where_,
                  "Save each field as an array of its own");
    }
    return quoted();
  }
  bool boolean() {
    skip_space();
    for (const bool value : {false, true}) {
      const std::string_view name = value ? "True" : "False";
      if (rest_.starts_with(name)) {
        rest_.remove_prefix(name.size());
        return value;
      }
    }
    fail();
  }
  Shape tuple() {
    Shape shape;
    expect('(');
    while (!accept(')')) {
      skip_space();
      std::int64_t extent = -1;
      const auto [stop, error] = std::from_chars(rest_.data(), rest_.data() + rest_.size(), extent);
      if (error != std::errc() || extent < 0 || shape.size() == kMaxRank) {
        fail();
      }
      rest_.remove_prefix(static_cast<std::size_t>(stop - rest_.data()));
      if (rest_.starts_with('L')) rest_.remove_prefix(1);  // a long of Python 2
      shape.push_back(extent);
      if (!accept(',')) {
        expect(')');
        break;
      }
    }
    return shape;
  }

  std::string_view rest_;
  const std::string& where_;
};

/// Order and type of the elements. `=` and no order at all mean the writer's, taken for ours.
void set_type(NpyHeader& header, const std::string& descr, const std::string& where) {
  std::string_view name = descr;
  header.is_big_endian = name.starts_with('>');
  if (!name.empty() && std::string_view("<>|=").find(name.front()) != std::string_view::npos)
    name.remove_prefix(1);
  if (name == "?") name = "b1";
  const auto* found = std::ranges::find(kTypes, name, [](const auto& type) { return type.first; });
  if (found == kTypes.end()) {
    throw Error(ErrorCode::unsupported, fmt::format("element type '{}' of .npy", descr), where,
                "Save the array as float32 or an integer type");
  }
  header.dtype = found->second;
}

/// From the first axis varying fastest to the last one.
void to_row_major(ByteView from, Tensor& to) {
  const Shape& shape = to.shape();
  const std::size_t bytes = element_bytes(to.dtype());
  std::vector<std::int64_t> index(shape.size(), 0);
  std::vector<std::int64_t> stride(shape.size(), 1);
  for (std::size_t axis = 1; axis < shape.size(); ++axis)
    stride[axis] = stride[axis - 1] * shape[axis - 1];
  auto* out = static_cast<std::byte*>(to.mutable_raw());
  std::int64_t source = 0;
  for (std::int64_t i = 0; i < to.size(); ++i, out += bytes) {
    std::memcpy(out, from.data() + static_cast<std::size_t>(source) * bytes, bytes);
    for (std::size_t axis = shape.size(); axis-- > 0;) {
      source += stride[axis];
      if (++index[axis] < shape[axis]) break;
      source -= stride[axis] * shape[axis];
      index[axis] = 0;
    }
  }
}

}  // namespace

NpyHeader parse_npy_header(ByteView beginning, std::uint64_t size, const std::string& where) {
  const std::string_view text = as_text(beginning);
  if (text.starts_with("PK\x03\x04")) {
    throw Error(ErrorCode::unsupported, "an .npz archive, not a .npy file", where,
                "Save each of its arrays with numpy.save()");
  }
  if (text.size() < 10 || !text.starts_with(kMagic)) {
    throw Error(ErrorCode::corrupt_input, "not a .npy file", where);
  }
  const auto byte = [&](std::size_t i) { return std::to_integer<std::size_t>(beginning[i]); };
  const std::size_t version = byte(6);
  if (version < 1 || version > 3) {
    throw Error(ErrorCode::unsupported, fmt::format("version {} of .npy", version), where);
  }
  // Version 1.0 counts the header's bytes in 16 bits, later ones in 32.
  const std::size_t start = version == 1 ? 10 : 12;
  std::size_t length = byte(8) | byte(9) << 8;
  if (version > 1 && text.size() >= start) {
    length |= byte(10) << 16 | byte(11) << 24;
  }
  if (text.size() < start || length > text.size() - start || length > kMaxHeaderBytes) {
    throw Error(ErrorCode::corrupt_input, "the .npy header is cut off or over 64 KiB", where);
  }
  const auto parsed = HeaderParser(text.substr(start, length), where).parse();
  NpyHeader header{.shape = parsed.shape, .is_fortran = parsed.is_fortran};
  set_type(header, parsed.descr, where);
  header.data_offset = start + length;
  header.elements = static_cast<std::uint64_t>(element_count(header.shape));
  const std::uint64_t rest = size - header.data_offset;
  const std::size_t each = element_bytes(header.dtype);
  if (rest % each != 0 || rest / each != header.elements) {
    throw Error(ErrorCode::corrupt_input,
                fmt::format("the .npy array {} of {} does not fit the {} bytes that follow",
                            to_string(header.shape), name_of(header.dtype), rest),
                where);
  }
  return header;
}

void to_native(std::span<std::byte> elements, const NpyHeader& header) {
  const std::size_t bytes = element_bytes(header.dtype);
  if (!header.is_big_endian || bytes == 1) return;
  for (std::size_t at = 0; at < elements.size(); at += bytes)
    std::ranges::reverse(elements.subspan(at, bytes));
}

Tensor parse_npy(ByteView file, const std::string& where) {
  const NpyHeader header = parse_npy_header(file, file.size(), where);
  const ByteView elements = file.subspan(header.data_offset);
  Tensor tensor(header.dtype, header.shape);
  if (elements.empty()) return tensor;
  if (header.is_fortran) {
    to_row_major(elements, tensor);
  } else {
    std::memcpy(tensor.mutable_raw(), elements.data(), elements.size());
  }
  to_native({static_cast<std::byte*>(tensor.mutable_raw()), tensor.bytes()}, header);
  return tensor;
}

Tensor read_npy(const std::filesystem::path& path) {
  return parse_npy(DataFile(path).contents(), path.string());
}

Bytes encode_npy(const Tensor& tensor, const std::string& where) {
  std::string_view descr;
  for (const auto& [name, dtype] : kTypes) {
    if (dtype == tensor.dtype() && descr.empty()) {
      descr = name;
    }
  }
  if (descr.empty()) {
    throw Error(ErrorCode::unsupported,
                fmt::format("NumPy has no type {}", name_of(tensor.dtype())), where);
  }
  std::string extents;
  for (const std::int64_t extent : tensor.shape()) {
    extents += fmt::format("{}, ", extent);
  }
  if (tensor.rank() > 1) {
    extents.resize(extents.size() - 2);
  } else if (tensor.rank() == 1) {
    extents.pop_back();  // a tuple of one keeps its comma
  }
  const char order = element_bytes(tensor.dtype()) == 1 ? '|' : '<';
  std::string header = fmt::format("{{'descr': '{}{}', 'fortran_order': False, 'shape': ({}), }}",
                                   order, descr, extents);
  const std::size_t start = kMagic.size() + 4;
  while ((start + header.size() + 1) % kAlignment != 0) {
    header += ' ';
  }
  header += '\n';

  ByteWriter out;
  out.raw(as_bytes(kMagic));
  out.u8(1);
  out.u8(0);
  out.u8(static_cast<std::uint8_t>(header.size() & 0xff));
  out.u8(static_cast<std::uint8_t>(header.size() >> 8));
  out.raw(as_bytes(header));
  const Tensor rows = tensor.to_layout(Layout::row_major);
  out.raw({static_cast<const std::byte*>(rows.raw()), rows.bytes()});
  return out.take();
}

}  // namespace qsweep
