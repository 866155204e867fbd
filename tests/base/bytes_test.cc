#include "src/base/bytes.h"

#include <cmath>
#include <limits>

#include <gtest/gtest.h>

#include "src/base/error.h"

namespace qsweep {
namespace {

Bytes sample() {
  ByteWriter out;
  out.u8(0xAB);
  out.u32(0x01020304u);
  out.u64(0x1122334455667788ull);
  out.i64(-2);
  out.f32(-0.0f);
  out.f64(std::numeric_limits<double>::quiet_NaN());
  out.str("conv1");
  out.blob({});
  out.raw(as_bytes("xyz"));
  return out.take();
}

void read_sample(ByteReader& in) {
  EXPECT_EQ(in.u8(), 0xAB);
  EXPECT_EQ(in.u32(), 0x01020304u);
  EXPECT_EQ(in.u64(), 0x1122334455667788ull);
  EXPECT_EQ(in.i64(), -2);
  EXPECT_TRUE(std::signbit(in.f32()));
  EXPECT_TRUE(std::isnan(in.f64()));
  EXPECT_EQ(in.str(), "conv1");
  EXPECT_TRUE(in.blob().empty());
  EXPECT_EQ(as_text(in.raw(3)), "xyz");
  in.finish();
}

TEST(BytesTest, reads_back_what_was_written) {
  const Bytes bytes = sample();
  ByteReader in(bytes, "sample");
  read_sample(in);
}

TEST(BytesTest, integers_are_little_endian) {
  ByteWriter out;
  out.u32(0x01020304u);
  EXPECT_EQ(as_text(out.bytes()), std::string_view("\x04\x03\x02\x01"));
}

TEST(BytesTest, every_truncation_is_corrupt_input_that_names_the_place) {
  const Bytes bytes = sample();
  for (std::size_t n = 0; n < bytes.size(); ++n) {
    ByteReader in(ByteView(bytes).first(n), "journal.qsj:128");
    try {
      read_sample(in);
      FAIL() << "truncated to " << n << " bytes";
    } catch (const Error& e) {
      EXPECT_EQ(e.code(), ErrorCode::corrupt_input);
      EXPECT_EQ(e.where(), "journal.qsj:128");
    }
  }
}

TEST(BytesTest, length_beyond_the_input_is_refused_before_anything_is_allocated) {
  for (const std::uint64_t length : {std::uint64_t{4}, std::numeric_limits<std::uint64_t>::max()}) {
    ByteWriter out;
    out.u64(length);
    out.raw(as_bytes("abc"));
    ByteReader in(out.bytes(), "message");
    EXPECT_THROW(in.str(), Error) << length;
  }
}

TEST(BytesTest, finish_refuses_what_is_left) {
  const Bytes bytes(3);
  ByteReader in(bytes, "message");
  in.u8();
  EXPECT_EQ(in.remaining(), 2u);
  EXPECT_THROW(in.finish(), Error);
}

}  // namespace
}  // namespace qsweep
