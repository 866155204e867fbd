// Files that are cut short, written to or replaced while a data set is open: errors that name them.
#include <chrono>
#include <filesystem>
#include <functional>
#include <thread>

#include <gtest/gtest.h>

#include "src/base/error.h"

#include "io/data/picture.h"
#include "io/data/segmentation_data.h"

#include "tests/io/temp_dir.h"

namespace qsweep {
namespace {

using testing::error_text;

/// The clock of file systems ticks every few milliseconds.
void wait_a_tick() {
  std::this_thread::sleep_for(std::chrono::milliseconds(20));
}

std::string png(std::uint8_t value) {
  return std::string(as_text(encode_png({8, 8, std::vector<std::uint8_t>(192, value)})));
}

class ChangedFilesTest : public ::testing::Test {
 protected:
  void SetUp() override { input_.resize = ResizeSpec{.mode = "stretch", .size = {8, 8}}; }

  /// What reading the second sample says after `change`.
  std::string after(const Dataset& data, const std::function<void()>& change) {
    EXPECT_EQ(data.images(second_).dim(0), 1);
    wait_a_tick();
    change();
    return error_text<Error>([&] { (void)data.images(second_); });
  }
  std::string changed(const std::filesystem::path& path, const std::string& how) const {
    return "the data file has changed since it was opened: " + how + " [" + path.string() +
           "]. Leave data alone while a run is on, then start it again.";
  }

  const std::vector<std::int64_t> second_ = {1};
  testing::TempDir folder_;
  InputSpec input_;
};

TEST_F(ChangedFilesTest, records) {
  const std::string records(3 * 3073, '\3');
  const auto path = folder_.write("eval.bin", records);
  const auto open = [&] { return open_dataset({"cifar10", {path}}, {}); };
  EXPECT_EQ(after(*open(), [&] { std::filesystem::resize_file(path, 3073); }),
            changed(path, "it has 3073 bytes, it had 9219"));
  folder_.write("eval.bin", records);
  EXPECT_EQ(after(*open(), [&] { folder_.write("eval.bin", std::string(3 * 3073, '\4')); }),
            changed(path, "it was written to"));
  folder_.write("eval.bin", records);
  EXPECT_EQ(after(*open(), [&] { folder_.write("eval.bin", records + records); }),
            changed(path, "it has 18438 bytes, it had 9219"));
  folder_.write("eval.bin", records);
  EXPECT_EQ(after(*open(), [&] { std::filesystem::rename(folder_.write("new", "x"), path); }), "")
      << "what was opened is still there";
}

TEST_F(ChangedFilesTest, pictures_and_masks) {
  for (const char* name : {"a", "b"}) {
    folder_.write("i/" + std::string(name) + ".png", png(50));
    folder_.write("m/" + std::string(name) + ".png", png(50));
  }
  const auto path = folder_.path() / "i/b.png";
  const auto open = [&] {
    return open_dataset({"masks", {folder_.path() / "i", folder_.path() / "m"}}, input_);
  };
  const auto read = [&](const Dataset& data) {
    return error_text<Error>([&] { (void)data.images(second_); });
  };
  auto data = open();
  (void)data->digest(second_);
  folder_.write("i/b.png", png(60));
  EXPECT_EQ(read(*data), changed(path, "it holds other bytes"));
  EXPECT_EQ(read(*data), changed(path, "it holds other bytes")) << "as often as it is asked";
  folder_.write("i/b.png", png(50));
  EXPECT_EQ(read(*data), "") << "the same bytes, written anew";

  data = open();
  (void)data->digest(second_);
  std::filesystem::resize_file(path, 20);
  EXPECT_EQ(read(*data), changed(path, "it holds other bytes"));
  std::filesystem::remove(path);
  EXPECT_NE(read(*data).find("cannot read the data file"), std::string::npos);
  folder_.write("m/b.png", png(60));
  EXPECT_EQ(error_text<Error>([&] { (void)dynamic_cast<const SegmentationData&>(*data).mask(1); }),
            changed(folder_.path() / "m/b.png", "it holds other bytes"));
}

}  // namespace
}  // namespace qsweep
