#include <gtest/gtest.h>

#include "src/base/error.h"

#include "io/data/dataset.h"

#include "tests/io/temp_dir.h"

namespace qsweep {
namespace {

using testing::error_text;
using testing::TempDir;

constexpr int kPlane = 32 * 32;

/// A byte of picture `i` that depends on channel and place.
std::uint8_t pixel(int i, int channel, int at) {
  return static_cast<std::uint8_t>((i * 31 + channel * 101 + at * 7) & 0xff);
}

std::string record(const std::string& labels, int i) {
  std::string bytes = labels;
  for (int c = 0; c < 3; ++c) {
    for (int at = 0; at < kPlane; ++at) {
      bytes += static_cast<char>(pixel(i, c, at));
    }
  }
  return bytes;
}

std::string cifar10(const std::vector<int>& labels, int first = 0) {
  std::string bytes;
  for (const int label : labels) {
    bytes += record(std::string(1, static_cast<char>(label)), first++);
  }
  return bytes;
}

TEST(CifarTest, labels_and_size_over_several_files) {
  const TempDir folder;
  const auto a = folder.write("a.bin", cifar10({3, 9}));
  const auto b = folder.write("b.bin", cifar10({0}, 2));
  const auto data = open_dataset({"cifar10", {a, b}}, {});
  EXPECT_EQ(data->size(), 3);
  EXPECT_EQ(data->classes(), 10);
  EXPECT_EQ(data->label(0), 3);
  EXPECT_EQ(data->label(1), 9);
  EXPECT_EQ(data->label(2), 0);
  EXPECT_TRUE(data->declares_classes());
  const std::vector<std::int64_t> all = {0, 1, 2};
  const auto same = open_dataset({"cifar10", {folder.write("c.bin", cifar10({3, 9, 0}))}}, {});
  EXPECT_EQ(data->digest(all), same->digest(all)) << "however the records lie in files";
  const auto other = open_dataset({"cifar10", {folder.write("d.bin", cifar10({3, 9, 1}))}}, {});
  EXPECT_NE(data->digest(all), other->digest(all)) << "a label";
  EXPECT_EQ(data->digest(std::span(all).first(2)), other->digest(std::span(all).first(2)));
}

TEST(CifarTest, cifar100_has_fine_labels) {
  const TempDir folder;
  const auto path = folder.write("a.bin", record({4, 99}, 0) + record({19, 0}, 1));
  const auto data = open_dataset({"cifar100", {path}}, {});
  EXPECT_EQ(data->size(), 2);
  EXPECT_EQ(data->classes(), 100);
  EXPECT_EQ(data->label(0), 99);
  EXPECT_EQ(data->label(1), 0);
  const Tensor batch = data->images(std::vector<std::int64_t>{1});
  EXPECT_EQ(batch.data<float>()[5], static_cast<float>(pixel(1, 0, 5)));
}

TEST(CifarTest, raw_pixels_pass_unchanged_in_the_order_asked_for) {
  const TempDir folder;
  const auto path = folder.write("a.bin", cifar10({0, 1, 2}));
  const auto data = open_dataset({"cifar10", {path}}, {});
  const Tensor batch = data->images(std::vector<std::int64_t>{2, 0, 2});
  ASSERT_EQ(batch.shape(), (Shape{3, 3, 32, 32}));
  ASSERT_EQ(batch.dtype(), DType::f32);
  const int ids[] = {2, 0, 2};
  std::size_t at = 0;
  for (const int id : ids) {
    for (int c = 0; c < 3; ++c) {
      for (int p = 0; p < kPlane; ++p) {
        ASSERT_EQ(batch.data<float>()[at++], static_cast<float>(pixel(id, c, p)));
      }
    }
  }
}

// The reference is the formula in f32, step by step, on every layout and colour order.
TEST(CifarTest, preprocessing_follows_the_formula) {
  const TempDir folder;
  const auto path = folder.write("a.bin", cifar10({0, 1}));
  InputSpec input;
  input.scale = 255;
  input.mean = {0.485, 0.456, 0.406};
  input.std = {0.229, 0.224, 0.225};
  for (const char* layout : {"NCHW", "NHWC"}) {
    for (const char* color : {"RGB", "BGR"}) {
      input.layout = layout;
      input.color = color;
      const Tensor batch =
          open_dataset({"cifar10", {path}}, input)->images(std::vector<std::int64_t>{0, 1});
      const bool is_nhwc = input.layout == "NHWC";
      ASSERT_EQ(batch.shape(), is_nhwc ? (Shape{2, 32, 32, 3}) : (Shape{2, 3, 32, 32}));
      for (int i = 0; i < 2; ++i) {
        for (int c = 0; c < 3; ++c) {
          for (int p = 0; p < kPlane; ++p) {
            const auto x = static_cast<float>(pixel(i, input.color == "BGR" ? 2 - c : c, p));
            const auto k = static_cast<std::size_t>(c);
            const float scaled = x / 255.0f;
            const float centred = scaled - static_cast<float>(input.mean[k]);
            const float expected = centred / static_cast<float>(input.std[k]);
            const int at = i * 3 * kPlane + (is_nhwc ? p * 3 + c : c * kPlane + p);
            ASSERT_EQ(batch.data<float>()[static_cast<std::size_t>(at)], expected)
                << layout << " " << color << " image " << i << " channel " << c << " pixel " << p;
          }
        }
      }
    }
  }
}

TEST(CifarTest, one_mean_serves_all_channels) {
  const TempDir folder;
  const auto path = folder.write("a.bin", cifar10({0}));
  InputSpec input;
  input.mean = {2};
  input.std = {4};
  const Tensor batch =
      open_dataset({"cifar10", {path}}, input)->images(std::vector<std::int64_t>{0});
  EXPECT_EQ(batch.data<float>()[2 * kPlane], (static_cast<float>(pixel(0, 2, 0)) - 2.0f) / 4.0f);
}

std::string message(const DataSpec& spec, const InputSpec& input = {}) {
  return error_text<Error>([&] { static_cast<void>(open_dataset(spec, input)); });
}

TEST(CifarTest, damaged_files_are_named) {
  const TempDir folder;
  const auto none = folder.path() / "none.bin";
  EXPECT_EQ(message({"cifar10", {none}}),
            "cannot read the data file: No such file or directory [" + none.string() + "]");
  const auto empty = folder.write("empty.bin", "");
  EXPECT_EQ(message({"cifar10", {empty}}), "the data file is empty [" + empty.string() + "]");
  EXPECT_EQ(message({"cifar10", {folder.path()}}),
            "the data file is not a regular file [" + folder.path().string() + "]");
  const auto cut = folder.write("cut.bin", cifar10({1, 2}).substr(0, 6000));
  EXPECT_EQ(message({"cifar10", {cut}}),
            "the file has 6000 bytes, which is no multiple of a CIFAR-10 record of 3073 bytes [" +
                cut.string() + "]. Give the binary version of the data set.");
  const auto wrong = folder.write("wrong.bin", cifar10({1, 10}));
  EXPECT_EQ(message({"cifar10", {wrong}}),
            "record 1 has label 10, CIFAR-10 has classes 0 to 9 [" + wrong.string() + "]");
}

TEST(CifarTest, resizing_is_refused_unless_it_changes_nothing) {
  const TempDir folder;
  const auto path = folder.write("a.bin", cifar10({0}));
  InputSpec input;
  input.resize = InputSpec::Resize{.mode = "stretch", .size = {96, 96}};
  EXPECT_EQ(message({"cifar10", {path}}, input),
            "the pictures are 32x32 and cannot be resized in this version [" + path.string() +
                "]. Leave out 'input.resize', or prepare the pictures as .npy.");
  input.resize->size = {32, 32};
  EXPECT_EQ(message({"cifar10", {path}}, input), "");
}

TEST(CifarTest, mean_must_fit_the_channels) {
  const TempDir folder;
  const auto path = folder.write("a.bin", cifar10({0}));
  InputSpec input;
  input.mean = {0, 0};
  EXPECT_EQ(message({"cifar10", {path}}, input),
            "'input.mean' has 2 values for pictures of 3 channels [" + path.string() +
                "]. Give one per channel, or one for all.");
}

TEST(DataSpecTest, parses_format_and_paths) {
  const TempDir folder;
  const auto a = folder.write("a.bin", "x"), b = folder.write("dir/b,c.bin", "x");
  const DataSpec spec = parse_data_spec("cifar10:" + a.string() + ", " + b.string());
  EXPECT_EQ(spec.format, "cifar10");
  EXPECT_EQ(spec.paths, (std::vector<std::filesystem::path>{a, b}));
  EXPECT_EQ(parse_data_spec("cifar10:none.bin").paths.at(0),
            std::filesystem::current_path() / "none.bin");
}

TEST(DataSpecTest, refuses_with_a_hint) {
  const auto text = [](const char* spec) {
    return error_text<Error>([&] { static_cast<void>(parse_data_spec(spec)); });
  };
  EXPECT_EQ(text("cifar1:a.bin"),
            "unknown data format 'cifar1' [cifar1:a.bin]. Did you mean 'cifar10' or 'cifar100'?");
  EXPECT_EQ(text("zzzzzzzzz:a"),
            "unknown data format 'zzzzzzzzz' [zzzzzzzzz:a]. Use cifar10, cifar100, npy, coco, "
            "masks, images, folder.");
  EXPECT_EQ(text("test.bin"),
            "a data specification has no format [test.bin]. Write FORMAT:PATH, as in "
            "cifar10:test.bin.");
  EXPECT_EQ(text("cifar10:a.bin,b.bin"),
            "there is no file or folder 'a.bin' [cifar10:a.bin,b.bin]. A comma separates paths: "
            "write '\\,' for a comma in a name.");
  EXPECT_EQ(text("cifar10:~/a.bin"),
            "there is no file or folder '~/a.bin' [cifar10:~/a.bin]. Write the path in full: '~' "
            "is expanded at the start of a word only.");
  EXPECT_EQ(text("cifar10:a,,b"), "a data specification holds an empty path [cifar10:a,,b]");
}

}  // namespace
}  // namespace qsweep
