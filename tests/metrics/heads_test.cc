#include <cmath>
#include <cstdlib>
#include <fstream>
#include <limits>
#include <string>

#include <gtest/gtest.h>

#include "src/base/error.h"

#include "src/metrics/heads/head.h"
#include "src/metrics/heads/select.h"

namespace qsweep {
namespace {

Tensor tensor(const Shape& shape, const std::vector<float>& values) {
  return Tensor::of<float>(DType::f32, shape, values);
}

/// head_cases.txt, which make_head_cases.py made with NumPy and OpenCV.
struct Cases {
  struct Case {
    std::string kind;
    std::vector<Tensor> outputs;
    std::vector<Detection> expected;
  };
  HeadContext context;
  HeadSpec spec;
  Frame frame;
  std::vector<Case> cases;
};

Cases read_cases() {
  std::ifstream in(std::string(std::getenv("QSWEEP_SOURCE_DIR")) + "/tests/metrics/head_cases.txt");
  Cases all;
  std::string word;
  in >> word >> all.context.classes >> word >> all.context.height >> word >> all.spec.confidence >>
      word >> all.spec.nms_iou >> word >> all.spec.max_detections;
  all.context.width = all.context.height;
  all.spec.strides = {8, 16};
  in >> word >> all.frame.width >> all.frame.height >> all.frame.scale_x >> all.frame.left >>
      all.frame.top;
  all.frame.scale_y = all.frame.scale_x;
  std::size_t count = 0;
  while (in >> word) {
    Cases::Case c;
    in >> c.kind >> count;
    for (std::size_t o = 0; o < count; ++o) {
      std::size_t rank = 0;
      in >> word >> rank;
      Shape shape(rank);
      for (std::int64_t& extent : shape) in >> extent;
      std::vector<float> values(static_cast<std::size_t>(element_count(shape)));
      for (float& v : values) in >> v;
      c.outputs.push_back(tensor(shape, values));
    }
    in >> word >> count;
    c.expected.resize(count);
    for (Detection& d : c.expected)
      in >> d.category >> d.score >> d.box.x >> d.box.y >> d.box.width >> d.box.height;
    all.cases.push_back(std::move(c));
  }
  return all;
}

TEST(HeadsTest, agree_with_numpy_decoders_and_opencv_suppression) {
  const Cases all = read_cases();
  ASSERT_EQ(all.cases.size(), 5u);
  for (const Cases::Case& c : all.cases) {
    SCOPED_TRACE(c.kind);
    HeadSpec spec = all.spec;
    spec.kind = c.kind;
    HeadContext context = all.context;
    for (const Tensor& output : c.outputs) context.outputs.push_back(output.shape());
    const auto head = make_head(spec, context);
    const auto found =
        select_detections(head->decode(c.outputs, 0), spec, head->needs_nms(), all.frame);
    ASSERT_EQ(found.size(), c.expected.size());
    for (std::size_t i = 0; i < found.size(); ++i) {
      EXPECT_EQ(found[i].category, c.expected[i].category);
      EXPECT_NEAR(found[i].score, c.expected[i].score, 1e-6);
      EXPECT_NEAR(found[i].box.x, c.expected[i].box.x, 1e-4);
      EXPECT_NEAR(found[i].box.y, c.expected[i].box.y, 1e-4);
      EXPECT_NEAR(found[i].box.width, c.expected[i].box.width, 1e-4);
      EXPECT_NEAR(found[i].box.height, c.expected[i].box.height, 1e-4);
    }
  }
}

TEST(HeadsTest, dfl_logits_of_one_bin_are_that_many_cells) {
  // One level of 2 x 2 cells of 16 pixels, 16 bins, 1 class; cell 3 says 1, 2, 3, 4.
  constexpr int kBins = 16, kCells = 4;
  std::vector<float> values((4 * kBins + 1) * kCells, 0.0f);
  for (int side = 0; side < 4; ++side)
    values[static_cast<std::size_t>((side * kBins + side + 1) * kCells + 3)] = 200.0f;
  values[static_cast<std::size_t>(4 * kBins * kCells + 3)] = 2.0f;
  const HeadContext context{
      .outputs = {{1, 4 * kBins + 1, kCells}}, .classes = 1, .height = 32, .width = 32};
  HeadSpec spec;
  spec.kind = "dfl";
  spec.strides = {16};
  const Tensor output = tensor(context.outputs[0], values);
  const Candidates c = make_head(spec, context)->decode({&output, 1}, 0);
  ASSERT_EQ(c.boxes.size(), 4u);
  EXPECT_NEAR(c.boxes[3].left, (1.5 - 1) * 16, 1e-9);
  EXPECT_NEAR(c.boxes[3].top, (1.5 - 2) * 16, 1e-9);
  EXPECT_NEAR(c.boxes[3].right, (1.5 + 3) * 16, 1e-9);
  EXPECT_NEAR(c.boxes[3].bottom, (1.5 + 4) * 16, 1e-9);
  EXPECT_NEAR(c.scores[3], 1.0 / (1.0 + std::exp(-2.0)), 1e-7);
  EXPECT_NEAR(c.boxes[0].left, (0.5 - 7.5) * 16, 1e-9) << "equal logits mean the middle";
}

TEST(HeadsTest, end_to_end_names_its_classes_and_suppresses_nothing) {
  const Tensor output =
      tensor({2, 2, 6}, {9, 9, 9, 9, 9,    9, 9, 9, 9, 9, 9,     9,  // the other image
                         0, 0, 8, 8, 0.5f, 7, 0, 0, 8, 8, 0.25f, 7});
  const HeadContext context{.outputs = {{1, 2, 6}}, .classes = 80, .height = 8, .width = 8};
  HeadSpec spec;
  const auto head = make_head(spec, context);
  EXPECT_FALSE(head->needs_nms());
  const auto found = select_detections(head->decode({&output, 1}, 1), spec, head->needs_nms(),
                                       {.width = 8, .height = 8});
  ASSERT_EQ(found.size(), 2u);
  EXPECT_EQ(found[0], (Detection{0, 7, 0.5f, {0, 0, 8, 8}}));
  EXPECT_EQ(found[1], (Detection{0, 7, 0.25f, {0, 0, 8, 8}}));
}

TEST(HeadsTest, shapes_tell_a_kind_only_where_no_other_has_them) {
  const auto kinds = [](Shape shape) {
    HeadContext context{.outputs = {std::move(shape)}, .classes = 80, .height = 640, .width = 640};
    return make_head({}, context);
  };
  EXPECT_FALSE(kinds({1, 300, 6})->needs_nms());
  EXPECT_NO_THROW(kinds({1, 84, 8400}));
  EXPECT_NO_THROW(kinds({1, 144, 8400}));
  try {
    (void)kinds({1, 8400, 85});
    FAIL() << "guessed between yolox and yolov5";
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), ErrorCode::config);
  }
}

