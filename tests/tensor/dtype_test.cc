#include "src/tensor/dtype.h"

#include <set>
#include <string_view>

#include <gtest/gtest.h>

#include "src/base/error.h"

namespace qsweep {
namespace {

TEST(DTypeTest, sizes_and_kinds_follow_from_the_names) {
  std::set<std::string_view> names;
  for (int code = 0; code <= static_cast<int>(DType::boolean); ++code) {
    const auto dtype = static_cast<DType>(code);
    const std::string_view name = name_of(dtype);
    EXPECT_TRUE(names.insert(name).second) << name;
    const std::size_t digit = name.find_first_of("0123456789");
    const int bits =
        digit == std::string_view::npos ? 8 : std::stoi(std::string(name.substr(digit)));
    EXPECT_EQ(stored_bits(dtype), bits) << name;
    EXPECT_EQ(element_bytes(dtype), bits < 8 ? 1u : static_cast<std::size_t>(bits) / 8) << name;
    EXPECT_EQ(is_float(dtype), name.find("float") != std::string_view::npos) << name;
    EXPECT_EQ(is_integer(dtype), name.find("int") != std::string_view::npos) << name;
  }
  EXPECT_EQ(names.size(), 18u);
}

TEST(DTypeTest, code_that_is_no_type_is_an_internal_error) {
  EXPECT_THROW((void)element_bytes(static_cast<DType>(99)), Error);
}

}  // namespace
}  // namespace qsweep
