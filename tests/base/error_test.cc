#include "src/base/error.h"

#include <string>

#include <gtest/gtest.h>

namespace qsweep {
namespace {

TEST(ErrorTest, text_is_what_where_hint) {
  const Error error(ErrorCode::config, "unknown key 'familys'", "job.yaml:7",
                    "Did you mean 'families'?");
  EXPECT_STREQ(error.what(), "unknown key 'familys' [job.yaml:7]. Did you mean 'families'?");
  EXPECT_EQ(error.code(), ErrorCode::config);
  EXPECT_EQ(error.message(), "unknown key 'familys'");
  EXPECT_EQ(error.where(), "job.yaml:7");
  EXPECT_EQ(error.hint(), "Did you mean 'families'?");
}

TEST(ErrorTest, empty_parts_leave_no_marks) {
  EXPECT_STREQ(Error(ErrorCode::io, "the disk is full").what(), "the disk is full");
  EXPECT_STREQ(Error(ErrorCode::io, "the disk is full", "", "Free some space").what(),
               "the disk is full. Free some space.");
}

TEST(ErrorTest, each_code_has_its_name_and_the_exit_code_users_rely_on) {
  const struct {
    ErrorCode code;
    const char* name;
    int exit;
  } table[] = {
      {ErrorCode::usage, "usage", 2},
      {ErrorCode::config, "config", 2},
      {ErrorCode::unsupported, "unsupported", 3},
      {ErrorCode::corrupt_input, "corrupt_input", 3},
      {ErrorCode::numeric, "numeric", 3},
      {ErrorCode::mismatch, "mismatch", 3},
      {ErrorCode::not_found, "not_found", 3},
      {ErrorCode::io, "io", 4},
      {ErrorCode::resource, "resource", 4},
      {ErrorCode::interrupted, "interrupted", 75},
      {ErrorCode::internal, "internal", 70},
  };
  for (const auto& row : table) {
    EXPECT_EQ(name_of(row.code), row.name);
    EXPECT_EQ(exit_code(row.code), row.exit) << row.name;
  }
}

TEST(ErrorTest, failed_check_is_an_internal_error_that_names_the_expression) {
  EXPECT_NO_THROW(QSWEEP_CHECK(1 + 1 == 2));
  try {
    QSWEEP_CHECK(1 + 1 == 3);
    FAIL();
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), ErrorCode::internal);
    EXPECT_NE(e.message().find("1 + 1 == 3"), std::string::npos);
    EXPECT_NE(e.where().find("error_test.cc:"), std::string::npos);
  }
}

}  // namespace
}  // namespace qsweep
