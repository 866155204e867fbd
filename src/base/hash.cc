#include "src/base/hash.h"

#include <cstring>
#include <fstream>
#include <vector>

#include <openssl/evp.h>
#ifdef __x86_64__
#include <nmmintrin.h>
#endif

#include "src/base/crc32c_table.h"
#include "src/base/error.h"

namespace qsweep {

struct Sha256::Impl {
  EVP_MD_CTX* context = EVP_MD_CTX_new();
  Impl() {
    if (!context || EVP_DigestInit_ex(context, EVP_sha256(), nullptr) != 1) {
      throw Error(ErrorCode::resource, "SHA-256 is not available in libcrypto");
    }
  }
  ~Impl() { EVP_MD_CTX_free(context); }
  Impl(const Impl&) = delete;
  Impl& operator=(const Impl&) = delete;
};

Sha256::Sha256() : impl_(new Impl) {}
Sha256::~Sha256() {
  delete impl_;
}

Sha256& Sha256::update(ByteView bytes) {
  QSWEEP_CHECK(EVP_DigestUpdate(impl_->context, bytes.data(), bytes.size()) == 1);
  return *this;
}
Sha256& Sha256::update(std::string_view text) {
  return update(as_bytes(text));
}

std::string Sha256::hex() {
  std::array<unsigned char, 32> digest{};
  QSWEEP_CHECK(EVP_DigestFinal_ex(impl_->context, digest.data(), nullptr) == 1);
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string text;
  for (unsigned char c : digest) {
    text += kDigits[c >> 4];
    text += kDigits[c & 15];
  }
  return text;
}

std::string sha256_hex(ByteView bytes) {
  return Sha256().update(bytes).hex();
}
std::string sha256_hex(std::string_view text) {
  return sha256_hex(as_bytes(text));
}

std::string sha256_file(const std::filesystem::path& path) {
  std::ifstream in(path, std::ios::binary);
  if (!in)
    throw Error(ErrorCode::io, "cannot read the file", path.string(),
                "Check that it exists and can be read");
  Sha256 hash;
  std::vector<char> block(std::size_t{1} << 16);
  while (in.read(block.data(), static_cast<std::streamsize>(block.size())) || in.gcount() > 0) {
    hash.update(std::as_bytes(std::span(block.data(), static_cast<std::size_t>(in.gcount()))));
  }
  if (in.bad()) throw Error(ErrorCode::io, "reading the file failed", path.string());
  return hash.hex();
}

namespace {

/// Table of the reflected Castagnoli polynomial 0x1EDC6F41.
constexpr std::array<std::uint32_t, 256> make_crc_table() {
  std::array<std::uint32_t, 256> table{};
  for (std::uint32_t i = 0; i < 256; ++i) {
    std::uint32_t c = i;
    for (int bit = 0; bit < 8; ++bit) c = (c & 1u) ? (c >> 1) ^ 0x82F63B78u : c >> 1;
    table[i] = c;
  }
  return table;
}
constexpr auto kCrcTable = make_crc_table();

/// Both take and give the register, whose ends are turned over outside.
using CrcSteps = std::uint32_t (*)(std::uint32_t, ByteView);

std::uint32_t table_steps(std::uint32_t c, ByteView bytes) {
  for (std::byte b : bytes)
    c = kCrcTable[(c ^ std::to_integer<std::uint32_t>(b)) & 0xFFu] ^ (c >> 8);
  return c;
}

#ifdef __x86_64__
__attribute__((target("sse4.2"))) std::uint32_t instruction_steps(std::uint32_t c, ByteView bytes) {
  std::uint64_t wide = c;
  for (; bytes.size() >= sizeof(std::uint64_t); bytes = bytes.subspan(sizeof(std::uint64_t))) {
    std::uint64_t eight = 0;
    std::memcpy(&eight, bytes.data(), sizeof eight);
    wide = _mm_crc32_u64(wide, eight);
  }
  c = static_cast<std::uint32_t>(wide);
  for (const std::byte b : bytes) c = _mm_crc32_u8(c, std::to_integer<std::uint8_t>(b));
  return c;
}

CrcSteps best_steps() {
  return __builtin_cpu_supports("sse4.2") ? instruction_steps : table_steps;
}
#else
CrcSteps best_steps() {
  return table_steps;
}
#endif

}  // namespace

std::uint32_t crc32c(ByteView bytes, std::uint32_t seed) {
  static const CrcSteps steps = best_steps();
  return ~steps(~seed, bytes);
}

std::uint32_t crc32c_by_table(ByteView bytes, std::uint32_t seed) {
  return ~table_steps(~seed, bytes);
}

std::uint64_t mix64(std::uint64_t a, std::uint64_t b) {
  std::uint64_t z = a * 0x9E3779B97F4A7C15ull + b;
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ull;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EBull;
  return z ^ (z >> 31);
}

}  // namespace qsweep
