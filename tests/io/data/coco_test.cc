#include <fstream>
#include <functional>
#include <string>

#include <gtest/gtest.h>

#include "src/base/error.h"

#include "io/data/detection_data.h"

#include "tests/io/temp_dir.h"

namespace qsweep {
namespace {

const std::string kImages =
    R"("images":[{"id":9,"file_name":"b.png","width":40,"height":30},{"id":4,"file_name":"a.png","width":40,"height":30}])";
const std::string kCategories = R"("categories":[{"id":18,"name":"dog"},{"id":3,"name":"car"}])";
const std::string kAnnotations =
    R"("annotations":[{"id":1,"image_id":9,"category_id":3,"bbox":[1,2,3.5,4],"area":7.5,"iscrowd":0,"segmentation":[[1,2,3,4]]},)"
    R"({"id":2,"image_id":4,"category_id":18,"bbox":[0,0,5,5],"area":25,"iscrowd":1}])";

std::string document(const std::string& images = kImages,
                     const std::string& categories = kCategories,
                     const std::string& annotations = kAnnotations) {
  return "{" + images + "," + categories + "," + annotations + "}";
}

Annotations parsed(const std::string& text) {
  return parse_annotations(as_bytes(text), "instances.json");
}

std::string problem_of(const std::function<void()>& act) {
  try {
    act();
  } catch (const Error& e) {
    return e.what();
  }
  return "accepted";
}

TEST(AnnotationsTest, pictures_and_categories_come_by_id) {
  const Annotations a = parsed(document());
  ASSERT_EQ(a.pictures.size(), 2u);
  EXPECT_EQ(a.pictures[0].id, 4);
  EXPECT_EQ(a.pictures[0].file, "a.png");
  EXPECT_EQ(a.pictures[1].width, 40);
  ASSERT_EQ(a.categories.size(), 2u);
  EXPECT_EQ(a.categories[0].name, "car");
  ASSERT_EQ(a.truths.size(), 2u);
  EXPECT_EQ(a.truths[0].image, 1);
  EXPECT_EQ(a.truths[0].category, 0);
  EXPECT_EQ(a.truths[0].box, (Box{1, 2, 3.5, 4}));
  EXPECT_EQ(a.truths[0].area, 7.5);
  EXPECT_FALSE(a.truths[0].crowd);
  EXPECT_TRUE(a.truths[1].crowd);
}

TEST(AnnotationsTest, problems_are_named_by_their_place) {
  const auto has = [](const std::string& text, const std::string& expected) {
    const std::string problem = problem_of([&] { (void)parsed(text); });
    EXPECT_NE(problem.find(expected), std::string::npos) << problem;
    EXPECT_NE(problem.find("instances.json"), std::string::npos) << problem;
  };
  has("{\"images\":[", "not sound JSON");
  has("[]", "the document is no object");
  has("{}", "images is missing");
  has(document("\"images\":[]"), "images is empty");
  has(document("\"images\":[3]"), "images[0] is no object");
  has(document(R"("images":[{"id":1,"width":4,"height":3}])"), "images[0].file_name is no text");
  has(document(R"("images":[{"id":1,"file_name":"a","width":-4,"height":3}])"), "images[0] has");
  has(document(R"("images":[{"id":1.5,"file_name":"a","width":4,"height":3}])"),
      "images[0].id is no whole number");
  has(document(kImages, R"("categories":[{"id":3,"name":"a"},{"id":3,"name":"b"}])"),
      "categories has the id 3 twice");
  const auto annotation = [](const std::string& members) {
    return document(kImages, kCategories, "\"annotations\":[{" + members + "}]");
  };
  has(annotation(R"("image_id":"4","category_id":3,"bbox":[1,2,3,4])"),
      "annotations[0].image_id is no whole number");
  has(annotation(R"("image_id":4,"category_id":3)"), "annotations[0].bbox is not");
  has(document(R"("images":[{"id":"x1","file_name":"a","width":4,"height":3}])"),
      "images[0].id is no whole number");
  has(document(R"("images":[{"id":1e300,"file_name":"a","width":4,"height":3}])"),
      "images[0].id is no whole number");
  has(document(R"("images":[{"id":1,"file_name":"a","width":4,"height":3},)"
               R"({"id":1,"file_name":"b","width":4,"height":3}])"),
      "images has the id 1 twice");
  has(annotation(R"("image_id":4,"category_id":3,"bbox":[1,2,3])"), "annotations[0].bbox");
  has(annotation(R"("image_id":4,"category_id":3,"bbox":[1,2,-3,4])"), "negative extent");
  has(annotation(R"("image_id":4,"category_id":3,"bbox":[1,2,3,"4"])"), "is no number");
  has(annotation(R"("image_id":4,"category_id":3,"bbox":[1,2,3,4],"iscrowd":"no")"), "iscrowd");
}

TEST(AnnotationsTest, what_is_not_listed_does_not_count) {
  const Annotations a = parsed(document(
      kImages, kCategories,
      R"("annotations":[{"image_id":7,"category_id":3},{"image_id":4,"category_id":99},)"
      R"({"image_id":8,"category_id":3,"bbox":[]},{"image_id":4,"category_id":3,"bbox":[1,2,3,4]}])"));
  EXPECT_EQ(a.truths.size(), 1u);
  EXPECT_EQ(a.remarks,
            (std::vector<std::string>{
                "2 objects of instances.json are left out: the picture is not listed (such as 7)",
                "1 object of instances.json is left out: the category is not listed (such as "
                "99)"}));
}

TEST(AnnotationsTest, whole_numbers_may_be_written_as_others_write_them) {
  const Annotations a = parsed(
      document(R"("images":[{"id":7.0,"file_name":"sub/a.png","width":40.0,"height":3e1},)"
               R"({"id":7,"file_name":"sub/a.png","width":40,"height":30},)"
               R"({"id":8,"file_name":"b.png"},{"id":9,"file_name":"c.png","width":null}])",
               R"("categories":[{"id":3.0}])",
               R"("annotations":[{"image_id":7.0,"category_id":3,"bbox":[1,2,3,4],"iscrowd":0.0},)"
               R"({"image_id":7,"category_id":3.0,"bbox":[1,2,3,4],"iscrowd":1.0,"area":null},)"
               R"({"image_id":7,"category_id":3.0,"bbox":[1,2,3,4],"iscrowd":null,"area":5}])"));
  ASSERT_EQ(a.pictures.size(), 3u);
  EXPECT_EQ(a.pictures[0].id, 7);
  EXPECT_EQ(a.pictures[0].height, 30);
  EXPECT_EQ(a.pictures[1].width, 0);
  EXPECT_EQ(a.categories[0].name, "3");
  ASSERT_EQ(a.truths.size(), 3u);
  EXPECT_FALSE(a.truths[0].crowd);
  EXPECT_EQ(a.truths[0].area, 12.0);
  EXPECT_TRUE(a.truths[1].crowd);
  EXPECT_EQ(a.truths[1].area, 12.0);
  EXPECT_FALSE(a.truths[2].crowd);
  EXPECT_EQ(a.truths[2].area, 5.0);
  EXPECT_EQ(a.remarks,
            std::vector<std::string>{"images has 1 entry more than once (such as id 7)"});
}

TEST(AnnotationsTest, every_cut_is_noticed) {
  const std::string whole = document();
  for (std::size_t size = 0; size < whole.size(); ++size)
    EXPECT_NE(problem_of([&] { (void)parsed(whole.substr(0, size)); }), "accepted") << size;
}

/// A folder with the two pictures of `document()`, made from the test pictures.
class CocoDataTest : public ::testing::Test {
 protected:
  void SetUp() override {
    const auto source = std::filesystem::path(std::getenv("QSWEEP_SOURCE_DIR")) / "tests/io/data";
    for (const char* name : {"a.png", "b.png"})
      std::filesystem::copy_file(source / "pictures/picture.png", folder_.path() / name);
    std::ifstream in(source / "pictures/picture.png", std::ios::binary);
    const std::string bytes(std::istreambuf_iterator<char>(in), {});
    const Picture picture = decode_picture(as_bytes(bytes), "picture.png");
    width_ = picture.width;
    height_ = picture.height;
    write(width_);
    input_.resize = ResizeSpec{.mode = "letterbox", .size = {64, 64}, .align = "top_left"};
  }
  void write(std::int64_t width) {
    std::string text = document();
    for (const auto& [from, to] : {std::pair<std::string, std::int64_t>{"\"width\":40", width},
                                   {"\"height\":30", height_}}) {
      const std::string name = from.substr(0, from.find(':') + 1);
      for (std::size_t at = text.find(from); at != std::string::npos; at = text.find(from, at + 1))
        text.replace(at, from.size(), name + std::to_string(to));
    }
    folder_.write("instances.json", text);
  }
  std::unique_ptr<Dataset> open() {
    return open_dataset({"coco", {folder_.path(), folder_.path() / "instances.json"}}, input_);
  }

