// Every form of PNG and JPEG in pictures/forms/ against what Pillow makes of it (make_pictures.py).
#include <algorithm>
#include <cstdlib>
#include <filesystem>

#include <gtest/gtest.h>

#include "src/base/error.h"

#include "io/data/npy.h"
#include "io/data/picture.h"

#include "tests/io/temp_dir.h"

namespace qsweep {
namespace {

using testing::error_text;
using testing::read_file;

std::filesystem::path pictures() {
  return std::filesystem::path(std::getenv("QSWEEP_SOURCE_DIR")) / "tests/io/data/pictures";
}

/// The largest difference from the pixels expected.
int difference(const std::filesystem::path& path) {
  const std::string bytes = read_file(path);
  const Picture picture = decode_picture(as_bytes(bytes), path.filename().string());
  const Tensor want = read_npy(std::filesystem::path(path).replace_extension(".npy"));
  EXPECT_EQ(want.shape(), (Shape{picture.height, picture.width, 3})) << path;
  const auto values = want.data<std::uint8_t>();
  int largest = 0;
  for (std::size_t i = 0; i < values.size() && i < picture.rgb.size(); ++i)
    largest = std::max(largest, std::abs(int{picture.rgb[i]} - int{values[i]}));
  return largest;
}

TEST(PictureFormsTest, pixels_are_those_of_pillow) {
  int seen = 0;
  for (const auto& entry : std::filesystem::directory_iterator(pictures() / "forms")) {
    const std::string type = entry.path().extension().string();
    if (type == ".npy") continue;
    EXPECT_LE(difference(entry.path()), type == ".png" ? 0 : 1) << entry.path().filename();
    ++seen;
  }
  EXPECT_GE(seen, 40);
}

TEST(PictureFormsTest, a_picture_that_lacks_data_is_none) {
  const std::string whole = read_file(pictures() / "forms/stray.jpg");
  ASSERT_EQ(error_text<Error>([&] { (void)decode_picture(as_bytes(whole), "a.jpg"); }), "");
  const auto refused = [](const std::string& bytes) {
    const std::string text =
        error_text<Error>([&] { (void)decode_picture(as_bytes(bytes), "a.jpg"); });
    EXPECT_NE(text.find("not a sound JPEG"), std::string::npos) << text;
  };
  refused(whole.substr(0, whole.size() - 2));               // no end
  refused(whole.substr(0, whole.size() / 2) + "\xFF\xD9");  // an end too early
  const std::size_t marker = whole.find("\xFF\xD0");
  ASSERT_NE(marker, std::string::npos);
  refused(whole.substr(0, marker) + whole.substr(marker + 2));  // a restart marker is missing
}

TEST(PictureFormsTest, masks_of_16_bits_and_with_alpha_are_labels) {
  const Tensor npy = read_npy(pictures() / "mask.npy");
  const auto want = npy.data<std::uint8_t>();
  for (const char* name : {"mask16.png", "mask16_interlaced.png", "mask_alpha.png"}) {
    const std::string bytes = read_file(pictures() / name);
    const Mask mask = decode_mask(as_bytes(bytes), name);
    ASSERT_EQ(mask.labels.size(), want.size()) << name;
    EXPECT_TRUE(std::ranges::equal(mask.labels, want)) << name;
  }
  const std::string large = read_file(pictures() / "mask16_large.png");
  EXPECT_EQ(error_text<Error>([&] { (void)decode_mask(as_bytes(large), "m.png"); }),
            "the mask has 16 bits and holds class 65535, more than 255 [m.png]. Number the classes "
            "0 to 254, and 255 for none.");
}

TEST(PictureFormsTest, extents_beyond_the_limit_are_named) {
  const std::string jpeg = read_file(pictures() / "picture.jpg");
  const std::size_t frame = jpeg.find("\xFF\xC0");
  ASSERT_NE(frame, std::string::npos);
  std::string wide = jpeg;
  wide.replace(frame + 5, 4, "\xF0\x01\xF0\x02");
  EXPECT_EQ(error_text<Error>([&] { (void)decode_picture(as_bytes(wide), "big.jpg"); }),
            "the picture claims to be 61442 x 61441 pixels, more than 250 megapixels [big.jpg]. "
            "Scale it down if that is true.");
}

}  // namespace
}  // namespace qsweep
