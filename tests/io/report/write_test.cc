#include <filesystem>
#include <map>
#include <memory>
#include <span>
#include <string>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "src/base/error.h"
#include "src/base/hash.h"

#include "io/fs/file_system.h"
#include "io/report/report.h"

#include "tests/io/report/concluded.h"
#include "tests/io/temp_dir.h"
#include "tests/support/faulty_file_system.h"

namespace qsweep {
namespace {

/// Files in memory; nothing of a group is replaced when asked to fail at its N-th file.
class MemoryFiles : public FileSystem {
 public:
  using FileSystem::replace;
  bool exists(const std::filesystem::path& path) override {
    return files.count(path.string()) != 0;
  }
  Bytes read(const std::filesystem::path& path) override {
    const auto found = files.find(path.string());
    if (found == files.end()) throw Error(ErrorCode::io, "no such file", path.string());
    const ByteView bytes = as_bytes(found->second);
    return {bytes.begin(), bytes.end()};
  }
  void create_directories(const std::filesystem::path&) override {}
  void replace(std::span<const NewFile> group) override {
    for (const NewFile& file : group) {
      files[file.path.string()] = std::string(as_text(file.contents));
      order.push_back(file.path.string());
    }
  }
  void check_replace(const std::filesystem::path&) override {}
  void check_create_directories(const std::filesystem::path&) override {}
  std::unique_ptr<AppendFile> open_append(const std::filesystem::path& path) override {
    throw Error(ErrorCode::io, "reports are never appended to", path.string());
  }
  void truncate(const std::filesystem::path& path, std::uint64_t) override {
    throw Error(ErrorCode::io, "reports are never truncated", path.string());
  }
  void remove(const std::filesystem::path& path) override { files.erase(path.string()); }
  std::uint64_t free_bytes(const std::filesystem::path&) override { return 0; }

  std::map<std::string, std::string> files;
  std::vector<std::string> order;
};

TEST(WriteReportsTest, writes_every_file_and_the_manifest_last) {
  MemoryFiles disk;
  write_reports(disk, "run", the_run(), its_conclusions(), {});
  for (const char* name :
       {"layer-sensitivity-report.md", "layer-sensitivity-report.json", "outputs/sweep_index.csv",
        "outputs/sweep_index.json", "outputs/failures.json", "outputs/per_class.csv",
        "outputs/confusion_float.csv", "outputs/confusion_222222222222.csv",
        "outputs/confusion_333333333333.csv", "calibration.json", "latency.csv", "pareto.csv",
        "pareto.json", "tradeoff.csv", "decision.json", "report.html", "manifest.json"}) {
    EXPECT_EQ(disk.files.count(std::string("run/") + name), 1U) << name;
  }
  EXPECT_EQ(disk.files.size(), 17U);
  EXPECT_EQ(disk.order.back(), "run/manifest.json");
}

TEST(WriteReportsTest, manifest_lists_each_file_with_its_digest) {
  MemoryFiles disk;
  disk.files["run/sweep.h5"] = "store";
  const std::vector<std::string> others = {"sweep.h5"};
  write_reports(disk, "run", the_run(), its_conclusions(), others);
  const auto manifest = nlohmann::json::parse(disk.files["run/manifest.json"]);
  EXPECT_EQ(manifest["files"].size(), 17U);
  for (const auto& file : manifest["files"]) {
    const std::string& text = disk.files["run/" + file["path"].get<std::string>()];
    EXPECT_EQ(file["sha256"], sha256_hex(std::string_view(text)));
    EXPECT_EQ(file["bytes"], text.size());
  }
}

TEST(WriteReportsTest, equal_results_give_equal_bytes) {
  MemoryFiles a, b;
  write_reports(a, "run", the_run(), its_conclusions(), {});
  RunResults other = small_run();
  other.ledger.ranks = 16;
  other.ledger.stage_seconds = {{"sweep", 123.0}};
  write_reports(b, "run", other, conclude(other), {});
  EXPECT_EQ(a.files, b.files);
}

std::map<std::string, std::string> files_in(const std::filesystem::path& folder) {
  std::map<std::string, std::string> files;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(folder)) {
    if (entry.is_regular_file())
      files[entry.path().lexically_relative(folder).string()] = testing::read_file(entry.path());
  }
  return files;
}

TEST(WriteReportsTest, every_failing_operation_is_one_error_and_leaves_the_old_files) {
  const testing::TempDir folder;
  RunResults other = the_run();
  other.metric = "another";
  folder.write("sweep.h5", "store");
  const std::vector<std::string> others = {"sweep.h5"};
  write_reports(real_file_system(), folder.path(), other, its_conclusions(), others);
  const auto old_files = files_in(folder.path());
  bool is_clean = false;
  for (int at = 1; !is_clean; ++at) {
    ASSERT_LT(at, 50);
    testing::FaultyFileSystem files(real_file_system(), testing::Fault::fails, at);
    const std::string text = testing::error_text<Error>(
        [&] { write_reports(files, folder.path(), the_run(), its_conclusions(), others); });
    is_clean = !files.has_broken();
    EXPECT_EQ(text.empty(), is_clean) << at;
    EXPECT_EQ(files_in(folder.path()) == old_files, !is_clean) << at;
  }
  EXPECT_EQ(files_in(folder.path()).size(), old_files.size());
}

TEST(WriteReportsTest, class_files_hold_counts_and_signed_change) {
  MemoryFiles disk;
  write_reports(disk, "run", the_run(), its_conclusions(), {});
  EXPECT_EQ(disk.files["run/outputs/confusion_float.csv"],
            "label,cat,\"dog, small\"\ncat,440,60\n\"dog, small\",40,460\n");
  EXPECT_NE(disk.files["run/outputs/per_class.csv"].find(
                "333333333333,W4A8 keep W8A8 top 1,1,\"dog, small\",0.92,0.92,0\n"),
            std::string::npos);
}

TEST(WriteReportsTest, index_json_agrees_with_the_csv) {
  MemoryFiles disk;
  write_reports(disk, "run", the_run(), its_conclusions(), {});
  const auto index = nlohmann::json::parse(disk.files["run/outputs/sweep_index.json"]);
  EXPECT_EQ(index["successes"].size(), 4U);
  ASSERT_EQ(index["failures"].size(), 1U);
  EXPECT_EQ(index["failures"][0]["reason"], "NaN in conv2, image 17");
  const auto failures = nlohmann::json::parse(disk.files["run/outputs/failures.json"]);
  EXPECT_EQ(failures["failures"], index["failures"]);
}

TEST(WriteReportsTest, empty_run_renders) {
  RunResults empty;
  MemoryFiles disk;
  write_reports(disk, "run", empty, conclude(empty), {});
  EXPECT_TRUE(disk.exists("run/report.html"));
  EXPECT_EQ(render_front_table(empty), "No scheme is on the front: none was evaluated.\n");
}

}  // namespace
}  // namespace qsweep
