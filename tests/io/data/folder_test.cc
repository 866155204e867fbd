#include <cstdlib>

#include <gtest/gtest.h>

#include "src/base/error.h"

#include "io/data/npy.h"
#include "io/data/segmentation_data.h"

#include "tests/io/temp_dir.h"

namespace qsweep {
namespace {

using testing::error_text;

std::filesystem::path pictures() {
  return std::filesystem::path(std::getenv("QSWEEP_SOURCE_DIR")) / "tests/io/data/pictures";
}

InputSpec input_of(std::int64_t height, std::int64_t width) {
  InputSpec input;
  input.resize = ResizeSpec{.mode = "stretch", .size = {height, width}};
  return input;
}

class FolderTest : public ::testing::Test {
 protected:
  void put(const std::string& source, const std::string& name) {
    const auto target = folder_.path() / name;
    std::filesystem::create_directories(target.parent_path());
    std::filesystem::copy_file(pictures() / source, target);
  }
  [[nodiscard]] std::string path(const std::string& name) const {
    return (folder_.path() / name).string();
  }
  [[nodiscard]] std::unique_ptr<Dataset> open(const DataSpec& spec,
                                              const InputSpec& input = input_of(24, 32)) const {
    return open_dataset(spec, input);
  }
  [[nodiscard]] std::string message(const DataSpec& spec) const {
    return error_text<Error>([&] { static_cast<void>(open(spec)); });
  }
  testing::TempDir folder_;
};

TEST_F(FolderTest, one_folder_per_class_sorted_by_name) {
  put("picture.jpg", "set/dog/b.JPG");
  put("picture.png", "set/dog/a.png");
  put("grey.png", "set/cat/z.png");
  folder_.write("set/cat/notes.txt", "not a picture");
  folder_.write("set/readme.md", "no class");
  std::filesystem::create_directories(folder_.path() / "set/.cache");
  const auto data = open({"folder", {path("set")}});
  ASSERT_EQ(data->size(), 3);
  EXPECT_EQ(data->classes(), 2);
  EXPECT_EQ(data->label(0), 0);  // cat/z.png
  EXPECT_EQ(data->label(1), 1);
  EXPECT_EQ(data->label(2), 1);
  const Tensor batch = data->images(std::vector<std::int64_t>{1});
  EXPECT_EQ(batch.shape(), (Shape{1, 3, 24, 32}));
  // dog/a.png as OpenCV resizes it (make_pictures.py), channels first.
  const Tensor want = read_npy(pictures() / "bilinear_down.npy");
  std::size_t differing = 0;
  for (std::size_t at = 0; at < 24 * 32; ++at) {
    for (std::size_t c = 0; c < 3; ++c) {
      const float expected = want.data<std::uint8_t>()[3 * at + c];
      ASSERT_NEAR(batch.data<float>()[c * 24 * 32 + at], expected, 1.0f);
      differing += batch.data<float>()[c * 24 * 32 + at] != expected ? 1 : 0;
    }
  }
  EXPECT_LE(differing, 24u * 32 * 3 / 100);
}

TEST_F(FolderTest, a_class_less_is_another_digest) {
  put("picture.png", "one/cat/a.png");
  put("picture.png", "one/dog/b.png");
  put("grey.png", "two/ant/c.png");
  put("picture.png", "two/cat/a.png");
  const std::vector<std::int64_t> first = {0}, second = {1};
  EXPECT_NE(open({"folder", {path("one")}})->digest(first),
            open({"folder", {path("two")}})->digest(second));
  const std::string digest = open({"folder", {path("one")}})->digest(second);
  EXPECT_EQ(open({"folder", {path("one")}})->digest(second), digest);
  std::filesystem::remove(path("one/dog/b.png"));
  put("grey.png", "one/dog/b.png");
  EXPECT_NE(open({"folder", {path("one")}})->digest(second), digest);
}

TEST_F(FolderTest, takes_every_jpeg_and_png_and_says_what_it_leaves_out) {
  for (const char* name : {"a.JPEG", "b.jfif", "c.JPE", "d.jpg"})
    put("picture.jpg", "set/a/" + std::string(name));
  put("picture.png", "set/a/deep/er/e.Png");
  put("picture.png", "set/a/deep-/f.png");
  put("picture.png", "set/b/._hidden.png");
  put("picture.png", "set/b/.hidden/g.png");
  put("picture.png", "set/b/h.png");
  put("picture.png", "set/beside.png");
  for (const char* name : {"1.bmp", "2.WEBP", "3.webp", "4.gif", "5"})
    folder_.write("set/b/" + std::string(name), "x");
  const auto data = open({"folder", {path("set")}});
  std::vector<std::string> names;
  for (std::int64_t i = 0; i < data->size(); ++i) names.push_back(data->sample_name(i));
  EXPECT_EQ(names, (std::vector<std::string>{"a/a.JPEG", "a/b.jfif", "a/c.JPE", "a/d.jpg",
                                             "a/deep-/f.png", "a/deep/er/e.Png", "b/h.png"}));
  EXPECT_TRUE(data->declares_classes());
  const std::string set = path("set");
  EXPECT_EQ(data->remarks(),
            (std::vector<std::string>{
                "1 file of " + set + " itself is left out: 1 .png (such as beside.png)",
                "5 files of " + set +
                    " are left out: 1 .bmp, 1 .gif, 2 .webp, 1 without a type (such as b/1.bmp)"}));
}

TEST_F(FolderTest, links_that_lead_nowhere_or_in_a_circle_are_no_pictures) {
  put("picture.png", "set/a/1.png");
  std::filesystem::create_symlink("loop", path("set/loop"));
  std::filesystem::create_symlink("loop", path("set/a/loop"));
  std::filesystem::create_directory_symlink(path("set"), path("set/a/up"));
  std::filesystem::create_directory_symlink(path("other"), path("set/b"));
  put("picture.png", "other/2.png");
  const auto data = open({"folder", {path("set")}});
  ASSERT_EQ(data->size(), 3) << "a/up/a is a circle, a/up/b is not";
  EXPECT_EQ(data->sample_name(1), "a/up/b/2.png");
}

TEST_F(FolderTest, damage_is_named) {
  EXPECT_EQ(message({"folder", {path("none")}}),
            "cannot read the folder: No such file or directory [" + path("none") + "]");
  EXPECT_EQ(message({"folder", {folder_.path()}}),
            "the folder holds no folder of a class [" + folder_.path().string() +
                "]. Put the pictures of each class in a folder of its own.");
  folder_.write("set/cat/a.txt", "x");
  EXPECT_EQ(message({"folder", {path("set")}}),
            "the class has no picture [" + path("set/cat") +
                "]. Add .jpg or .png files, or remove the folder.");
  folder_.write("set/cat/a.png", "");
  std::filesystem::create_symlink("b.png", path("set/cat/b.png"));
  const auto data = open({"folder", {path("set")}});
  EXPECT_EQ(error_text<Error>([&] { (void)choose_samples(*data, 2, Sampling::first, 1); }),
            "pictures that cannot be read: cat/a.png, cat/b.png (the data file is empty) [" +
                path("set") + "]. Check that the files are complete and readable.");
  EXPECT_EQ(
      message({"folder", {"a", "b"}}),
      "folder data takes one folder, not 2 [folder]. Write folder:DIR, with a folder for each "
      "class in it.");
  EXPECT_THROW((void)open({"folder", {path("set")}}, {}), Error) << "the size is not known";
}

class MasksTest : public FolderTest {
 protected:
  void SetUp() override {
    put("picture.png", "pictures/b.png");
    put("picture.jpg", "pictures/a.jpg");
    put("picture.jpg", "pictures/unlabelled.jpg");
    put("mask.png", "masks/a.png");
    put("mask_palette.png", "masks/b.png");
  }
  [[nodiscard]] DataSpec spec() const { return {"masks", {path("pictures"), path("masks")}}; }
};

TEST_F(MasksTest, pairs_by_name_and_fits_masks_as_opencv_does) {
  const auto data = open(spec());
  const auto* masks = dynamic_cast<const SegmentationData*>(data.get());
  ASSERT_NE(masks, nullptr);
  ASSERT_EQ(data->size(), 2);
  EXPECT_FALSE(data->has_labels());
  EXPECT_THROW((void)data->label(0), Error);
  EXPECT_EQ(data->images(std::vector<std::int64_t>{0, 1}).shape(), (Shape{2, 3, 24, 32}));
  const Tensor want = read_npy(pictures() / "mask_small.npy");
  const auto labels = masks->mask(0);
  ASSERT_EQ(labels.size(), want.data<std::uint8_t>().size());
  EXPECT_TRUE(std::equal(labels.begin(), labels.end(), want.data<std::uint8_t>().begin()));
}

TEST_F(MasksTest, masks_of_the_input_size_are_taken_as_they_are) {
  const auto data = open(spec(), input_of(47, 61));
  const Tensor want = read_npy(pictures() / "mask.npy");
  const auto labels = dynamic_cast<const SegmentationData&>(*data).mask(0);
  EXPECT_TRUE(std::equal(labels.begin(), labels.end(), want.data<std::uint8_t>().begin()));
}

TEST_F(MasksTest, what_the_picture_does_not_reach_is_ignored) {
  InputSpec input;
  input.resize = ResizeSpec{.mode = "letterbox", .size = {61, 61}, .align = "top_left"};
  const auto data = open(spec(), input);
  const auto labels = dynamic_cast<const SegmentationData&>(*data).mask(1);
  ASSERT_EQ(labels.size(), 61u * 61);
  EXPECT_EQ(labels[61 * 47 - 1], dynamic_cast<const SegmentationData&>(*data).mask(0)[61 * 47 - 1]);
  for (std::size_t i = 61 * 47; i < labels.size(); ++i) ASSERT_EQ(labels[i], 255);
}

TEST_F(MasksTest, what_has_no_partner_is_said) {
  put("mask.png", "masks/deep/c.png");
  put("picture.png", "pictures/deep/c.png");
  put("grey.png", "masks/lonely.png");
  folder_.write("masks/a.jpg", "a view of the mask");
  const auto data = open(spec());
  EXPECT_EQ(data->size(), 3);
  EXPECT_EQ(data->sample_name(2), "c.png");
  EXPECT_EQ(
      data->remarks(),
      (std::vector<std::string>{
          "1 mask of " + path("masks") + " without a picture is left out (such as lonely.png)",
          "1 picture of " + path("pictures") +
              " without a mask is left out (such as unlabelled.jpg)",
          "1 file of " + path("masks") + " is left out: 1 .jpg (such as a.jpg)"}));
  EXPECT_EQ(message({"masks", {path("pictures"), path("masks/deep")}}),
            "no picture has a mask of its name [" + path("pictures") +
                "]. Name picture and mask alike, as c.jpg and c.png.");
  put("grey.png", "pictures/a.png");
  EXPECT_EQ(message(spec()), "two pictures are called 'a': a.jpg and a.png [" + path("pictures") +
                                 "]. Remove one of them.");
}

TEST_F(MasksTest, a_mask_is_part_of_the_digest) {
  const std::vector<std::int64_t> first = {0};
  const std::string digest = open(spec())->digest(first);
  EXPECT_EQ(open(spec())->digest(first), digest);
  std::filesystem::remove(path("masks/a.png"));
  put("mask_alpha.png", "masks/a.png");
  EXPECT_NE(open(spec())->digest(first), digest);
}

TEST_F(MasksTest, damage_is_named) {
  std::filesystem::create_directories(path("empty"));
  EXPECT_EQ(message({"masks", {path("pictures"), path("empty")}}),
            "the folder holds no mask [" + path("empty") +
                "]. Give masks:IMAGES_DIR,MASKS_DIR; masks are .png files.");
  EXPECT_EQ(message({"masks", {path("pictures")}}),
            "masks data takes 2 folders, not 1 [masks]. Give the pictures, then the masks: "
            "masks:IMAGES_DIR,MASKS_DIR.");
  std::filesystem::remove(path("pictures/a.jpg"));
  std::filesystem::copy_file(pictures() / "mask_palette.png", path("pictures/a.png"));
  folder_.write("masks/a.png", "GIF89a");
  const auto data = open(spec());
  EXPECT_EQ(error_text<Error>([&] { (void)dynamic_cast<const SegmentationData&>(*data).mask(0); }),
            "the mask is not a PNG [" + path("masks/a.png") +
                "]. Save masks losslessly, one label per pixel.");
}

}  // namespace
}  // namespace qsweep
