#include <algorithm>
#include <map>

#include <fmt/format.h>

#include "src/base/error.h"

#include "io/data/detail/containers.h"
#include "io/data/detail/picture_dataset.h"
#include "io/data/detail/picture_folder.h"
#include "io/data/picture.h"
#include "io/data/segmentation_data.h"

namespace qsweep {
namespace {

constexpr std::uint8_t kIgnored = 255;

/// The path below the folder without its extension, which names picture and mask alike.
std::string name_of(const std::string& path) {
  return std::filesystem::path(path).replace_extension().string();
}

/// Pictures by name.
std::map<std::string, std::string> by_name(const std::filesystem::path& folder,
                                           const FolderList& pictures) {
  std::map<std::string, std::string> found;
  for (const std::string& path : pictures.paths) {
    const auto [other, is_new] = found.emplace(name_of(path), path);
    if (!is_new) {
      throw Error(
          ErrorCode::corrupt_input,
          fmt::format("two pictures are called '{}': {} and {}", other->first, other->second, path),
          folder.string(), "Remove one of them");
    }
  }
  return found;
}

/// A folder of masks and one of pictures, paired by name. What has no partner is left out.
class Masks final : public PictureDataset<SegmentationData> {
 public:
  Masks(const DataSpec& spec, const InputSpec& input)
      : PictureDataset(input, spec.paths.at(0), "Every mask needs a picture of its name") {
    const auto& [images, masks] = std::pair(spec.paths.at(0), spec.paths.at(1));
    const FolderList pictures = files_below(images, picture_types());
    const FolderList labelled = files_below(masks, mask_types());
    if (labelled.paths.empty()) {
      throw Error(ErrorCode::corrupt_input, "the folder holds no mask", masks.string(),
                  "Give masks:IMAGES_DIR,MASKS_DIR; masks are .png files");
    }
    auto picture_of = by_name(images, pictures);
    std::vector<std::string> alone;
    for (const std::string& mask : labelled.paths) {
      const auto picture = picture_of.find(name_of(mask));
      if (picture == picture_of.end()) {
        alone.push_back(mask);
        continue;
      }
      pictures_.add((images / picture->second).string());
      masks_.add((masks / mask).string());
      picture_of.erase(picture);
    }
    if (masks_.size() == 0) {
      throw Error(ErrorCode::corrupt_input, "no picture has a mask of its name", images.string(),
                  fmt::format("Name picture and mask alike, as {}.jpg and {}",
                              name_of(labelled.paths.front()), labelled.paths.front()));
    }
    note_alone(alone, "mask", "picture", masks);
    alone.clear();
    for (const auto& [name, picture] : picture_of) alone.push_back(picture);
    note_alone(alone, "picture", "mask", images);
    for (const auto& [list, folder] : {std::pair(&pictures, &images), {&labelled, &masks}}) {
      if (std::string text = list->left_out.remark(folder->string()); !text.empty())
        remarks_.push_back(std::move(text));
    }
  }

  [[nodiscard]] std::int64_t classes() const override { return 0; }
  [[nodiscard]] bool has_labels() const override { return false; }
  [[nodiscard]] std::int64_t label(std::int64_t) const override {
    throw Error(ErrorCode::config, "pictures with masks have no label", masks_.path(0),
                "Use the task segmentation, or sample without classes");
  }

  [[nodiscard]] std::string sample_name(std::int64_t sample) const override {
    return std::filesystem::path(path(sample)).filename().string();
  }
  [[nodiscard]] std::int64_t height() const override { return pictures_.resize().size.at(0); }
  [[nodiscard]] std::int64_t width() const override { return pictures_.resize().size.at(1); }
  [[nodiscard]] std::string mask_name(std::int64_t sample) const override {
    return masks_.path(static_cast<std::size_t>(sample));
  }

  [[nodiscard]] std::vector<std::uint8_t> mask(std::int64_t sample) const override {
    Mask mask = decode_mask(masks_.read(static_cast<std::size_t>(sample)), mask_name(sample));
    if (mask.height == height() && mask.width == width()) return std::move(mask.labels);
    const PictureSize size = picture_size(sample_bytes(sample), path(sample));
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
  [[nodiscard]] std::string truth_text(std::int64_t sample) const override {
    return fmt::format("{:016x}", masks_.hash(static_cast<std::size_t>(sample)));
  }

  void note_alone(const std::vector<std::string>& alone,
                  const std::string& what,
                  const std::string& partner,
                  const std::filesystem::path& folder) {
    if (alone.empty()) return;
    remarks_.push_back(fmt::format("{} {}{} of {} without a {} {} left out (such as {})",
                                   alone.size(), what, alone.size() == 1 ? "" : "s",
                                   folder.string(), partner, alone.size() == 1 ? "is" : "are",
                                   alone.front()));
  }

  FileSet masks_;
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
