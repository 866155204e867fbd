// Every number of the job file at its limits and beyond them: the table of keys is the list of
// cases.
#include <cctype>
#include <charconv>
#include <optional>
#include <string>
#include <vector>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "src/base/error.h"

#include "io/config/job.h"

#include "tests/io/config/complete_job.h"
#include "tests/io/temp_dir.h"

namespace qsweep {
namespace {

using testing::error_text;
using testing::kCompleteJob;

struct Limits {
  std::string key, range;
  std::uint64_t lowest = 0, highest = 0;
};

/// The keys whose values are integers, or lists of them.
std::vector<Limits> integer_keys() {
  std::vector<Limits> all;
  for (const JobKey& key : job_reference()) {
    const std::size_t at = key.type.find("integer, from ");
    if (at == std::string::npos) continue;
    Limits limits{.key = key.path, .range = key.type.substr(at)};
    if (const std::size_t list = limits.key.find("[]"); list != std::string::npos) {
      limits.key.replace(list, 2, ".0");
    }
    const std::size_t to = limits.range.find(" to ");
    const auto number = [&](std::size_t from, std::uint64_t& value) {
      std::from_chars(limits.range.data() + from, limits.range.data() + limits.range.size(), value);
    };
    number(14, limits.lowest);
    number(to + 4, limits.highest);
    all.push_back(limits);
  }
  return all;
}

std::string message(const std::string& override_text) {
  return error_text<Error>(
      [&] { static_cast<void>(parse_job(kCompleteJob, "job.yaml", {override_text})); });
}

TEST(JobLimitsTest, integers_are_taken_at_their_limits_and_refused_beyond_by_name) {
  const std::vector<Limits> keys = integer_keys();
  EXPECT_GE(keys.size(), 15u);
  for (const Limits& key : keys) {
    EXPECT_LT(key.lowest, key.highest) << key.key;
    for (const std::uint64_t good : {key.lowest, key.highest}) {
      EXPECT_NO_THROW(static_cast<void>(
          parse_job(kCompleteJob, "job.yaml", {fmt::format("{}={}", key.key, good)})))
          << key.key << " = " << good;
    }
    std::vector<std::string> wrong = {"-1",
                                      "1.5",
                                      "nan",
                                      ".inf",
                                      "0x10",
                                      "true",
                                      "1e3",
                                      "'1 2'",
                                      "''",
                                      "1_000",
                                      "9223372036854775808",
                                      "99999999999999999999999"};
    if (key.highest == std::numeric_limits<std::uint64_t>::max()) {
      std::erase(wrong, "9223372036854775808");
    } else {
      wrong.push_back(std::to_string(key.highest + 1));
    }
    if (key.lowest > 0) wrong.push_back(std::to_string(key.lowest - 1));
    for (const std::string& value : wrong) {
      const std::string text = message(key.key + "=" + value);
      EXPECT_TRUE(text.starts_with("'" + key.key)) << text;
      EXPECT_NE(text.find("must be an " + key.range), std::string::npos) << text;
    }
  }
}

TEST(JobLimitsTest, numbers_are_finite_and_in_their_range) {
  int keys = 0;
  for (const JobKey& key : job_reference()) {
    const std::size_t at = key.type.find("number, ");
    if (at == std::string::npos) continue;
    ++keys;
    for (const char* value :
         {"nan", "inf", "-inf", ".nan", "1e400", "-1e31", "0x1p3", "true", "''", "1,5"}) {
      const std::string text = message(key.path + "=" + value);
      EXPECT_TRUE(text.starts_with("'" + key.path)) << text;
      EXPECT_NE(text.find("must be a " + key.type.substr(at)), std::string::npos) << text;
    }
  }
  EXPECT_GE(keys, 7);
}

struct Number {
  const char* key;
  std::vector<const char*> good, bad;
};

TEST(JobLimitsTest, numbers_at_their_limits) {
  for (const Number& number : {
           Number{"input.scale", {"1e-30", "1e30", "255"}, {"0", "-5", "1e-31", "1.1e30"}},
           Number{"input.std", {"1e-30", "[1, 2, 3]"}, {"0", "-1", "[1, 0, 1]"}},
           Number{"input.mean", {"-1e30", "[0, -1, 1]"}, {"1.1e30"}},
           Number{"quantization.percentile", {"50.1", "100"}, {"50", "100.001", "300"}},
           Number{
               "quantization.smoothquant_alpha", {"0", "1", "auto"}, {"-0.1", "1.1", "automatic"}},
           Number{"quantization.bins", {"128", "256", "4096"}, {"77", "127", "129", "8192", "1e3"}},
           Number{"sweep.confidence", {"0.001", "0.999"}, {"0", "1", "95"}},
           Number{"head.confidence", {"0.001"}, {"0", "1"}},
           Number{"head.nms_iou", {"0.999"}, {"0", "1"}},
           Number{"latency.warmup_ms", {"0", "3600000"}, {"-1", "3600001"}},
       }) {
    for (const char* value : number.good) {
      const std::string text = std::string(number.key) + "=" + value;
      EXPECT_NO_THROW(static_cast<void>(parse_job(kCompleteJob, "job.yaml", {text}))) << text;
    }
    for (const char* value : number.bad) {
      const std::string text = message(std::string(number.key) + "=" + value);
      EXPECT_TRUE(text.starts_with("'" + std::string(number.key))) << text;
      EXPECT_NE(text.find("must be a"), std::string::npos) << text;
    }
  }
}

TEST(JobLimitsTest, words_are_told_what_is_known) {
  int keys = 0;
  for (const JobKey& key : job_reference()) {
    if (key.type.find(" | ") == std::string::npos || key.type == "true | false") continue;
    ++keys;
    const std::string text = message(key.path + "=xyzzy");
    EXPECT_TRUE(text.starts_with("'" + key.path)) << text;
    EXPECT_NE(text.find("must be one of "), std::string::npos) << text;
  }
  EXPECT_GE(keys, 15);
}

}  // namespace
}  // namespace qsweep
