#include "io/data/npy.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "src/base/error.h"

#include "io/data/dataset.h"

#include "tests/io/temp_dir.h"

namespace qsweep {
namespace {

using testing::error_text;
using testing::read_file;
using testing::TempDir;

/// What numpy.save writes: magic, version, header length, header.
std::string npy(const std::string& header, const std::string& data, int version = 1) {
  std::string bytes = "\x93NUMPY";
  bytes += static_cast<char>(version);
  bytes += '\0';
  for (int shift = 0; shift < (version == 1 ? 16 : 32); shift += 8) {
    bytes += static_cast<char>((header.size() >> shift) & 0xff);
  }
  return bytes + header + data;
}

std::string header(const std::string& descr, const std::string& shape) {
  return "{'descr': '" + descr + "', 'fortran_order': False, 'shape': " + shape + ", }\n";
}

template <class T>
std::string raw(const std::vector<T>& values) {
  return {reinterpret_cast<const char*>(values.data()), values.size() * sizeof(T)};
}

Tensor parse(const std::string& bytes) {
  return parse_npy(as_bytes(bytes), "x.npy");
}

TEST(NpyTest, reads_what_numpy_writes) {
  const std::string bytes = npy(header("<f4", "(2, 3)"), raw<float>({0, 1, 2, 3, 4, 5}));
  const Tensor array = parse(bytes);
  EXPECT_EQ(array.dtype(), DType::f32);
  EXPECT_EQ(array.shape(), (Shape{2, 3}));
  EXPECT_EQ(array.data<float>()[5], 5.0f);
}

TEST(NpyTest, reads_versions_2_and_3_scalars_and_other_spellings) {
  const std::string data = raw<std::int64_t>({7});
  EXPECT_EQ(parse(npy(header("<i8", "(1,)"), data, 2)).shape(), Shape{1});
  EXPECT_EQ(parse(npy(header("<i8", "()"), data, 3)).shape(), Shape{});
  const Tensor array =
      parse(npy("{\"shape\":(1,1),\"fortran_order\":False,\"descr\":\"<i8\"}", data));
  EXPECT_EQ(array.dtype(), DType::i64);
  EXPECT_EQ(array.shape(), (Shape{1, 1}));
  EXPECT_EQ(parse(npy(header("<u1", "(2L,)"), "ab")).dtype(), DType::u8) << "cnpy, Python 2";
  EXPECT_EQ(parse(npy(header("|?", "(2,)"), "ab")).dtype(), DType::boolean);
}

TEST(NpyTest, reads_the_other_order_of_bytes) {
  const std::string bytes("\x3f\x80\x00\x00\xc0\x00\x00\x00", 8);
  const Tensor floats = parse(npy(header(">f4", "(2,)"), bytes));
  EXPECT_EQ(floats.data<float>()[0], 1.0f);
  EXPECT_EQ(floats.data<float>()[1], -2.0f);
  EXPECT_EQ(
      parse(npy(header(">i8", "(1,)"), std::string("\0\0\0\0\0\0\1\2", 8))).data<std::int64_t>()[0],
      258);
  EXPECT_EQ(parse(npy(header(">u1", "(1,)"), "a")).data<std::uint8_t>()[0], 'a');
}

TEST(NpyTest, reads_the_other_order_of_axes) {
  // numpy.arange(24).reshape(2, 3, 4) as Fortran stores it.
  std::vector<std::int16_t> stored;
  for (int k = 0; k < 4; ++k) {
    for (int j = 0; j < 3; ++j) {
      for (int i = 0; i < 2; ++i) stored.push_back(static_cast<std::int16_t>(12 * i + 4 * j + k));
    }
  }
  const Tensor array =
      parse(npy("{'descr': '<i2', 'fortran_order': True, 'shape': (2, 3, 4), }", raw(stored)));
  for (std::size_t i = 0; i < 24; ++i) ASSERT_EQ(array.data<std::int16_t>()[i], i);
  EXPECT_EQ(
      parse(npy("{'descr': '<f4', 'fortran_order': True, 'shape': (2,), }", raw<float>({1, 2})))
          .data<float>()[1],
      2.0f);
}

// Bytes that numpy.save made of numpy.arange(3, dtype='<i2').
TEST(NpyTest, writes_byte_for_byte_what_numpy_writes) {
  const std::array<std::int16_t, 3> values{0, 1, 2};
  const Bytes bytes = encode_npy(Tensor::of<std::int16_t>(DType::i16, {3}, values), "x.npy");
  std::string expected("\x93NUMPY\x01\x00\x76\x00", 10);
  expected += "{'descr': '<i2', 'fortran_order': False, 'shape': (3,), }";
  expected += std::string(128 - 1 - expected.size(), ' ') + "\n";
  expected += std::string("\0\0\1\0\2\0", 6);
  EXPECT_EQ(as_text(bytes), expected);
}

TEST(NpyTest, every_type_and_rank_survives_a_round_trip) {
  const TempDir folder;
  for (const DType dtype :
       {DType::f32, DType::f64, DType::f16, DType::i8, DType::u8, DType::i16, DType::u16,
        DType::i32, DType::u32, DType::i64, DType::u64, DType::boolean}) {
    for (const Shape& shape : {Shape{}, Shape{5}, Shape{2, 3}, Shape{2, 0, 3}, Shape{1, 2, 3, 4}}) {
      Tensor tensor(dtype, shape);
      for (std::size_t i = 0; i < tensor.bytes(); ++i) {
        static_cast<std::uint8_t*>(tensor.mutable_raw())[i] = static_cast<std::uint8_t>(i * 5);
      }
      const Tensor again = read_npy(folder.write("x.npy", as_text(encode_npy(tensor, "x.npy"))));
      ASSERT_EQ(again.dtype(), dtype);
      ASSERT_EQ(again.shape(), shape);
      ASSERT_EQ(std::memcmp(again.raw(), tensor.raw(), tensor.bytes()), 0);
    }
  }
}

TEST(NpyTest, writes_channels_last_tensors_in_logical_order) {
  const std::array<float, 8> values{0, 1, 2, 3, 4, 5, 6, 7};
  const Tensor tensor = Tensor::of<float>(DType::f32, {1, 2, 2, 2}, values);
  EXPECT_EQ(encode_npy(tensor, "a.npy"),
            encode_npy(tensor.to_layout(Layout::channels_last), "b.npy"));
}

TEST(NpyTest, refuses_types_numpy_lacks) {
  EXPECT_EQ(error_text<Error>([&] { (void)encode_npy(Tensor(DType::f8e4m3fn, {2}), "x.npy"); }),
            "NumPy has no type float8e4m3fn [x.npy]");
}

TEST(NpyTest, refuses_what_is_not_one_array) {
  const auto text = [](const std::string& bytes) {
    return error_text<Error>([&] { static_cast<void>(parse(bytes)); });
  };
  const std::string good = npy(header("<f4", "(2,)"), raw<float>({1, 2}));
  EXPECT_EQ(text(good), "");
  EXPECT_EQ(text("PK\x03\x04 an archive"),
            "an .npz archive, not a .npy file [x.npy]. Save each of its arrays with numpy.save().");
  EXPECT_EQ(text("P5 1 1"), "not a .npy file [x.npy]");
  EXPECT_EQ(text(npy(header("<f4", "(2,)"), raw<float>({1, 2}), 9)), "version 9 of .npy [x.npy]");
  EXPECT_EQ(text(good + "x"),
            "the .npy array 2 of float32 does not fit the 9 bytes that follow [x.npy]");
  for (const char* type : {"|O", "<U3", "<c8", "<f16", "|V2", "<i3", "<M8[ns]", ""}) {
    EXPECT_EQ(text(npy(header(type, "(2,)"), raw<float>({1, 2}))),
              fmt::format("element type '{}' of .npy [x.npy]. Save the array as float32 or an "
                          "integer type.",
                          type));
  }
  EXPECT_EQ(text(npy("{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (2,)}",
                     raw<float>({1, 2}))),
            "a .npy array of structures [x.npy]. Save each field as an array of its own.");
  for (const char* wrong :
       {"", "{", "{}", "{'descr': '<f4'}", "{'descr': '<f4', 'fortran_order': False}",
        "{'descr': '<f4', 'fortran_order': 0, 'shape': (2,)}",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (-2,)}",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (2}",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (2,)} x",
        "{'descr': '<f4', 'descr': '<f4', 'fortran_order': False, 'shape': (2,)}",
        "{'descr': '<f4', 'other': 1, 'fortran_order': False, 'shape': (2,)}"}) {
    EXPECT_EQ(text(npy(wrong, raw<float>({1, 2}))), "the .npy header is malformed [x.npy]")
        << wrong;
  }
}

