#include <fmt/format.h>

#include "src/base/error.h"

#include "io/data/detail/containers.h"
#include "io/data/detail/mapped_file.h"
#include "io/data/detail/pixels.h"

namespace qsweep {

namespace {

constexpr std::size_t kSide = 32;
constexpr std::size_t kPictureBytes = 3 * kSide * kSide;

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
    return static_cast<std::int64_t>(records_.size());
  }
  [[nodiscard]] std::int64_t classes() const override { return format_.classes; }
  [[nodiscard]] std::int64_t label(std::int64_t sample) const override {
    return label_of(record(sample));
  }

  [[nodiscard]] Tensor images(std::span<const std::int64_t> ids) const override {
    Tensor batch = pixels_.make_batch(static_cast<std::int64_t>(ids.size()));
    float* out = batch.mutable_data<float>().data();
    for (const std::int64_t id : ids) {
      const std::byte* picture = sample_bytes(id).data();
      pixels_.convert(reinterpret_cast<const std::uint8_t*>(picture), out);
      out += pixels_.elements();
    }
    return batch;
  }

  [[nodiscard]] ByteView sample_bytes(std::int64_t sample) const override {
    return {record(sample) + format_.label_bytes, kPictureBytes};
  }
  [[nodiscard]] std::string digest() const override { return digest_of(files_); }

 private:
  void add_file(const std::filesystem::path& path) {
    const MappedFile& file = files_.emplace_back(path);
    const ByteView bytes = file.bytes();
    if (bytes.size() % format_.record_bytes() != 0) {
      throw Error(ErrorCode::corrupt_input,
                  fmt::format("the file has {} bytes, which is no multiple of a CIFAR-{} record of "
                              "{} bytes",
                              bytes.size(), format_.classes, format_.record_bytes()),
                  path.string(), "Give the binary version of the data set");
    }
    for (std::size_t at = 0; at < bytes.size(); at += format_.record_bytes()) {
      const std::byte* record = bytes.data() + at;
      if (label_of(record) >= format_.classes) {
        throw Error(ErrorCode::corrupt_input,
                    fmt::format("record {} has label {}, CIFAR-{} has classes 0 to {}",
                                at / format_.record_bytes(), label_of(record), format_.classes,
                                format_.classes - 1),
                    path.string());
      }
      records_.push_back(record);
    }
  }

  [[nodiscard]] const std::byte* record(std::int64_t sample) const {
    QSWEEP_CHECK(sample >= 0 && sample < size());
    return records_[static_cast<std::size_t>(sample)];
  }
  [[nodiscard]] std::int64_t label_of(const std::byte* record) const {
    return std::to_integer<std::int64_t>(record[format_.label_at]);
  }

  CifarFormat format_;
  Pixels pixels_;
  std::vector<MappedFile> files_;
  std::vector<const std::byte*> records_;  ///< into files_, by sample id
};

}  // namespace

std::unique_ptr<Dataset> open_cifar10(const DataSpec& spec, const InputSpec& input) {
  return std::make_unique<Cifar>(kCifar10, spec, input);
}

std::unique_ptr<Dataset> open_cifar100(const DataSpec& spec, const InputSpec& input) {
  return std::make_unique<Cifar>(kCifar100, spec, input);
}

}  // namespace qsweep
