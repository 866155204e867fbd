// Every key of the job is listed with its value, whatever kind of value it has.
#include <algorithm>
#include <charconv>
#include <map>
#include <set>
#include <string>
#include <vector>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "src/base/text.h"

#include "io/config/job.h"

#include "tests/io/config/complete_job.h"

namespace qsweep {
namespace {

using testing::kCompleteJob;

JobConfig job(const std::vector<std::string>& overrides = {}) {
  return parse_job(kCompleteJob, "/jobs/job.yaml", overrides);
}

/// `sweep.families.0.k` as the reference writes it: `sweep.families[].k`.
std::string without_index(std::string key) {
  const std::size_t index = key.find(".0.");
  return index == std::string::npos ? key : key.replace(index, 2, "[]");
}

std::string changed_number(const std::string& value) {
  double number = 0;
  std::from_chars(value.data(), value.data() + value.size(), number);
  return fmt::format("{}", number == 0 ? 0.5 : number * 0.99);
}

/// Another value of the kind that `type` describes; empty where there is none.
std::string changed(const std::string& type, const std::string& value) {
  constexpr std::string_view kList = "list of ";
  if (type.starts_with(kList)) {
    const std::string first = value.substr(1, value.find_first_of(",]") - 1);
    return "[" + changed(type.substr(kList.size()), first) + "]";
  }
  if (type.starts_with("integer")) {
    std::int64_t number = 0;
    std::from_chars(value.data(), value.data() + value.size(), number);
    return std::to_string(number + 1);
  }
  if (type.starts_with("number")) return changed_number(value);
  if (type == "path, or a list of them") return "[other]";
  if (type.starts_with("path") || type == "text") return "other";
  if (type == "precision") return "W8A16";
  for (const std::string& name : split(type, '|')) {
    const std::string choice(trim(name));
    if (choice != value) return choice;
  }
  return {};
}

const std::map<std::string, std::string> kOwnKinds = {
    {"input.resize.size", "[64, 64]"},
    {"shapes", "{input: [1, 3, 64, 64]}"},
    {"quantization.bins", "256"},
    {"quantization.preset", "INT8_WEIGHT_ONLY_CFG"},
    {"quantization.rules", "{conv1: {num_bits: 4}}"},
    {"sweep.families.0.k", "every"},
};
// Has one value so far.
constexpr const char* kFixed = "sweep.search.method";

TEST(JobValuesTest, a_changed_key_changes_its_own_value_and_no_other) {
  std::map<std::string, std::string> types;
  for (const JobKey& key : job_reference()) types[key.path] = key.type;
  const std::vector<JobValue> before = job_values(job());
  for (const JobValue& value : before) {
    if (value.key == kFixed) continue;
    ASSERT_TRUE(types.contains(without_index(value.key))) << value.key;
    const auto own = kOwnKinds.find(value.key);
    const std::string other = own != kOwnKinds.end()
                                  ? own->second
                                  : changed(types.at(without_index(value.key)), value.value);
    const std::string override_text = value.key + "=" + other;
    const std::vector<JobValue> after = job_values(job({override_text}));
    ASSERT_EQ(after.size(), before.size()) << override_text;
    for (std::size_t i = 0; i < after.size(); ++i) {
      EXPECT_EQ(after[i].key, before[i].key) << override_text;
      EXPECT_EQ(after[i].value != before[i].value, after[i].key == value.key)
          << override_text << " and " << after[i].key << " is " << after[i].value;
    }
  }
}

TEST(JobValuesTest, every_key_of_the_reference_is_listed_in_its_order) {
  std::vector<std::string> listed, known;
  for (const JobValue& value : job_values(job())) listed.push_back(without_index(value.key));
  for (const JobKey& key : job_reference()) {
    if (key.path != "latency.roofline") known.push_back(key.path);  // sets source and device
  }
  EXPECT_EQ(listed, known);
}

TEST(JobValuesTest, values_are_one_line_and_defaults_are_given) {
  std::map<std::string, std::string> values;
  for (const JobValue& value : job_values(JobConfig{})) {
    EXPECT_EQ(value.value.find('\n'), std::string::npos) << value.key;
    values[value.key] = value.value;
  }
  EXPECT_EQ(values.at("seed"), "42");
  EXPECT_EQ(values.at("input.mean"), "[0, 0, 0]");
  EXPECT_EQ(values.at("input.resize.mode"), "~");
  EXPECT_EQ(values.at("input.resize.pad"), "~");
  EXPECT_EQ(values.at("quantization.preset"), "~");
  EXPECT_EQ(values.at("quantization.smoothquant_alpha"), "0.5");
  for (const JobValue& value : job_values(job())) values[value.key] = value.value;
  EXPECT_EQ(values.at("quantization.rules"), "[{conv1: {num_bits: 8, axis: ~}}]");
  EXPECT_EQ(values.at("sweep.families.0.k"), "[1, all]");
}

TEST(JobValuesTest, a_resize_changes_statistics_and_a_path_nothing) {
  std::map<std::string, Decides> decides;
  for (const JobValue& value : job_values(job())) decides[value.key] = value.decides;
  for (const char* key : {"input.color", "input.resize.size", "input.resize.pad", "shapes", "batch",
                          "seed", "data.calibration.format", "data.calibration.images"}) {
    EXPECT_EQ(decides.at(key), Decides::statistics) << key;
  }
  for (const char* key : {"quantization.bins", "quantization.algorithm",
                          "quantization.smoothquant_alpha", "quantization.weights.axis"}) {
    EXPECT_EQ(decides.at(key), Decides::schemes) << key;
  }
  for (const char* key : {"task", "head.nms_iou", "data.evaluation.shard"}) {
    EXPECT_EQ(decides.at(key), Decides::outcomes) << key;
  }
  for (const char* key : {"latency.batch", "latency.iterations", "latency.warmup_ms"}) {
    EXPECT_EQ(decides.at(key), Decides::latency) << key;
  }
  for (const char* key : {"model", "data.calibration.path", "data.calibration.cache",
                          "quantization.preset", "sweep.schemes", "latency.table"}) {
    EXPECT_EQ(decides.at(key), Decides::nothing) << key;
  }
}

}  // namespace
}  // namespace qsweep