TEST(NpyTest, every_truncation_is_refused) {
  const std::string good = npy(header("<f4", "(2, 3)"), raw<float>({0, 1, 2, 3, 4, 5}));
  for (std::size_t length = 0; length < good.size(); ++length) {
    EXPECT_THROW(parse(good.substr(0, length)), Error) << length;
  }
}

TEST(NpyTest, extents_that_overflow_are_refused_without_allocating) {
  const std::string huge = "(9223372036854775807, 9223372036854775807)";
  EXPECT_THROW(parse(npy(header("<f4", huge), "")), Error);
  EXPECT_THROW(parse(npy(header("<f4", "(1000000000000,)"), "")), Error);
}

class NpyDatasetTest : public ::testing::Test {
 protected:
  DataSpec spec(const std::string& images, const std::string& labels) const {
    return {"npy", {folder_.write("x.npy", images), folder_.write("y.npy", labels)}};
  }
  std::string message(const std::string& images,
                      const std::string& labels,
                      const InputSpec& input = {}) const {
    return error_text<Error>([&] { static_cast<void>(open_dataset(spec(images, labels), input)); });
  }
  TempDir folder_;
  std::string labels_ = npy(header("<i4", "(2,)"), raw<std::int32_t>({1, 4}));
  std::string bytes_ = npy(header("|u1", "(2, 3, 1, 2)"),
                           raw<std::uint8_t>({0, 1, 2, 3, 4, 5, 10, 11, 12, 13, 14, 255}));
};

