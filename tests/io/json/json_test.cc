#include "io/json/json.h"

#include <limits>

#include <gtest/gtest.h>

namespace qsweep {
namespace {

TEST(JsonTest, braces_make_objects_of_pairs_and_arrays_of_everything_else) {
  const std::string name = "b";
  const Json json{{"z", 1}, {name, {2, 3}}, {"nested", {{"x", "text"}, {"y", nullptr}}}};
  EXPECT_EQ(json.text(),
            "{\n  \"z\": 1,\n  \"b\": [\n    2,\n    3\n  ],\n  \"nested\": {\n    \"x\": "
            "\"text\",\n    \"y\": null\n  }\n}\n");
  EXPECT_EQ(Json::array().text(), "[]\n");
  EXPECT_EQ(Json::object().text(), "{}\n");
  EXPECT_EQ(Json{"one"}.text(), "[\n  \"one\"\n]\n");
}

TEST(JsonTest, numbers_keep_their_kind_and_what_is_no_number_is_null) {
  EXPECT_EQ(Json(std::numeric_limits<std::int64_t>::min()).text(), "-9223372036854775808\n");
  EXPECT_EQ(Json(std::numeric_limits<std::uint64_t>::max()).text(), "18446744073709551615\n");
  EXPECT_EQ(Json(0.1).text(), "0.1\n");
  EXPECT_EQ(Json(1.0).text(), "1.0\n");
  EXPECT_EQ(Json(true).text(), "true\n");
  EXPECT_EQ(Json(std::numeric_limits<double>::quiet_NaN()).text(), "null\n");
  EXPECT_EQ(Json(-std::numeric_limits<double>::infinity()).text(), "null\n");
}

TEST(JsonTest, members_keep_their_order_and_are_replaced_in_place) {
  Json json;
  json["z"] = 1;
  json["a"] = std::vector<std::string>{"x"};
  json["z"] = 2;
  json.update({{"a", 3}, {"m", std::map<std::string, int>{{"k", 4}}}});
  EXPECT_EQ(json.text(), "{\n  \"z\": 2,\n  \"a\": 3,\n  \"m\": {\n    \"k\": 4\n  }\n}\n");
  Json list = Json::array();
  list.push_back({{"n", 1}});
  list.back()["more"] = false;
  EXPECT_EQ(list.text(), "[\n  {\n    \"n\": 1,\n    \"more\": false\n  }\n]\n");
}

TEST(JsonTest, text_is_escaped_and_bytes_that_are_not_utf8_are_replaced) {
  EXPECT_EQ(Json("a\"\n\xff").text(), "\"a\\\"\\n\xEF\xBF\xBD\"\n");
  EXPECT_EQ(Json::verbatim("{\"q\": [1]}").text(), "{\n  \"q\": [\n    1\n  ]\n}\n");
}

}  // namespace
}  // namespace qsweep
