#include "src/base/hash.h"

#include <filesystem>
#include <fstream>
#include <set>
#include <string>

#include <gtest/gtest.h>

#include "src/base/crc32c_table.h"
#include "src/base/error.h"

namespace qsweep {
namespace {

// FIPS 180-4 examples.
TEST(Sha256Test, agrees_with_the_published_examples) {
  EXPECT_EQ(sha256_hex(""), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  EXPECT_EQ(sha256_hex("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(sha256_hex("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq"),
            "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
  EXPECT_EQ(sha256_hex(std::string(1000000, 'a')),
            "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

TEST(Sha256Test, pieces_hash_like_the_whole) {
  Sha256 hash;
  hash.update("ab").update("").update(as_bytes("c"));
  EXPECT_EQ(hash.hex(), sha256_hex("abc"));
}

TEST(Sha256Test, file_hashes_like_its_contents) {
  const auto path = std::filesystem::path(testing::TempDir()) / "qsweep_hash_test.bin";
  // Around the block the file is read in, so that a partial last block is covered.
  for (const std::size_t size : {0u, 1u, 65535u, 65536u, 65537u, 200000u}) {
    std::string text(size, '\0');
    for (std::size_t i = 0; i < size; ++i) text[i] = static_cast<char>(i * 31 % 251);
    std::ofstream(path, std::ios::binary) << text;
    EXPECT_EQ(sha256_file(path), sha256_hex(text)) << size;
  }
  std::filesystem::remove(path);
}

TEST(Sha256Test, unreadable_file_is_an_io_error_that_names_it) {
  for (const std::filesystem::path path : {"/nonexistent/model.onnx", "/"}) {
    try {
      (void)sha256_file(path);
      FAIL() << path;
    } catch (const Error& e) {
      EXPECT_EQ(e.code(), ErrorCode::io);
      EXPECT_EQ(e.where(), path.string());
    }
  }
}

// RFC 3720, appendix B.4, and the check value of the CRC catalogue.
TEST(Crc32cTest, agrees_with_the_published_examples) {
  EXPECT_EQ(crc32c(as_bytes("123456789")), 0xE3069283u);
  EXPECT_EQ(crc32c(Bytes(32, std::byte{0})), 0x8A9136AAu);
  EXPECT_EQ(crc32c(Bytes(32, std::byte{0xFF})), 0x62A8AB43u);
  Bytes ascending(32);
  for (std::size_t i = 0; i < 32; ++i) ascending[i] = static_cast<std::byte>(i);
  EXPECT_EQ(crc32c(ascending), 0x46DD794Eu);
  EXPECT_EQ(crc32c({}), 0u);
  EXPECT_EQ(crc32c_by_table(as_bytes("123456789")), 0xE3069283u);
}

TEST(Crc32cTest, a_seed_continues_an_earlier_checksum) {
  const std::string_view text = "the quick brown fox jumps over the lazy dog";
  for (std::size_t cut = 0; cut <= text.size(); ++cut) {
    const std::uint32_t head = crc32c(as_bytes(text.substr(0, cut)));
    EXPECT_EQ(crc32c(as_bytes(text.substr(cut)), head), crc32c(as_bytes(text))) << cut;
  }
}

TEST(Crc32cTest, the_instruction_agrees_with_the_table_at_every_length_and_alignment) {
  Bytes bytes(300);
  for (std::size_t i = 0; i < bytes.size(); ++i)
    bytes[i] = static_cast<std::byte>(mix64(i, 7) & 0xFF);
  for (std::size_t start = 0; start < 9; ++start) {
    for (std::size_t size = 0; size + start <= bytes.size(); ++size) {
      const ByteView part = ByteView(bytes).subspan(start, size);
      const auto seed = static_cast<std::uint32_t>(mix64(start, size));
      ASSERT_EQ(crc32c(part, seed), crc32c_by_table(part, seed)) << start << " " << size;
    }
  }
}

TEST(Crc32cTest, notices_every_flipped_bit) {
  const std::string text = "record of a finished task";
  const std::uint32_t sound = crc32c(as_bytes(text));
  for (std::size_t bit = 0; bit < 8 * text.size(); ++bit) {
    std::string damaged = text;
    damaged[bit / 8] = static_cast<char>(damaged[bit / 8] ^ (1 << (bit % 8)));
    EXPECT_NE(crc32c(as_bytes(damaged)), sound) << bit;
  }
}

TEST(Mix64Test, depends_on_both_arguments_and_their_order) {
  std::set<std::uint64_t> seen;
  for (std::uint64_t a = 0; a < 100; ++a) {
    for (std::uint64_t b = 0; b < 100; ++b) seen.insert(mix64(a, b));
  }
  EXPECT_EQ(seen.size(), 10000u);
}

}  // namespace
}  // namespace qsweep