  testing::TempDir folder_;
  std::int64_t width_ = 0, height_ = 0;
  InputSpec input_;
};

TEST_F(CocoDataTest, gives_pictures_with_their_objects_and_places) {
  const auto data = open();
  EXPECT_EQ(data->size(), 2);
  EXPECT_EQ(data->classes(), 2);
  EXPECT_FALSE(data->has_labels());
  const std::vector<std::int64_t> ids = {1, 0};
  EXPECT_EQ(data->images(ids).shape(), (Shape{2, 3, 64, 64}));
  const auto& detection = dynamic_cast<const DetectionData&>(*data);
  ASSERT_EQ(detection.truths(0).size(), 1u);
  EXPECT_EQ(detection.truths(0)[0].category, 1);
  ASSERT_EQ(detection.truths(1).size(), 1u);
  EXPECT_EQ(detection.truths(1)[0].category, 0);
  const Placement p = detection.placement(0);
  EXPECT_DOUBLE_EQ(p.scale_x, 64.0 / static_cast<double>(std::max(width_, height_)));
  EXPECT_EQ(p.left, 0);
  EXPECT_EQ(choose_samples(*data, 1, Sampling::stratified, 7),
            choose_samples(*data, 1, Sampling::random, 7));
}

TEST_F(CocoDataTest, missing_damaged_and_other_pictures_are_named) {
  write(width_ + 1);
  const std::vector<std::int64_t> first = {0};
  const std::string other = problem_of([&] { (void)open()->images(first); });
  EXPECT_NE(other.find("a.png"), std::string::npos) << other;
  EXPECT_NE(other.find("annotations are for"), std::string::npos) << other;
  write(width_);
  std::filesystem::resize_file(folder_.path() / "b.png", 200);
  const std::vector<std::int64_t> second = {1};
  const std::string damaged = problem_of([&] { (void)open()->images(second); });
  EXPECT_NE(damaged.find("b.png"), std::string::npos) << damaged;
  std::filesystem::remove(folder_.path() / "b.png");
  const std::string missing =
      problem_of([&] { (void)choose_samples(*open(), 2, Sampling::first, 1); });
  EXPECT_NE(missing.find("cannot be read: b.png"), std::string::npos) << missing;
}

TEST_F(CocoDataTest, extents_that_are_not_annotated_are_those_of_the_pictures) {
  std::string text = document();
  for (const std::string& member : {std::string(",\"width\":40"), std::string(",\"height\":30")}) {
    for (std::size_t at = text.find(member); at != std::string::npos; at = text.find(member))
      text.erase(at, member.size());
  }
  folder_.write("instances.json", text);
  const auto data = open();
  const auto& pictures = dynamic_cast<const DetectionData&>(*data).annotations().pictures;
  EXPECT_EQ(pictures[1].width, width_);
  EXPECT_EQ(pictures[1].height, height_);
}

TEST_F(CocoDataTest, annotations_are_part_of_the_digest) {
  const std::vector<std::int64_t> first = {0};
  const std::string digest = open()->digest(first);
  folder_.write("instances.json", testing::read_file(folder_.path() / "instances.json") + " ");
  EXPECT_NE(open()->digest(first), digest);
}

TEST_F(CocoDataTest, needs_a_folder_and_a_file) {
  EXPECT_THROW((void)open_dataset({"coco", {folder_.path()}}, input_), Error);
}

}  // namespace
}  // namespace qsweep
