#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <optional>

#include <fmt/format.h>

#include "src/base/error.h"

#include "src/quant/float_codes.h"

#include "io/data/detail/containers.h"
#include "io/data/detail/data_file.h"
#include "io/data/detail/pixels.h"
#include "io/data/npy.h"

namespace qsweep {

namespace {

/// A float16, that has no type of its own.
struct Half {
  std::uint16_t bits;
};
template <class T>
float to_float(T value) {
  return static_cast<float>(value);
}
float to_float(Half value) {
  return half_to_float(value.bits);
}

/// Calls `take` with a value of the type that `dtype` names. @return false where it names no number
template <class Take>
bool with_type(DType dtype, const Take& take) {
  switch (dtype) {
    case DType::f32:
      return take(float{}), true;
    case DType::f64:
      return take(double{}), true;
    case DType::f16:
      return take(Half{}), true;
    case DType::i8:
      return take(std::int8_t{}), true;
    case DType::u8:
    case DType::boolean:
      return take(std::uint8_t{}), true;
    case DType::i16:
      return take(std::int16_t{}), true;
    case DType::u16:
      return take(std::uint16_t{}), true;
    case DType::i32:
      return take(std::int32_t{}), true;
    case DType::u32:
      return take(std::uint32_t{}), true;
    case DType::i64:
      return take(std::int64_t{}), true;
    case DType::u64:
      return take(std::uint64_t{}), true;
    default:
      return false;
  }
}

/// Calls `take(index, value)` for each element.
template <class T, class Take>
void for_each_value(ByteView elements, const Take& take) {
  for (std::size_t i = 0; i < elements.size() / sizeof(T); ++i) {
    T value;
    std::memcpy(&value, elements.data() + i * sizeof(T), sizeof(T));
    take(i, value);
  }
}

/// Classes are labels, and tables are made of them: a label beyond this is damage.
constexpr std::int64_t kMaxLabel = 65'535;

/// Whole numbers of any type, [N] or [N, 1].
std::vector<std::int64_t> read_labels(const std::filesystem::path& path) {
  const Tensor tensor = read_npy(path);
  const Shape& shape = tensor.shape();
  if (shape.empty() || tensor.size() != shape[0]) {
    throw Error(ErrorCode::corrupt_input,
                "the labels are " + to_string(shape) + ", not one number per image", path.string(),
                shape.size() == 2 ? "Save the class of each image, as labels.argmax(1)" : "");
  }
  std::vector<std::int64_t> labels(static_cast<std::size_t>(tensor.size()));
  const ByteView elements{static_cast<const std::byte*>(tensor.raw()), tensor.bytes()};
  static_cast<void>(with_type(tensor.dtype(), [&](auto type) {
    for_each_value<decltype(type)>(elements, [&](std::size_t i, auto value) {
      const auto refuse = [&](const auto& shown, const char* problem) {
        throw Error(ErrorCode::corrupt_input,
                    fmt::format("label {} (of image {}) {}", shown, i, problem), path.string());
      };
      if constexpr (std::is_same_v<decltype(value), std::uint64_t>) {
        if (value > static_cast<std::uint64_t>(kMaxLabel)) refuse(value, "is outside 0 to 65535");
        labels[i] = static_cast<std::int64_t>(value);
      } else if constexpr (std::is_integral_v<decltype(value)>) {
        labels[i] = value;  // NOLINT(bugprone-signed-char-misuse)
      } else {
        const auto number = static_cast<double>(to_float(value));
        if (!(std::fabs(number) <= 1e9) || number != std::trunc(number))
          refuse(number, "is no whole number");
        labels[i] = static_cast<std::int64_t>(number);
      }
      if (labels[i] < 0 || labels[i] > kMaxLabel) refuse(labels[i], "is outside 0 to 65535");
    });
  }));
  return labels;
}

/// True where no value is NaN or infinite; a loop that vectorises.
bool are_finite(std::span<const float> values) {
  constexpr std::uint32_t kExponent = 0x7F800000U;
  std::uint32_t found = 0;
  for (const float v : values)
    found |= (std::bit_cast<std::uint32_t>(v) & kExponent) == kExponent ? 1U : 0U;
  return found == 0;
}

class NpyDataset final : public Dataset {
 public:
  NpyDataset(const DataSpec& spec, const InputSpec& input)
      : file_(spec.paths[0]), header_(read_header(file_)), labels_(read_labels(spec.paths[1])) {
    const std::string images_path = spec.paths[0].string();
    const std::string labels_path = spec.paths[1].string();
    const Shape& s = header_.shape;
    const bool is_nhwc = input.layout == "NHWC";
    if (s.size() != 4 || header_.elements == 0) {
      throw Error(ErrorCode::corrupt_input,
                  fmt::format("the images are {}, not {}", to_string(s),
                              is_nhwc ? "[N, H, W, C]" : "[N, C, H, W]"),
                  images_path);
    }
    if (s[0] != size()) {
      throw Error(ErrorCode::mismatch, fmt::format("{} images and {} labels", s[0], size()),
                  labels_path);
    }
    classes_ = std::ranges::max(labels_) + 1;
    const Extents extents = is_nhwc ? Extents{s[3], s[1], s[2]} : Extents{s[1], s[2], s[3]};
    pixels_ = std::make_unique<Pixels>(
        input, extents, is_nhwc ? Pixels::Storage::interleaved : Pixels::Storage::planar,
        images_path);
    // A sample's values are spread over the whole file.
    if (header_.is_fortran) held_ = parse_npy(file_.contents(), images_path);
  }

