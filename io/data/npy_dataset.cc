#include <algorithm>
#include <cstring>

#include <fmt/format.h>

#include "src/base/error.h"

#include "io/data/detail/containers.h"
#include "io/data/detail/mapped_file.h"
#include "io/data/detail/pixels.h"
#include "io/data/npy.h"

namespace qsweep {

namespace {

template <class T>
std::vector<std::int64_t> widened(ByteView data) {
  std::vector<std::int64_t> values(data.size() / sizeof(T));
  for (std::size_t i = 0; i < values.size(); ++i) {
    T value{};
    std::memcpy(&value, data.data() + i * sizeof(T), sizeof(T));
    // A u64 over 2^63 turns negative, and is refused. NOLINTNEXTLINE(bugprone-signed-char-misuse)
    values[i] = static_cast<std::int64_t>(value);
  }
  return values;
}

std::vector<std::int64_t> read_labels(const NpyView& view, const std::string& where) {
  if (view.shape.size() != 1) {
    throw Error(ErrorCode::corrupt_input,
                "the labels are " + to_string(view.shape) + ", not one number per image", where);
  }
  switch (view.dtype) {
    case DType::i8:
      return widened<std::int8_t>(view.data);
    case DType::u8:
      return widened<std::uint8_t>(view.data);
    case DType::i16:
      return widened<std::int16_t>(view.data);
    case DType::u16:
      return widened<std::uint16_t>(view.data);
    case DType::i32:
      return widened<std::int32_t>(view.data);
    case DType::u32:
      return widened<std::uint32_t>(view.data);
    case DType::i64:
      return widened<std::int64_t>(view.data);
    case DType::u64:
      return widened<std::uint64_t>(view.data);
    default:
      throw Error(ErrorCode::corrupt_input,
                  fmt::format("the labels are {}, not integers", name_of(view.dtype)), where);
  }
}

/// Classes are labels, and tables are made of them: a label beyond this is damage.
constexpr std::int64_t kMaxLabel = 65'535;

class NpyDataset final : public Dataset {
 public:
  NpyDataset(const DataSpec& spec, const InputSpec& input) {
    for (const std::filesystem::path& path : spec.paths) {
      files_.emplace_back(path);
    }
    const std::string images_path = spec.paths[0].string();
    const std::string labels_path = spec.paths[1].string();
    images_ = parse_npy(files_[0].bytes(), images_path);
    labels_ = read_labels(parse_npy(files_[1].bytes(), labels_path), labels_path);
    if (images_.dtype != DType::f32 && images_.dtype != DType::u8) {
      throw Error(ErrorCode::unsupported, fmt::format("images of {}", name_of(images_.dtype)),
                  images_path, "Save them as float32 or uint8");
    }
    const bool is_nhwc = input.layout == "NHWC";
    if (images_.shape.size() != 4 || element_count(images_.shape) == 0) {
      throw Error(ErrorCode::corrupt_input,
                  fmt::format("the images are {}, not {}", to_string(images_.shape),
                              is_nhwc ? "[N, H, W, C]" : "[N, C, H, W]"),
                  images_path);
    }
    if (images_.shape[0] != size()) {
      throw Error(ErrorCode::mismatch,
                  fmt::format("{} images and {} labels", images_.shape[0], size()), labels_path);
    }
    const auto [low, high] = std::ranges::minmax(labels_);
    if (low < 0 || high > kMaxLabel) {
      throw Error(ErrorCode::corrupt_input,
                  fmt::format("label {} is outside 0 to {}", low < 0 ? low : high, kMaxLabel),
                  labels_path);
    }
    classes_ = high + 1;
    const Shape& s = images_.shape;
    const Extents extents = is_nhwc ? Extents{s[3], s[1], s[2]} : Extents{s[1], s[2], s[3]};
    pixels_ = std::make_unique<Pixels>(
        input, extents, is_nhwc ? Pixels::Storage::interleaved : Pixels::Storage::planar,
        images_path);
  }

  [[nodiscard]] std::int64_t size() const override {
    return static_cast<std::int64_t>(labels_.size());
  }
  [[nodiscard]] std::int64_t classes() const override { return classes_; }
  [[nodiscard]] std::int64_t label(std::int64_t sample) const override {
    QSWEEP_CHECK(sample >= 0 && sample < size());
    return labels_[static_cast<std::size_t>(sample)];
  }

  [[nodiscard]] Tensor images(std::span<const std::int64_t> ids) const override {
    Tensor batch = pixels_->make_batch(static_cast<std::int64_t>(ids.size()));
    float* out = batch.mutable_data<float>().data();
    std::vector<float> aligned(static_cast<std::size_t>(pixels_->elements()));
    for (const std::int64_t id : ids) {
      const ByteView picture = sample_bytes(id);
      if (images_.dtype == DType::u8) {
        pixels_->convert(reinterpret_cast<const std::uint8_t*>(picture.data()), out);
      } else {
        std::memcpy(aligned.data(), picture.data(), picture.size());
        pixels_->convert(aligned.data(), out);
      }
      out += pixels_->elements();
    }
    return batch;
  }

  [[nodiscard]] ByteView sample_bytes(std::int64_t sample) const override {
    QSWEEP_CHECK(sample >= 0 && sample < size());
    const std::size_t bytes =
        static_cast<std::size_t>(pixels_->elements()) * element_bytes(images_.dtype);
    return images_.data.subspan(static_cast<std::size_t>(sample) * bytes, bytes);
  }
  [[nodiscard]] std::string digest() const override { return digest_of(files_); }

 private:
  std::vector<MappedFile> files_;
  NpyView images_;  ///< into files_
  std::vector<std::int64_t> labels_;
  std::int64_t classes_ = 0;
  std::unique_ptr<Pixels> pixels_;
};

}  // namespace

std::unique_ptr<Dataset> open_npy(const DataSpec& spec, const InputSpec& input) {
  if (spec.paths.size() != 2) {
    throw Error(ErrorCode::config, fmt::format("npy data takes 2 files, not {}", spec.paths.size()),
                "npy", "Give the images, then the labels: npy:X.npy,Y.npy");
  }
  return std::make_unique<NpyDataset>(spec, input);
}

}  // namespace qsweep
