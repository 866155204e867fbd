#include "io/data/picture.h"

#include <cmath>
#include <cstdlib>
#include <fstream>
#include <sstream>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "src/base/error.h"

#include "io/data/npy.h"

#include "tests/io/temp_dir.h"

namespace qsweep {
namespace {

using testing::error_text;

std::string file(const std::string& name) {
  return std::string(std::getenv("QSWEEP_SOURCE_DIR")) + "/tests/io/data/pictures/" + name;
}

std::string contents(const std::string& name) {
  std::ifstream in(file(name), std::ios::binary);
  std::ostringstream text;
  text << in.rdbuf();
  return text.str();
}

Picture decoded(const std::string& name) {
  const std::string bytes = contents(name);
  return decode_picture(as_bytes(bytes), name);
}

TEST(EncodePngTest, is_decoded_to_the_same_pixels) {
  const Picture picture = decoded("picture.png");
  const Bytes png = encode_png(picture);
  const Picture again = decode_picture(png, "again.png");
  EXPECT_EQ(again.width, picture.width);
  EXPECT_EQ(again.height, picture.height);
  EXPECT_EQ(again.rgb, picture.rgb);
}

struct Difference {
  int largest = 0;
  double share = 0.0;  ///< of values that differ at all
};

/// Against what OpenCV made of the same picture (make_pictures.py).
Difference against(const Picture& picture, const std::string& expected) {
  const Tensor npy = read_npy(file(expected));
  EXPECT_EQ(npy.shape(), (Shape{picture.height, picture.width, 3})) << expected;
  Difference d;
  const auto want = npy.data<std::uint8_t>();
  std::size_t differing = 0;
  for (std::size_t i = 0; i < want.size() && i < picture.rgb.size(); ++i) {
    const int difference = std::abs(int{picture.rgb[i]} - int{want[i]});
    d.largest = std::max(d.largest, difference);
    differing += difference > 0 ? 1 : 0;
  }
  d.share = static_cast<double>(differing) / static_cast<double>(want.size());
  return d;
}

TEST(PictureTest, decodes_what_opencv_decodes) {
  EXPECT_EQ(against(decoded("picture.png"), "picture_png.npy").largest, 0);
  EXPECT_LE(against(decoded("picture.jpg"), "picture_jpg.npy").largest, 1);
  EXPECT_EQ(against(decoded("alpha.png"), "picture_png.npy").largest, 0) << "alpha is dropped";
  const Picture grey = decoded("grey.png");
  for (std::size_t i = 0; i < grey.rgb.size(); i += 3) {
    EXPECT_EQ(grey.rgb[i], grey.rgb[i + 1]);
    EXPECT_EQ(grey.rgb[i], grey.rgb[i + 2]);
  }
}

TEST(PictureTest, resizes_as_opencv_does) {
  const Picture picture = decoded("picture.png");
  const struct {
    const char* expected;
    std::int64_t width, height;
    const char* interpolation;
  } cases[] = {{"bilinear_down.npy", 32, 24, "bilinear"},
               {"bilinear_up.npy", 100, 90, "bilinear"},
               {"area_down.npy", 20, 13, "area"},
               {"area_up.npy", 96, 64, "area"},
               {"nearest.npy", 33, 70, "nearest"}};
  for (const auto& c : cases) {
    const Difference d = against(resize(picture, c.width, c.height, c.interpolation), c.expected);
    EXPECT_LE(d.largest, 1) << c.expected;
    EXPECT_LE(d.share, 0.01) << c.expected;
  }
  EXPECT_THROW((void)resize(picture, 9, 9, "lanczos"), Error);
}

TEST(PictureTest, every_cut_is_an_error) {
  for (const char* name : {"picture.jpg", "picture.png"}) {
    const std::string whole = contents(name);
    for (std::size_t n = 0; n + 2 < whole.size(); n += 41) {
      EXPECT_THROW((void)decode_picture(as_bytes(whole.substr(0, n)), name), Error)
          << name << " cut at " << n;
    }
  }
  EXPECT_THROW((void)decode_picture(as_bytes("GIF89a..."), "x.gif"), Error);
}

TEST(PlacementTest, letterboxes_of_both_schools) {
  ResizeSpec spec{.mode = "letterbox", .size = {416, 416}};
  const Placement centred = place(spec, 640, 427);
  EXPECT_DOUBLE_EQ(centred.scale_x, 0.65);
  EXPECT_EQ(centred.width, 416);
  EXPECT_EQ(centred.height, 278);  // 277.55 rounded
  EXPECT_EQ(centred.top, 69);
  EXPECT_EQ(centred.left, 0);
  spec.align = "top_left";
  const Placement corner = place(spec, 640, 427);
  EXPECT_EQ(corner.height, 277);  // 277.55 truncated
  EXPECT_EQ(corner.top, 0);
}

TEST(PlacementTest, stretch_and_crop) {
  const Placement stretched = place({.mode = "stretch", .size = {10, 30}}, 60, 40);
  EXPECT_DOUBLE_EQ(stretched.scale_x, 0.5);
  EXPECT_DOUBLE_EQ(stretched.scale_y, 0.25);
  const Placement cropped = place({.mode = "crop", .size = {20, 20}}, 60, 40);
  EXPECT_EQ(cropped.width, 30);
  EXPECT_EQ(cropped.height, 20);
  EXPECT_EQ(cropped.left, -5);
  EXPECT_THROW((void)place({.mode = "tile", .size = {2, 2}}, 4, 4), Error);
}

TEST(FitTest, border_is_padded_and_overlap_is_cut) {
  Picture picture{4, 2, std::vector<std::uint8_t>(24, 9)};
  const Picture boxed =
      fit(picture, {.mode = "letterbox", .size = {4, 4}, .pad = 114, .align = "center"});
  ASSERT_EQ(boxed.rgb.size(), 48u);
  EXPECT_EQ(boxed.rgb[0], 114);
  EXPECT_EQ(boxed.rgb[12], 9);
  EXPECT_EQ(boxed.rgb[47], 114);
  const Picture cropped = fit(picture, {.mode = "crop", .size = {2, 2}});
  EXPECT_EQ(cropped.rgb, std::vector<std::uint8_t>(12, 9));
}

TEST(FitTest, shorter_side_then_the_middle) {
  const ResizeSpec spec{.mode = "crop", .size = {24, 20}, .shorter = 30};
  const Difference d = against(fit(decoded("picture.png"), spec), "crop_shorter.npy");
  EXPECT_LE(d.largest, 1);
  EXPECT_LE(d.share, 0.01);
  EXPECT_THROW((void)place({.mode = "crop", .size = {24, 31}, .shorter = 30}, 61, 47), Error);
}

TEST(PictureSizeTest, is_that_of_the_decoded_picture) {
  for (const char* name : {"picture.png", "picture.jpg", "grey.png", "mask_palette.png"}) {
    const std::string bytes = contents(name);
    const PictureSize size = picture_size(as_bytes(bytes), name);
    EXPECT_EQ(size.width, 61) << name;
    EXPECT_EQ(size.height, 47) << name;
    EXPECT_THROW((void)picture_size(as_bytes(bytes.substr(0, 20)), name), Error) << name;
  }
}

TEST(MaskTest, labels_come_as_stored) {
  const Tensor npy = read_npy(file("mask.npy"));
  const auto want = npy.data<std::uint8_t>();
  const std::string grey = contents("mask.png");
  const Mask mask = decode_mask(as_bytes(grey), "mask.png");
  ASSERT_EQ((Shape{mask.height, mask.width}), npy.shape());
  EXPECT_TRUE(std::equal(want.begin(), want.end(), mask.labels.begin()));
  const std::string palette = contents("mask_palette.png");
  const Mask indexed = decode_mask(as_bytes(palette), "mask_palette.png");
  ASSERT_EQ(indexed.labels.size(), want.size());
  for (std::size_t i = 0; i < want.size(); ++i)
    ASSERT_EQ(indexed.labels[i], std::min<int>(want[i], 15)) << i;
}

TEST(MaskTest, colours_and_damage_are_errors) {
  const std::string whole = contents("mask.png");
  for (std::size_t n = 0; n + 12 < whole.size(); n += 7) {
    EXPECT_THROW((void)decode_mask(as_bytes(whole.substr(0, n)), "cut.png"), Error) << n;
  }
  const std::string picture = contents("picture.png");
  EXPECT_EQ(
      error_text<Error>([&] { (void)decode_mask(as_bytes(picture), "a.png"); }),
      "the mask has colours, not labels [a.png]. Save it as a grey or palette PNG of one label "
      "per pixel.");
  const std::string jpeg = contents("picture.jpg");
  EXPECT_EQ(error_text<Error>([&] { (void)decode_mask(as_bytes(jpeg), "a.jpg"); }),
            "the mask is not a PNG [a.jpg]. Save masks losslessly, one label per pixel.");
  // Any changed byte gives a mask or an error, never a crash.
  for (std::size_t i = 8; i < whole.size(); ++i) {
    std::string damaged = whole;
    damaged[i] = static_cast<char>(damaged[i] ^ 0x55);
    try {
      (void)decode_mask(as_bytes(damaged), "x.png");
    } catch (const Error& error) {
      EXPECT_NE(error.code(), ErrorCode::internal);
    }
  }
}

class ImageListTest : public ::testing::Test {
 protected:
  std::unique_ptr<Dataset> open(const std::string& list, bool with_size = true) {
    folder_.write("a.png", contents("picture.png"));
    folder_.write("b with space.jpg", contents("picture.jpg"));
    InputSpec input;
    input.scale = 255;
    if (with_size) input.resize = ResizeSpec{.mode = "stretch", .size = {8, 6}};
    return open_dataset({"images", {folder_.write("list.txt", list)}}, input);
  }
  testing::TempDir folder_;
};

TEST_F(ImageListTest, pictures_are_fitted_and_labelled) {
  const auto data = open("# a comment\na.png 3\n\n  b with space.jpg 1  \n");
  ASSERT_EQ(data->size(), 2);
  EXPECT_EQ(data->classes(), 4);
  EXPECT_EQ(data->label(0), 3);
  EXPECT_EQ(data->label(1), 1);
  const std::int64_t ids[] = {1, 0, 1};
  const Tensor batch = data->images(ids);
  EXPECT_EQ(batch.shape(), (Shape{3, 3, 8, 6}));
  const Picture expected = resize(decoded("picture.jpg"), 6, 8, "bilinear");
  EXPECT_FLOAT_EQ(batch.data<float>()[0], static_cast<float>(expected.rgb[0]) / 255.0f);
  const auto first = batch.rows(0, 1), again = batch.rows(2, 3);
  EXPECT_TRUE(std::ranges::equal(first.data<float>(), again.data<float>()));
}

TEST_F(ImageListTest, pictures_without_labels_serve_calibration) {
  const auto data = open("a.png\nb with space.jpg\n");
  EXPECT_EQ(data->size(), 2);
  EXPECT_EQ(choose_samples(*data, 2, Sampling::first, 1).size(), 2u);
  EXPECT_THROW((void)data->label(0), Error);
}

TEST_F(ImageListTest, missing_pictures_are_listed_together_when_they_are_chosen) {
  const auto data = open("a.png 0\nnope.png 1\nneither.jpg 2\n");
  EXPECT_EQ(choose_samples(*data, 1, Sampling::first, 1), std::vector<std::int64_t>{0});
  const std::string text =
      error_text<Error>([&] { (void)choose_samples(*data, 3, Sampling::first, 1); });
  EXPECT_EQ(text.find("pictures that cannot be read: nope.png (line 2), neither.jpg (line 3) ("),
            0u)
      << text;
}

TEST_F(ImageListTest, lines_that_say_no_label_are_shown) {
  EXPECT_THROW((void)open("a.png 1\n", /*with_size=*/false), Error);
  EXPECT_THROW((void)open("# nothing\n"), Error);
  EXPECT_THROW((void)open("a.png -4\n"), Error);
  const std::string list = (folder_.path() / "list.txt").string();
  for (const char* line : {"a.png 1.0", "a.png,1", "a.png, 1", "a.png;1", "a.png 1e3", "a.png +1",
                           "a.png 99999999999999999999", "\"\" 1"}) {
    EXPECT_EQ(
        error_text<Error>([&] { (void)open(fmt::format("a.png 0\n{}\n", line)); }),
        fmt::format("line 2 has no label in the form 'path label': {} [{}:2]. Write the path, "
                    "a blank and the class as a whole number.",
                    line, list));
  }
  const auto data = open("a.png 0\n\nb with space.jpg\n");
  EXPECT_EQ(error_text<Error>([&] { (void)data->label(1); }),
            fmt::format("the line has no label, as 'path label' has: {} [{}:3]. Write the label "
                        "behind the path, or sample without classes.",
                        (folder_.path() / "b with space.jpg").string(), list));
}

TEST_F(ImageListTest, marks_quotes_and_ends_of_lines_of_other_systems) {
  for (const char* list : {"\xEF\xBB\xBF"
                           "a.png 1\nb with space.jpg 2\n",
                           "a.png 1\r\n\"b with space.jpg\"\t2\r\n", "a.png 1\rb with space.jpg 2",
                           "\xEF\xBB\xBF\"a.png\" 1\n\nb with space.jpg   2"}) {
    const auto data = open(list);
    ASSERT_EQ(data->size(), 2) << list;
    EXPECT_EQ(data->label(0), 1);
    EXPECT_EQ(data->label(1), 2);
    EXPECT_EQ(choose_samples(*data, 2, Sampling::first, 1).size(), 2u);
  }
  for (const std::string& list : {std::string("\xFF\xFE"
                                              "a\0.\0",
                                              6),
                                  std::string("\xFE\xFF\0a", 4), std::string("a\0.\0", 4)}) {
    EXPECT_EQ(error_text<Error>([&] { (void)open(list); }),
              "the text is in UTF-16 or UTF-32 [" + (folder_.path() / "list.txt").string() +
                  "]. Save it in UTF-8.");
  }
}

TEST_F(ImageListTest, the_digest_is_of_what_is_used) {
  const std::string list = "a.png 0\nb with space.jpg 1\na.png 2\n";
  const std::vector<std::int64_t> first = {0, 2};
  const std::string digest = open(list)->digest(first);
  EXPECT_EQ(open(list + "missing.png 0\n")->digest(first), digest) << "what is not used";
  EXPECT_NE(open("a.png 1\nb with space.jpg 1\na.png 2\n")->digest(first), digest) << "a label";
  EXPECT_NE(open(list)->digest(std::vector<std::int64_t>{2, 0}), digest) << "the order";
  const auto data = open(list);
  folder_.write("a.png", contents("grey.png"));
  EXPECT_NE(data->digest(first), digest) << "a picture";
}

}  // namespace
}  // namespace qsweep
