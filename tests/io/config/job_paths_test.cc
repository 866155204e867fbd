// Paths of a job: any name, as the kernel sees it, and back again; and where a job file may come
// from.
#include <filesystem>
#include <fstream>
#include <thread>

#include <gtest/gtest.h>
#include <sys/stat.h>

#include "src/base/error.h"

#include "io/config/job.h"

#include "tests/io/temp_dir.h"

namespace qsweep {
namespace {

using testing::error_text;
using testing::TempDir;

constexpr const char* kMinimal = R"(model: net.onnx
data:
  calibration: {format: cifar10, path: train.bin}
  evaluation: {format: cifar10, path: test.bin}
)";

JobConfig with_path(const std::string& value, const std::filesystem::path& file = "/jobs/j.yaml") {
  return parse_job(kMinimal, file, {"data.evaluation.path=" + value});
}

std::vector<std::string> names(const std::vector<std::filesystem::path>& paths) {
  std::vector<std::string> texts;
  for (const auto& path : paths) texts.push_back(path.string());
  return texts;
}

TEST(JobPathsTest, any_name_survives_the_composed_configuration) {
  for (const char* name : {"a,b",
                           "a, b",
                           " a ",
                           "a: b",
                           "- a",
                           "#a",
                           "'a'",
                           "\"a\"",
                           "a\\,b",
                           "a\\",
                           "~",
                           "null",
                           "7",
                           "[a]",
                           "{a}",
                           "*a",
                           "&a",
                           "!a",
                           "%a",
                           "@a",
                           "`a`",
                           "a\nb",
                           "a\tb",
                           "a\rb",
                           "a\x01"
                           "b",
                           "\xC3\xA9\xE2\x82\xAC\xF0\x9F\x90\x8D",
                           "\xC2\x85",
                           "\xE2\x80\xA8",
                           "a?b",
                           "a|b",
                           ">",
                           "<<"}) {
    const std::string path = std::string("/data/") + name;
    JobConfig job = with_path("[" + yaml_scalar(path) + "]");
    ASSERT_EQ(names(job.evaluation.paths), std::vector<std::string>{path});
    job.model = path;
    job.calibration.cache = path;
    job.calibration.paths = {path, "/other", path};
    EXPECT_EQ(parse_composed(to_yaml(job), "a message"), job) << to_yaml(job);
    EXPECT_EQ(parse_job(to_yaml(job), "/elsewhere/run_config.yaml"), job) << to_yaml(job);
  }
}

TEST(JobPathsTest, a_comma_separates_paths_unless_it_belongs_to_a_name) {
  const TempDir folder;
  folder.write("a,b/eval.bin", "x");
  folder.write("c.bin", "x");
  const auto file = folder.path() / "job.yaml";
  const auto paths = [&](const std::string& text) {
    std::vector<std::string> found;
    for (const auto& path : with_path(yaml_scalar(text), file).evaluation.paths) {
      found.push_back(path.lexically_relative(folder.path()).string());
    }
    return found;
  };
  using Names = std::vector<std::string>;
  EXPECT_EQ(paths("a,b/eval.bin"), (Names{"a,b/eval.bin"}));
  EXPECT_EQ(paths("a,b,c.bin"), (Names{"a,b", "c.bin"}));
  EXPECT_EQ(paths("c.bin, a,b"), (Names{"c.bin", "a,b"}));
  EXPECT_EQ(paths("x,y"), (Names{"x", "y"}));
  EXPECT_EQ(paths("x\\,y,z"), (Names{"x,y", "z"}));
  EXPECT_EQ(paths("x\\,y"), (Names{"x,y"}));
  EXPECT_EQ(paths("x\\y"), (Names{"x\\y"}));
  EXPECT_EQ(with_path("[\"x,y\", z]").evaluation.path_text(), "/jobs/x,y,/jobs/z");
}

TEST(JobPathsTest, names_that_are_not_utf8_are_refused) {
  EXPECT_EQ(error_text<Error>([] { static_cast<void>(yaml_scalar("a\xff")); }),
            "not UTF-8 text, which a job cannot hold [a\xff]. Rename the file.");
}

TEST(JobPathsTest, empty_paths_and_homes_are_refused) {
  const auto text = [](const std::string& path) {
    return error_text<Error>([&] { static_cast<void>(with_path(path)); });
  };
  EXPECT_EQ(text("[]"), "'data.evaluation.path' names no file [--set data.evaluation.path=[]]");
  EXPECT_EQ(text("a,,b"),
            "'data.evaluation.path' holds an empty path [--set data.evaluation.path=a,,b]");
  EXPECT_EQ(text("~/x.bin"),
            "'data.evaluation.path' must be a path without '~', which is not expanded here, got "
            "'~/x.bin' [--set data.evaluation.path=~/x.bin]. Write the path in full.");
}

TEST(JobPathsTest, dots_and_links_are_left_to_the_kernel) {
  const TempDir folder;
  folder.write("scratch/models/net.onnx", "right");
  folder.write("home/models/net.onnx", "wrong");
  folder.write("scratch/jobs/job.yaml", std::string(kMinimal) + "seed: 7\n");
  std::filesystem::create_symlink("../scratch/jobs", folder.path() / "home/jobs");
  const JobConfig job =
      load_job(folder.path() / "home/jobs/job.yaml", {"model=../models/net.onnx"});
  EXPECT_EQ(job.seed, 7u);
  EXPECT_TRUE(std::filesystem::equivalent(job.model, folder.path() / "scratch/models/net.onnx"));
  EXPECT_EQ(parse_composed(to_yaml(job), "a message").model, job.model);
}

TEST(JobPathsTest, a_pipe_is_a_job_file_whose_paths_start_here) {
  const TempDir folder;
  const auto pipe = folder.path() / "pipe";
  ASSERT_EQ(mkfifo(pipe.c_str(), 0600), 0);
  std::thread writer([&] { std::ofstream(pipe) << kMinimal; });
  const JobConfig job = load_job(pipe);
  writer.join();
  EXPECT_EQ(job.model, std::filesystem::current_path() / "net.onnx");
}

TEST(JobYamlTest, merge_keys_anchors_and_marks_are_read) {
  const JobConfig job = parse_job(
      "\xEF\xBB\xBF"
      "model: net.onnx\n"
      "data:\n"
      "  calibration: &set {format: cifar10, path: train.bin, images: 7}\n"
      "  evaluation: {<<: *set, path: test.bin}\n"
      "latency: {<<: [{batch: 2}, {batch: 3, iterations: 9}]}\n",
      "/jobs/job.yaml", {"data.evaluation.images=5"});
  EXPECT_EQ(job.evaluation.format, "cifar10");
  EXPECT_EQ(job.evaluation.path_text(), "/jobs/test.bin");
  EXPECT_EQ(job.evaluation.images, 5);
  EXPECT_EQ(job.calibration.images, 7);
  EXPECT_EQ(job.latency.batch, 2);
  EXPECT_EQ(job.latency.iterations, 9);
}

TEST(JobYamlTest, an_override_below_an_alias_leaves_the_other_places_alone) {
  const JobConfig job = parse_job(
      "model: net.onnx\n"
      "data:\n"
      "  calibration: &set {format: cifar10, path: all.bin, images: 7}\n"
      "  evaluation: *set\n",
      "/jobs/job.yaml", {"data.evaluation.path=test.bin"});
  EXPECT_EQ(job.evaluation.path_text(), "/jobs/test.bin");
  EXPECT_EQ(job.calibration.path_text(), "/jobs/all.bin");
}

}  // namespace
}  // namespace qsweep