TEST_F(NpyDatasetTest, reads_bytes_and_floats_alike) {
  InputSpec input;
  input.scale = 255;
  input.mean = {0.5, 0.25, 0.125};
  input.std = {2, 3, 5};
  input.color = "BGR";
  const std::vector<std::int64_t> ids{1, 0};
  const auto from_bytes = open_dataset(spec(bytes_, labels_), input);
  EXPECT_EQ(from_bytes->size(), 2);
  EXPECT_EQ(from_bytes->classes(), 5);
  EXPECT_EQ(from_bytes->label(1), 4);
  const Tensor a = from_bytes->images(ids);
  ASSERT_EQ(a.shape(), (Shape{2, 3, 1, 2}));
  EXPECT_EQ(a.data<float>()[1], (255.0f / 255.0f - 0.5f) / 2.0f);

  const std::string floats =
      npy(header("<f4", "(2, 3, 1, 2)"), raw<float>({0, 1, 2, 3, 4, 5, 10, 11, 12, 13, 14, 255}));
  const Tensor b = open_dataset(spec(floats, labels_), input)->images(ids);
  EXPECT_TRUE(std::ranges::equal(a.data<float>(), b.data<float>()));
}

TEST_F(NpyDatasetTest, is_in_the_layout_of_the_model) {
  const std::string images = npy(header("|u1", "(2, 1, 2, 3)"),
                                 raw<std::uint8_t>({0, 1, 2, 3, 4, 5, 10, 11, 12, 13, 14, 15}));
  InputSpec input;
  input.layout = "NHWC";
  const Tensor batch =
      open_dataset(spec(images, labels_), input)->images(std::vector<std::int64_t>{1});
  ASSERT_EQ(batch.shape(), (Shape{1, 1, 2, 3}));
  const std::vector<float> expected{10, 11, 12, 13, 14, 15};
  EXPECT_TRUE(std::ranges::equal(batch.data<float>(), expected));
}

/// Pixels 0 to 100 of two images as `T`, of NumPy's type `type`.
template <class T>
std::string images_of(const std::string& type) {
  std::vector<T> values;
  for (const int v : {0, 1, 2, 3, 4, 5, 10, 11, 12, 13, 14, 100})
    values.push_back(static_cast<T>(v));
  return npy(header(type, "(2, 3, 1, 2)"), raw(values));
}

TEST_F(NpyDatasetTest, images_and_labels_are_of_any_type) {
  const std::vector<std::int64_t> ids{1, 0};
  const auto expected = open_dataset(spec(images_of<float>("<f4"), labels_), {});
  const Tensor want = expected->images(ids);
  const std::string halves(
      "\x00\x00\x00\x3c\x00\x40\x00\x42\x00\x44\x00\x45"
      "\x00\x49\x80\x49\x00\x4a\x80\x4a\x00\x4b\x40\x56",
      24);
  for (const std::string& images :
       {images_of<std::uint8_t>("|u1"), images_of<std::int8_t>("|i1"),
        images_of<std::int16_t>("<i2"), images_of<std::uint16_t>("<u2"),
        images_of<std::int32_t>("<i4"), images_of<std::uint32_t>("<u4"),
        images_of<std::int64_t>("<i8"), images_of<std::uint64_t>("<u8"), images_of<double>("<f8"),
        npy(header("<f2", "(2, 3, 1, 2)"), halves)}) {
    const Tensor got = open_dataset(spec(images, labels_), {})->images(ids);
    EXPECT_TRUE(std::ranges::equal(got.data<float>(), want.data<float>())) << images.substr(10, 40);
  }
  for (const std::string& labels :
       {npy(header("|i1", "(2,)"), "\1\4"),
        npy(header("<u2", "(2, 1)"), raw<std::uint16_t>({1, 4})),
        npy(header(">i8", "(2, 1, 1)"), std::string("\0\0\0\0\0\0\0\1\0\0\0\0\0\0\0\4", 16)),
        npy(header("<f8", "(2,)"), raw<double>({1, 4}))}) {
    const auto data = open_dataset(spec(bytes_, labels), {});
    EXPECT_EQ(data->label(0), 1);
    EXPECT_EQ(data->label(1), 4);
  }
}

