#include <algorithm>
#include <map>

#include <fmt/format.h>

#include "src/base/error.h"
#include "src/base/hash.h"

#include "io/data/detail/containers.h"
#include "io/data/detail/fitted_pictures.h"
#include "io/data/detail/picture_folder.h"
#include "io/data/picture.h"
#include "io/data/segmentation_data.h"

namespace qsweep {
namespace {

constexpr std::uint8_t kIgnored = 255;

/// A folder of masks and one of pictures, paired by the names without extension; pictures without a
/// mask are left out.
class Masks final : public SegmentationData {
 public:
  Masks(const DataSpec& spec, const InputSpec& input)
      : pictures_(input, spec.paths.at(0).string()) {
    std::map<std::string, std::filesystem::path> by_name;
    for (const auto& path : picture_files(spec.paths.at(0))) by_name[path.stem().string()] = path;
    FileList opened;
    for (const auto& path : picture_files(spec.paths.at(1))) {
      const auto found = by_name.find(path.stem().string());
      masks_.emplace_back(path);
      opened.add(pictures_, found == by_name.end() ? spec.paths.at(0) / path.stem() : found->second,
                 path.stem().string());
    }
    opened.raise(spec.paths.at(0).string(), "Every mask needs a picture of its name");
    if (masks_.empty()) {
      throw Error(ErrorCode::corrupt_input, "the folder holds no mask", spec.paths.at(1).string(),
                  "Give masks:IMAGES_DIR,MASKS_DIR");
    }
  }

  [[nodiscard]] std::int64_t size() const override {
    return static_cast<std::int64_t>(masks_.size());
  }
  [[nodiscard]] std::int64_t classes() const override { return 0; }
  [[nodiscard]] bool has_labels() const override { return false; }
  [[nodiscard]] std::int64_t label(std::int64_t) const override {
    throw Error(ErrorCode::config, "pictures with masks have no label",
                masks_.front().path().string(),
                "Use the task segmentation, or sample without classes");
  }
  [[nodiscard]] Tensor images(std::span<const std::int64_t> ids) const override {
    return pictures_.batch(ids);
  }
  [[nodiscard]] ByteView sample_bytes(std::int64_t sample) const override {
    return pictures_.file(sample).bytes();
  }
  [[nodiscard]] std::string digest() const override {
    return sha256_hex(digest_of(pictures_.files()) + digest_of(masks_));
  }
  [[nodiscard]] std::string decoding() const override { return pictures_.decoding(); }

  [[nodiscard]] std::int64_t height() const override { return pictures_.resize().size.at(0); }
  [[nodiscard]] std::int64_t width() const override { return pictures_.resize().size.at(1); }
  [[nodiscard]] std::string mask_name(std::int64_t sample) const override {
    return masks_.at(static_cast<std::size_t>(sample)).path().string();
  }

  [[nodiscard]] std::vector<std::uint8_t> mask(std::int64_t sample) const override {
    Mask mask = decode_mask(masks_.at(static_cast<std::size_t>(sample)).bytes(), mask_name(sample));
    if (mask.height == height() && mask.width == width()) return std::move(mask.labels);
    const MappedFile& file = pictures_.file(sample);
    const PictureSize size = picture_size(file.bytes(), file.path().string());
    if (mask.height != size.height || mask.width != size.width) {
      throw Error(ErrorCode::mismatch,
                  fmt::format("the mask is {} x {}, its picture {} x {} and the model's input {} x "
                              "{}",
                              mask.width, mask.height, size.width, size.height, width(), height()),
                  mask_name(sample), "A mask has its picture's size, or the input's");
    }
    // Fitted as its picture is, but labels are never mixed.
    ResizeSpec spec = pictures_.resize();
    spec.interpolation = "nearest";
    spec.pad = kIgnored;
    Picture labels{mask.width, mask.height, {}};
    labels.rgb.reserve(3 * mask.labels.size());
    for (const std::uint8_t label : mask.labels) labels.rgb.insert(labels.rgb.end(), 3, label);
    labels = fit(labels, spec);
    std::vector<std::uint8_t> fitted(labels.rgb.size() / 3);
    for (std::size_t i = 0; i < fitted.size(); ++i) fitted[i] = labels.rgb[3 * i];
    return fitted;
  }

 private:
  void share(const NodeShare& share) override { pictures_.share(share); }

  FittedPictures pictures_;
  std::vector<MappedFile> masks_;
};

}  // namespace

std::unique_ptr<Dataset> open_masks(const DataSpec& spec, const InputSpec& input) {
  if (spec.paths.size() != 2) {
    throw Error(ErrorCode::config,
                fmt::format("masks data takes 2 folders, not {}", spec.paths.size()), "masks",
                "Give the pictures, then the masks: masks:IMAGES_DIR,MASKS_DIR");
  }
  return std::make_unique<Masks>(spec, input);
}

}  // namespace qsweep
