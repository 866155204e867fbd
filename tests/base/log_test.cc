#include "src/base/log.h"

#include <filesystem>
#include <fstream>
#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "src/base/error.h"
#include "src/base/text.h"

namespace qsweep {
namespace {

std::vector<std::string> lines_of(const std::filesystem::path& path) {
  std::ifstream in(path);
  std::vector<std::string> lines;
  for (std::string line; std::getline(in, line);) lines.push_back(line);
  return lines;
}

std::filesystem::path fresh_file(const std::string& name) {
  const auto path = std::filesystem::path(testing::TempDir()) / name;
  std::filesystem::remove(path);
  return path;
}

TEST(LogTest, stderr_shows_warnings_and_errors_only_by_default) {
  testing::internal::CaptureStderr();
  log_info("calibrating");
  log_warning("layer 'conv1' has no {} weights");
  log(LogLevel::error, "the disk is full");
  EXPECT_EQ(testing::internal::GetCapturedStderr(),
            "qsweep: warning: layer 'conv1' has no {} weights\n"
            "qsweep: error: the disk is full\n");
}

TEST(LogTest, stderr_level_can_be_lowered) {
  set_log_stderr(LogLevel::info);
  testing::internal::CaptureStderr();
  log_debug("hidden");
  log_info("calibrating");
  EXPECT_EQ(testing::internal::GetCapturedStderr(), "qsweep: calibrating\n");
  set_log_stderr(LogLevel::warning);
}

TEST(LogTest, file_lines_carry_date_rank_and_level_and_all_levels) {
  const auto path = fresh_file("qsweep_log_levels.log");
  open_log_file(path, 3);
  log_debug("a");
  log_info("b {}");
  const auto lines = lines_of(path);
  ASSERT_EQ(lines.size(), 2u);
  const std::string date =
      "[0-9][0-9][0-9][0-9]-[0-1][0-9]-[0-3][0-9]T[0-2][0-9]:*.[0-9][0-9][0-9]";
  EXPECT_TRUE(glob_match(date + " rank 3 debug: a", lines[0])) << lines[0];
  EXPECT_TRUE(glob_match(date + " rank 3 info: b {}", lines[1])) << lines[1];
}

TEST(LogTest, reopening_appends_so_that_a_resumed_run_keeps_its_history) {
  const auto path = fresh_file("qsweep_log_append.log");
  open_log_file(path, 0);
  log_info("first");
  open_log_file(path, 0);
  log_info("second");
  EXPECT_EQ(lines_of(path).size(), 2u);
}

TEST(LogTest, lines_of_several_threads_do_not_mix) {
  const auto path = fresh_file("qsweep_log_threads.log");
  open_log_file(path, 0);
  {
    std::vector<std::jthread> threads;
    for (int t = 0; t < 4; ++t) {
      threads.emplace_back([] {
        for (int i = 0; i < 250; ++i) log_info("one whole line");
      });
    }
  }
  const auto lines = lines_of(path);
  EXPECT_EQ(lines.size(), 1000u);
  for (const auto& line : lines) EXPECT_TRUE(line.ends_with("rank 0 info: one whole line")) << line;
}

TEST(LogTest, unwritable_file_is_an_io_error_that_names_it) {
  try {
    open_log_file("/proc/qsweep.log", 0);
    FAIL();
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), ErrorCode::io);
    EXPECT_EQ(e.where(), "/proc/qsweep.log");
  }
}

}  // namespace
}  // namespace qsweep