TEST_F(NpyDatasetTest, reads_the_other_orders) {
  std::string swapped = images_of<float>("<f4");
  swapped.replace(swapped.find("<f4"), 3, ">f4");
  for (std::size_t at = swapped.size() - 48; at < swapped.size(); at += 4)
    std::reverse(swapped.begin() + static_cast<std::ptrdiff_t>(at),
                 swapped.begin() + static_cast<std::ptrdiff_t>(at) + 4);
  // [n][c][0][x] lies at n + 2c + 6x.
  const std::string fortran =
      npy("{'descr': '|u1', 'fortran_order': True, 'shape': (2, 3, 1, 2), }",
          raw<std::uint8_t>({0, 10, 2, 12, 4, 14, 1, 11, 3, 13, 5, 100}));
  const std::vector<std::int64_t> ids{1, 0};
  const Tensor want = open_dataset(spec(images_of<float>("<f4"), labels_), {})->images(ids);
  for (const std::string& images : {swapped, fortran}) {
    const auto data = open_dataset(spec(images, labels_), {});
    EXPECT_TRUE(std::ranges::equal(data->images(ids).data<float>(), want.data<float>()));
  }
}

TEST_F(NpyDatasetTest, values_that_are_not_finite_are_named) {
  std::vector<float> values(12, 1.0f);
  values[9] = std::nanf("");
  const std::string x = (folder_.path() / "x.npy").string();
  const auto floats =
      open_dataset(spec(npy(header("<f4", "(2, 3, 1, 2)"), raw(values)), labels_), {});
  EXPECT_EQ(floats->images(std::vector<std::int64_t>{0}).dim(0), 1);
  EXPECT_EQ(error_text<Error>([&] {
              (void)floats->images(std::vector<std::int64_t>{0, 1});
            }),
            "image 1 holds nan (element 3) [" + x +
                "]. Give images whose values are all finite as float32.");
  const std::vector<double> large(12, 1e300);
  const auto doubles =
      open_dataset(spec(npy(header("<f8", "(2, 3, 1, 2)"), raw(large)), labels_), {});
  EXPECT_EQ(error_text<Error>([&] {
              (void)doubles->images(std::vector<std::int64_t>{1});
            }).find("image 1 holds inf (element 0)"),
            0u);
}

TEST_F(NpyDatasetTest, the_digest_is_of_what_is_used) {
  const std::vector<std::int64_t> first = {0};
  const std::string digest = open_dataset(spec(bytes_, labels_), {})->digest(first);
  std::string other = bytes_;
  other.back() = 7;
  EXPECT_EQ(open_dataset(spec(other, labels_), {})->digest(first), digest);
  other[other.size() - 12] = 7;
  EXPECT_NE(open_dataset(spec(other, labels_), {})->digest(first), digest);
}

TEST_F(NpyDatasetTest, refuses_what_does_not_fit) {
  const std::string x = (folder_.path() / "x.npy").string();
  const std::string y = (folder_.path() / "y.npy").string();
  EXPECT_EQ(message(npy(header("|u1", "(2, 3)"), "abcdef"), labels_),
            "the images are 2x3, not [N, C, H, W] [" + x + "]");
  EXPECT_EQ(message(bytes_, npy(header("<i4", "(3,)"), raw<std::int32_t>({0, 0, 0}))),
            "2 images and 3 labels [" + y + "]");
  EXPECT_EQ(message(bytes_, npy(header("<i4", "(2,)"), raw<std::int32_t>({0, -1}))),
            "label -1 (of image 1) is outside 0 to 65535 [" + y + "]");
  EXPECT_EQ(message(bytes_, npy(header("<u8", "(2,)"), raw<std::uint64_t>({0, ~0ULL}))),
            "label 18446744073709551615 (of image 1) is outside 0 to 65535 [" + y + "]");
  EXPECT_EQ(message(bytes_, npy(header("<f4", "(2,)"), raw<float>({0, 1.5f}))),
            "label 1.5 (of image 1) is no whole number [" + y + "]");
  EXPECT_EQ(message(bytes_, npy(header("<f8", "(2,)"), raw<double>({std::nan(""), 1}))),
            "label nan (of image 0) is no whole number [" + y + "]");
  EXPECT_EQ(message(bytes_, npy(header("<i4", "(1, 2)"), raw<std::int32_t>({0, 1}))),
            "the labels are 1x2, not one number per image [" + y +
                "]. Save the class of each image, as labels.argmax(1).");
  EXPECT_EQ(error_text<Error>([&] {
              static_cast<void>(open_dataset({"npy", {x}}, {}));
            }),
            "npy data takes 2 files, not 1 [npy]. Give the images, then the labels: "
            "npy:X.npy,Y.npy.");
}

}  // namespace
}  // namespace qsweep
