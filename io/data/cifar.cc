#include <algorithm>

#include <fmt/format.h>

#include "src/base/error.h"

#include "io/data/detail/containers.h"
#include "io/data/detail/data_file.h"
#include "io/data/detail/pixels.h"

namespace qsweep {

namespace {

constexpr std::size_t kSide = 32;
constexpr std::size_t kPictureBytes = 3 * kSide * kSide;
/// Read at once when the labels are gathered.
constexpr std::uint64_t kRecordsAtOnce = 256;

/// What tells CIFAR-10 from CIFAR-100: the bytes before a picture (Krizhevsky 2009).
struct CifarFormat {
  std::size_t label_bytes;
  std::size_t label_at;  ///< of the label that counts
  std::int64_t classes;
  [[nodiscard]] std::size_t record_bytes() const { return label_bytes + kPictureBytes; }
};
constexpr CifarFormat kCifar10{.label_bytes = 1, .label_at = 0, .classes = 10};
constexpr CifarFormat kCifar100{.label_bytes = 2, .label_at = 1, .classes = 100};  // coarse, fine

class Cifar final : public Dataset {
 public:
  Cifar(CifarFormat format, const DataSpec& spec, const InputSpec& input)
      : format_(format),
        pixels_(input,
                {.channels = 3, .height = kSide, .width = kSide},
                Pixels::Storage::planar,
                spec.paths.front().string()) {
    for (const std::filesystem::path& path : spec.paths) {
      add_file(path);
    }
  }

  [[nodiscard]] std::int64_t size() const override {
    return static_cast<std::int64_t>(labels_.size());
  }
  [[nodiscard]] std::int64_t classes() const override { return format_.classes; }
  [[nodiscard]] bool declares_classes() const override { return true; }
  [[nodiscard]] std::int64_t label(std::int64_t sample) const override {
    return labels_.at(static_cast<std::size_t>(sample));
  }

  [[nodiscard]] Tensor images(std::span<const std::int64_t> ids) const override {
    Tensor batch = pixels_.make_batch(static_cast<std::int64_t>(ids.size()));
    float* out = batch.mutable_data<float>().data();
    Bytes picture(kPictureBytes);
    for (const std::int64_t id : ids) {
      read_picture(id, picture);
      pixels_.convert(reinterpret_cast<const std::uint8_t*>(picture.data()), out);
      out += pixels_.elements();
    }
    return batch;
  }

  [[nodiscard]] Bytes sample_bytes(std::int64_t sample) const override {
    Bytes picture(kPictureBytes);
    read_picture(sample, picture);
    return picture;
  }

 private:
  struct File {
    DataFile bytes;
    std::int64_t first;  ///< sample
  };

  void add_file(const std::filesystem::path& path) {
    const DataFile& file = files_.emplace_back(File{DataFile(path), size()}).bytes;
    const std::size_t record = format_.record_bytes();
    if (file.size() % record != 0) {
      throw Error(ErrorCode::corrupt_input,
                  fmt::format("the file has {} bytes, which is no multiple of a CIFAR-{} record of "
                              "{} bytes",
                              file.size(), format_.classes, record),
                  path.string(), "Give the binary version of the data set");
    }
    const std::uint64_t records = file.size() / record;
    Bytes some;
    for (std::uint64_t at = 0; at < records; at += kRecordsAtOnce) {
      some.resize(std::min(kRecordsAtOnce, records - at) * record);
      file.read(at * record, some);
      for (std::size_t i = 0; i < some.size() / record; ++i) {
        const auto label = std::to_integer<std::uint8_t>(some[i * record + format_.label_at]);
        if (label >= format_.classes) {
          throw Error(ErrorCode::corrupt_input,
                      fmt::format("record {} has label {}, CIFAR-{} has classes 0 to {}", at + i,
                                  label, format_.classes, format_.classes - 1),
                      path.string());
        }
        labels_.push_back(label);
      }
    }
  }

  void read_picture(std::int64_t sample, std::span<std::byte> to) const {
    QSWEEP_CHECK(sample >= 0 && sample < size());
    const auto after = std::ranges::upper_bound(files_, sample, {}, &File::first);
    const File& file = *std::prev(after);
    const auto record = static_cast<std::uint64_t>(sample - file.first);
    file.bytes.read(record * format_.record_bytes() + format_.label_bytes, to);
  }

  CifarFormat format_;
  Pixels pixels_;
  std::vector<File> files_;
  std::vector<std::uint8_t> labels_;  ///< by sample
};

}  // namespace

std::unique_ptr<Dataset> open_cifar10(const DataSpec& spec, const InputSpec& input) {
  return std::make_unique<Cifar>(kCifar10, spec, input);
}

std::unique_ptr<Dataset> open_cifar100(const DataSpec& spec, const InputSpec& input) {
  return std::make_unique<Cifar>(kCifar100, spec, input);
}

}  // namespace qsweep