  [[nodiscard]] std::int64_t size() const override {
    return static_cast<std::int64_t>(labels_.size());
  }
  [[nodiscard]] std::int64_t classes() const override { return classes_; }
  [[nodiscard]] std::int64_t label(std::int64_t sample) const override {
    return labels_.at(static_cast<std::size_t>(sample));
  }

  [[nodiscard]] Tensor images(std::span<const std::int64_t> ids) const override {
    Tensor batch = pixels_->make_batch(static_cast<std::int64_t>(ids.size()));
    float* out = batch.mutable_data<float>().data();
    Bytes picture(sample_size());
    std::vector<float> values(static_cast<std::size_t>(pixels_->elements()));
    for (const std::int64_t id : ids) {
      read_picture(id, picture);
      if (header_.dtype == DType::u8 || header_.dtype == DType::boolean) {
        pixels_->convert(reinterpret_cast<const std::uint8_t*>(picture.data()), out);
      } else {
        static_cast<void>(with_type(header_.dtype, [&](auto type) {
          for_each_value<decltype(type)>(
              picture, [&](std::size_t i, auto value) { values[i] = to_float(value); });
        }));
        if (!are_finite(values)) refuse(id, values);
        pixels_->convert(values.data(), out);
      }
      out += pixels_->elements();
    }
    return batch;
  }

  [[nodiscard]] Bytes sample_bytes(std::int64_t sample) const override {
    Bytes picture(sample_size());
    read_picture(sample, picture);
    return picture;
  }

 private:
  static NpyHeader read_header(const DataFile& file) {
    Bytes beginning(std::min(file.size(), kMostNpyHeader));
    file.read(0, beginning);
    return parse_npy_header(beginning, file.size(), file.path().string());
  }

  [[nodiscard]] std::size_t sample_size() const {
    return static_cast<std::size_t>(pixels_->elements()) * element_bytes(header_.dtype);
  }

  /// @param to sample_size() bytes
  void read_picture(std::int64_t sample, std::span<std::byte> to) const {
    QSWEEP_CHECK(sample >= 0 && sample < size());
    const std::size_t offset = static_cast<std::size_t>(sample) * sample_size();
    if (held_) {
      std::memcpy(to.data(), static_cast<const std::byte*>(held_->raw()) + offset, to.size());
      return;
    }
    file_.read(header_.data_offset + offset, to);
    to_native(to, header_);
  }

  [[noreturn]] void refuse(std::int64_t sample, std::span<const float> values) const {
    const auto wrong = std::ranges::find_if(values, [](float v) { return !std::isfinite(v); });
    throw Error(
        ErrorCode::numeric,
        fmt::format("image {} holds {} (element {})", sample, *wrong, wrong - values.begin()),
        file_.path().string(), "Give images whose values are all finite as float32");
  }

  DataFile file_;
  NpyHeader header_;
  std::optional<Tensor> held_;  ///< the images, where they cannot be read one by one
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
