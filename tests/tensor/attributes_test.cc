#include "src/tensor/attributes.h"

#include <gtest/gtest.h>

namespace qsweep {
namespace {

Attributes sample() {
  Attributes attributes;
  attributes.set("group", std::int64_t{4});
  attributes.set("alpha", 0.5f);
  attributes.set("auto_pad", std::string("SAME_UPPER"));
  attributes.set("strides", std::vector<std::int64_t>{2, 2});
  attributes.set("scales", std::vector<float>{1.0f, 2.0f});
  attributes.set("names", std::vector<std::string>{"a", "b"});
  attributes.set("value", Tensor(DType::i64, {3}));
  return attributes;
}

TEST(AttributesTest, gives_each_type_back) {
  const Attributes attributes = sample();
  EXPECT_EQ(attributes.i("group", 1), 4);
  EXPECT_EQ(attributes.f("alpha", 1.0f), 0.5f);
  EXPECT_EQ(attributes.s("auto_pad", "NOTSET"), "SAME_UPPER");
  EXPECT_EQ(attributes.ints("strides"), (std::vector<std::int64_t>{2, 2}));
  EXPECT_EQ(attributes.floats("scales"), (std::vector<float>{1.0f, 2.0f}));
  EXPECT_EQ(attributes.strings("names"), (std::vector<std::string>{"a", "b"}));
  ASSERT_NE(attributes.tensor("value"), nullptr);
  EXPECT_EQ(attributes.tensor("value")->shape(), Shape{3});
  EXPECT_EQ(attributes.all().size(), 7u);
}

TEST(AttributesTest, absent_ones_have_their_fallback) {
  Attributes attributes = sample();
  attributes.erase("group");
  EXPECT_FALSE(attributes.has("group"));
  EXPECT_EQ(attributes.i("group", 1), 1);
  EXPECT_EQ(attributes.f("beta", 1.5f), 1.5f);
  EXPECT_EQ(attributes.s("mode", "constant"), "constant");
  EXPECT_EQ(attributes.ints("pads", {0, 0}), (std::vector<std::int64_t>{0, 0}));
  EXPECT_TRUE(attributes.ints("axes").empty());
  EXPECT_TRUE(attributes.floats("none").empty());
  EXPECT_TRUE(attributes.strings("none").empty());
  EXPECT_EQ(attributes.tensor("none"), nullptr);
}

TEST(AttributesTest, another_type_is_corrupt_input_that_names_the_attribute) {
  try {
    (void)sample().i("strides", 1);
    FAIL();
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), ErrorCode::corrupt_input);
    EXPECT_NE(e.message().find("'strides'"), std::string::npos);
  }
  EXPECT_THROW((void)sample().tensor("group"), Error);
}

}  // namespace
}  // namespace qsweep
