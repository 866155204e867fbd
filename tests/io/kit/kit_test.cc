#include "io/kit/kit.h"

#include <cstdlib>
#include <map>

#include <gtest/gtest.h>

#include "tests/io/temp_dir.h"

namespace qsweep {
namespace {

std::map<std::string, std::string> folder_of(bool open_batch) {
  Kit kit;
  kit.model = "m";
  kit.input = "in put";
  kit.image = {1, 3, 4, 5};
  kit.open_batch = open_batch;
  kit.batch = 2;
  kit.models.push_back({"abc", "*=W8A8", Bytes(3), {Bytes(1), Bytes(2)}, true});
  std::map<std::string, std::string> folder;
  for (const KitFile& file : kit_files(std::move(kit)))
    folder.emplace(file.path, std::string(as_text(file.contents)));
  return folder;
}

TEST(KitTest, holds_what_a_device_needs) {
  const auto folder = folder_of(true);
  for (const char* name :
       {"README.md", "images.npy", "kit.json", "measure.py", "measure_trtexec.sh",
        "models/abc.onnx", "predictions/abc-0.npy", "predictions/abc-1.npy"})
    EXPECT_TRUE(folder.contains(name)) << name;
  EXPECT_NE(folder.at("kit.json").find("\"scheme\": \"*=W8A8\""), std::string::npos);
  EXPECT_NE(folder.at("kit.json").find("\"profile\": true"), std::string::npos);
}

TEST(KitTest, tensorrt_is_told_the_shape_where_the_files_leave_it_open) {
  EXPECT_NE(folder_of(true).at("measure_trtexec.sh").find("\"--shapes=in put:2x3x4x5\""),
            std::string::npos);
  const std::string fixed = folder_of(false).at("measure_trtexec.sh");
  EXPECT_EQ(fixed.find("--shapes"), std::string::npos);
  EXPECT_EQ(fixed.find("@SHAPES@"), std::string::npos);
}

TEST(KitTest, the_shell_script_is_sound) {
  const testing::TempDir folder;
  for (const bool open_batch : {false, true}) {
    const auto script = folder.write("measure.sh", folder_of(open_batch).at("measure_trtexec.sh"));
    EXPECT_EQ(std::system(("bash -n " + script.string()).c_str()), 0);
  }
}

}  // namespace
}  // namespace qsweep
