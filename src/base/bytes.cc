#include "src/base/bytes.h"

#include <bit>
#include <cstring>
#include <utility>

#include "src/base/error.h"

namespace qsweep {
namespace {

static_assert(std::endian::native == std::endian::little,
              "the encoding is little-endian, as is every machine we run on");

template <class T>
void put(Bytes& bytes, T v) {
  const auto raw = std::as_bytes(std::span(&v, 1));
  bytes.insert(bytes.end(), raw.begin(), raw.end());
}

template <class T>
T get(ByteReader& in) {
  T v;
  std::memcpy(&v, in.raw(sizeof(T)).data(), sizeof(T));
  return v;
}

}  // namespace

void ByteWriter::u8(std::uint8_t v) {
  put(bytes_, v);
}
void ByteWriter::u32(std::uint32_t v) {
  put(bytes_, v);
}
void ByteWriter::u64(std::uint64_t v) {
  put(bytes_, v);
}
void ByteWriter::i64(std::int64_t v) {
  put(bytes_, v);
}
void ByteWriter::f32(float v) {
  put(bytes_, v);
}
void ByteWriter::f64(double v) {
  put(bytes_, v);
}
void ByteWriter::str(std::string_view v) {
  blob(as_bytes(v));
}
void ByteWriter::blob(ByteView v) {
  u64(v.size());
  raw(v);
}
void ByteWriter::raw(ByteView v) {
  bytes_.insert(bytes_.end(), v.begin(), v.end());
}

ByteReader::ByteReader(ByteView bytes, std::string what) : bytes_(bytes), what_(std::move(what)) {}

std::uint8_t ByteReader::u8() {
  return get<std::uint8_t>(*this);
}
std::uint32_t ByteReader::u32() {
  return get<std::uint32_t>(*this);
}
std::uint64_t ByteReader::u64() {
  return get<std::uint64_t>(*this);
}
std::int64_t ByteReader::i64() {
  return get<std::int64_t>(*this);
}
float ByteReader::f32() {
  return get<float>(*this);
}
double ByteReader::f64() {
  return get<double>(*this);
}
std::string ByteReader::str() {
  return std::string(as_text(blob()));
}
ByteView ByteReader::blob() {
  const std::uint64_t n = u64();
  if (n > remaining())
    throw Error(ErrorCode::corrupt_input, "a field is longer than what holds it", what_);
  return raw(static_cast<std::size_t>(n));
}
ByteView ByteReader::raw(std::size_t n) {
  if (n > remaining())
    throw Error(ErrorCode::corrupt_input, "the data ends in the middle of a field", what_);
  const ByteView field = bytes_.subspan(at_, n);
  at_ += n;
  return field;
}
void ByteReader::finish() const {
  if (remaining() != 0)
    throw Error(ErrorCode::corrupt_input, "there is more data than expected", what_);
}

ByteView as_bytes(std::string_view text) {
  return std::as_bytes(std::span(text.data(), text.size()));
}
std::string_view as_text(ByteView bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

}  // namespace qsweep
