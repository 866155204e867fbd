#include <gtest/gtest.h>

#include "io/onnx/element_type.h"
#include "io/onnx/import.h"

#include "tests/support/onnx_builder.h"

namespace qsweep {
namespace {

using testing::OnnxBuilder;

struct Holder {
  OnnxBuilder builder;
  onnx::TensorProto* tensor;

  Holder(int type, const std::vector<std::int64_t>& dims) : tensor(nullptr) {
    builder.input("x", {1});
    tensor = &builder.tensor("c", type, dims);
    builder.node("Mystery", {"x", "c"}, {"y"});
    builder.output("y");
  }
  [[nodiscard]] Tensor read() const {
    const std::string bytes = builder.bytes();
    const Graph g = import_onnx_bytes(as_bytes(bytes), {}, "m.onnx").graph;
    return g.value(g.find_value("c").value()).constant.value();
  }
  [[nodiscard]] std::string message() const {
    try {
      static_cast<void>(read());
    } catch (const Error& error) {
      EXPECT_EQ(error.where(), "m.onnx, tensor 'c'");
      return error.message();
    }
    return "accepted";
  }
};

template <class T>
std::vector<int> ints_of(const Tensor& tensor) {
  const auto data = tensor.data<T>();
  return {data.begin(), data.end()};
}

TEST(ElementTypesTest, codes_are_those_of_the_specification) {
  EXPECT_EQ(dtype_of(OnnxType{17}), DType::f8e4m3fn);
  EXPECT_EQ(dtype_of(OnnxType{19}), DType::f8e5m2);
  EXPECT_EQ(dtype_of(OnnxType{21}), DType::u4);
  EXPECT_EQ(dtype_of(OnnxType{22}), DType::i4);
  EXPECT_EQ(dtype_of(OnnxType{23}), DType::f4e2m1);
  for (const int unsupported : {0, 8, 14, 15, 18, 20, 24, -1}) {
    EXPECT_FALSE(dtype_of(static_cast<OnnxType>(unsupported))) << unsupported;
  }
  for (int code = 1; code <= 23; ++code) {
    if (const auto dtype = dtype_of(static_cast<OnnxType>(code))) {
      EXPECT_EQ(static_cast<int>(onnx_type_of(*dtype)), code);
    }
  }
  EXPECT_EQ(name_of(OnnxType{18}), "float8e4m3fnuz");
  EXPECT_EQ(name_of(OnnxType{99}), "type 99");
}

TEST(ElementTypesTest, raw_data_of_every_type_keeps_its_bits) {
  for (int code = 1; code <= 23; ++code) {
    const auto dtype = dtype_of(static_cast<OnnxType>(code));
    if (!dtype || stored_bits(*dtype) == 4) continue;
    Holder h(code, {2});
    h.tensor->set_raw_data(std::string(2 * element_bytes(*dtype), '\1'));
    const Tensor tensor = h.read();
    EXPECT_EQ(tensor.dtype(), *dtype);
    EXPECT_EQ(tensor.shape(), Shape{2});
    EXPECT_EQ(static_cast<const char*>(tensor.raw())[tensor.bytes() - 1], 1) << code;
  }
}

TEST(ElementTypesTest, four_bit_values_are_unpacked_low_half_first) {
  Holder raw(22, {3});
  raw.tensor->set_raw_data("\x8F\x07");
  EXPECT_EQ(ints_of<std::int8_t>(raw.read()), (std::vector<int>{-1, -8, 7}));
  Holder typed(22, {3});
  typed.tensor->add_int32_data(0x8F);
  typed.tensor->add_int32_data(0x07);
  EXPECT_EQ(ints_of<std::int8_t>(typed.read()), (std::vector<int>{-1, -8, 7}));
  Holder unsigned_values(21, {3});
  unsigned_values.tensor->set_raw_data("\x8F\x07");
  EXPECT_EQ(ints_of<std::uint8_t>(unsigned_values.read()), (std::vector<int>{15, 8, 7}));
}

TEST(ElementTypesTest, typed_fields) {
  Holder f16(10, {1});
  f16.tensor->add_int32_data(0x3C00);
  EXPECT_EQ(ints_of<std::uint16_t>(f16.read()), (std::vector<int>{0x3C00}));
  Holder fp8(17, {1});
  fp8.tensor->add_int32_data(0x38);
  EXPECT_EQ(ints_of<std::uint8_t>(fp8.read()), (std::vector<int>{0x38}));
  Holder u32(12, {1});
  u32.tensor->add_uint64_data(9);
  EXPECT_EQ(ints_of<std::uint32_t>(u32.read()), (std::vector<int>{9}));
  Holder f64(11, {});
  f64.tensor->add_double_data(0.1);
  EXPECT_EQ(f64.read().data<double>()[0], 0.1);
  Holder boolean(9, {2});
  boolean.tensor->set_raw_data(std::string("\x02\x00", 2));
  EXPECT_EQ(ints_of<std::uint8_t>(boolean.read()), (std::vector<int>{1, 0}));
  Holder empty(1, {0, 4});
  EXPECT_EQ(empty.read().size(), 0);
}

TEST(ElementTypesTest, disagreements_are_refused) {
  Holder short_raw(1, {2, 3});
  short_raw.tensor->set_raw_data("1234");
  EXPECT_EQ(short_raw.message(), "has 4 bytes of data, but extents 2x3 of float32 need 24");
  Holder short_typed(1, {3});
  short_typed.tensor->add_float_data(1);
  EXPECT_EQ(short_typed.message(), "holds 1 of 3 elements");
  Holder wide(3, {1});
  wide.tensor->add_int32_data(200);
  EXPECT_EQ(wide.message(), "element 0 does not fit its type");
  Holder negative(1, {-2});
  EXPECT_EQ(negative.message().substr(0, 18), "impossible extents");
  Holder huge(1, {std::int64_t{1} << 40, std::int64_t{1} << 40});
  EXPECT_EQ(huge.message().substr(0, 18), "impossible extents");
  Holder large(1, {std::int64_t{1} << 40});  // would be 4 TiB: refused before it is allocated
  EXPECT_EQ(large.message(), "holds 0 of 1099511627776 elements");
  EXPECT_EQ(Holder(8, {1}).message(), "element type string is not supported");
  EXPECT_EQ(Holder(20, {1}).message(), "element type float8e5m2fnuz is not supported");
}

TEST(ElementTypesTest, nan_is_found_in_every_float_type) {
  const std::pair<int, std::string> nans[] = {{1, std::string("\0\0\xC0\x7F", 4)},
                                              {11, std::string("\0\0\0\0\0\0\xF8\xFF", 8)},
                                              {10, std::string("\x01\xFC", 2)},
                                              {16, std::string("\xC0\x7F", 2)},
                                              {17, "\xFF"},
                                              {19, "\x7D"}};
  for (const auto& [code, bytes] : nans) {
    Holder h(code, {2});
    h.tensor->set_raw_data(std::string(bytes.size(), '\0') + bytes);
    EXPECT_EQ(h.message(), "NaN weight at index 1") << code;
  }
}

}  // namespace
}  // namespace qsweep
