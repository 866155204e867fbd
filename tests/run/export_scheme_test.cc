#include "sweep/run/export_scheme.h"

#include <array>
#include <map>
#include <string>

#include <gtest/gtest.h>

#include "src/base/error.h"

#include "io/fs/file_system.h"

#include "tests/io/temp_dir.h"
#include "tests/support/faulty_file_system.h"

namespace qsweep {
namespace {

namespace fs = std::filesystem;
using testing::FaultyFileSystem;
using testing::TempDir;

Bytes bytes_of(const std::string& text) {
  const ByteView view = as_bytes(text);
  return {view.begin(), view.end()};
}

/// An export with all that one can have, its contents marked by `text`.
SchemeFile scheme_file(const std::string& text) {
  SchemeFile file;
  file.model.bytes = bytes_of(text);
  file.model.external = bytes_of(text + " external");
  file.scripts.emplace();
  file.scripts->scripts = {{"build.sh", text + " script"}};
  file.scripts->float_model.bytes = bytes_of(text + " float");
  const std::array<float, 2> values = {static_cast<float>(text.size()), 1.0f};
  file.scripts->calibration = Tensor::of<float>(DType::f32, {2}, values);
  return file;
}

std::map<std::string, std::string> files_in(const fs::path& folder) {
  std::map<std::string, std::string> files;
  for (const auto& entry : fs::recursive_directory_iterator(folder)) {
    if (entry.is_regular_file())
      files[entry.path().lexically_relative(folder).string()] = testing::read_file(entry.path());
  }
  return files;
}

TEST(WriteSchemeFileTest, every_failing_operation_is_one_error_and_leaves_the_old_export) {
  const TempDir folder;
  const ExportPlaces places{.model = folder.path() / "x.onnx",
                            .scripts = folder.path() / "scripts"};
  write_scheme_file(real_file_system(), scheme_file("an old one"), places);
  const auto old_files = files_in(folder.path());
  EXPECT_EQ(old_files.size(), 5u);
  EXPECT_EQ(old_files.at("x.onnx.data"), "an old one external");
  bool is_clean = false;
  for (int at = 1; !is_clean; ++at) {
    ASSERT_LT(at, 20);
    FaultyFileSystem files(real_file_system(), testing::Fault::fails, at);
    const std::string text =
        testing::error_text<Error>([&] { write_scheme_file(files, scheme_file("new"), places); });
    is_clean = !files.has_broken();
    EXPECT_EQ(text.empty(), is_clean) << at;
    EXPECT_EQ(files_in(folder.path()) == old_files, !is_clean) << at;
  }
  EXPECT_EQ(files_in(folder.path()).at("x.onnx"), "new");
}

TEST(SchemeFilePlacesTest, are_the_files_that_are_written) {
  const TempDir folder;
  const ExportPlaces places{.model = folder.path() / "x.onnx",
                            .scripts = folder.path() / "scripts"};
  write_scheme_file(real_file_system(), scheme_file("x"), places);
  for (const fs::path& path : scheme_file_places(places, {.external_data = true}))
    EXPECT_TRUE(fs::exists(path)) << path;
}

TEST(SchemeFilePlacesTest, external_data_lies_beside_the_file_that_a_link_leads_to) {
  const TempDir folder;
  fs::create_directory(folder.path() / "far");
  fs::create_symlink("far/y.onnx", folder.path() / "x.onnx");
  const ExportPlaces places{.model = folder.path() / "x.onnx", .scripts = {}};
  EXPECT_EQ(external_place(places), folder.path() / "far" / "x.onnx.data");
}

}  // namespace
}  // namespace qsweep