TEST(HeadsTest, a_head_that_does_not_fit_is_refused_with_the_shapes) {
  HeadSpec spec;
  spec.kind = "yolox";
  const HeadContext context{.outputs = {{1, 100, 85}}, .classes = 80, .height = 416, .width = 416};
  try {
    (void)make_head(spec, context);
    FAIL() << "accepted";
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), ErrorCode::mismatch);
    EXPECT_NE(std::string(e.what()).find("1x100x85"), std::string::npos) << e.what();
  }
}

TEST(SelectDetectionsTest, boxes_are_cut_to_the_picture_and_the_best_kept) {
  Candidates c{.boxes = {{-5, -5, 5, 5}, {0, 0, 4, 4}, {20, 20, 90, 90}},
               .classes = 1,
               .scores = {0.3f, 0.9f, 0.6f}};
  HeadSpec spec;
  spec.max_detections = 2;
  const auto found = select_detections(c, spec, true, {.width = 50, .height = 40});
  ASSERT_EQ(found.size(), 2u);
  EXPECT_EQ(found[0].box, (Box{0, 0, 4, 4}));
  EXPECT_EQ(found[1].box, (Box{20, 20, 30, 20}));
}

TEST(DropNonfiniteTest, the_others_stay_in_order) {
  const double nan = std::nan(""), far = std::numeric_limits<double>::infinity();
  Candidates all{
      .boxes = {{1, 2, 3, 4}, {nan, 2, 3, 4}, {5, 6, 7, 8}, {5, 6, far, 8}, {9, 9, 9, 9}},
      .classes = 2,
      .scores = {.1f, .2f, .3f, .4f, .5f, .6f, .7f, .8f, .9f, std::nanf("")},
      .categories = {10, 11, 12, 13, 14}};
  EXPECT_EQ(drop_nonfinite(all), 3);
  ASSERT_EQ(all.boxes.size(), 2u);
  EXPECT_EQ(all.boxes[1].left, 5.0);
  EXPECT_EQ(all.scores, (std::vector<float>{.1f, .2f, .5f, .6f}));
  EXPECT_EQ(all.categories, (std::vector<std::int32_t>{10, 12}));
  EXPECT_EQ(drop_nonfinite(all), 0);
}

TEST(ScoreDivergenceTest, is_that_of_two_coins_and_looks_past_the_unlikely) {
  const auto of = [](std::vector<float> scores) {
    return Candidates{.boxes = {{}, {}}, .classes = 2, .scores = std::move(scores)};
  };
  const Candidates a = of({0.5f, 0.0f, 0.25f, 0.0f});
  EXPECT_EQ(score_divergence(a, a), 0.0);
  EXPECT_EQ(score_divergence(a, of({0.5f, 0.00009f, 0.25f, 0.0f})), 0.0);
  const double expected = 0.5 * std::log(0.5 / 0.25) + 0.5 * std::log(0.5 / 0.75);
  EXPECT_NEAR(score_divergence(a, of({0.25f, 0.0f, 0.25f, 0.0f})), expected / 2, 1e-7);
  EXPECT_GT(score_divergence(a, of({1.0f, 0.0f, 0.25f, 0.0f})), 1.0) << "and stays finite";
}

}  // namespace
}  // namespace qsweep
