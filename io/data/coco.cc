#include <algorithm>

#include <fmt/format.h>

#include "src/base/error.h"
#include "src/base/hash.h"

#include "io/data/detail/containers.h"
#include "io/data/detail/data_file.h"
#include "io/data/detail/picture_dataset.h"
#include "io/data/detection_data.h"

namespace qsweep {
namespace {

class CocoData final : public PictureDataset<DetectionData> {
 public:
  CocoData(const DataSpec& spec, const InputSpec& input)
      : PictureDataset(
            input, spec.paths.at(0), "Give the folder that holds the pictures of the annotations"),
        file_(spec.paths.at(1).string()) {
    const Bytes json = DataFile(file_).contents();
    digest_ = sha256_hex(json);
    annotations_ = parse_annotations(json, file_);
    remarks_ = annotations_.remarks;
    for (Annotations::Picture& p : annotations_.pictures) {
      const auto sample = size();
      pictures_.add((spec.paths[0] / p.file).string());
      if (p.width == 0) {  // the file does not say
        const PictureSize found = picture_size(sample_bytes(sample), path(sample));
        p.width = found.width;
        p.height = found.height;
      }
      pictures_.expect_size(sample, p.width, p.height);
    }
    truths_ = annotations_.truths;
    std::ranges::stable_sort(truths_, {}, &TruthBox::image);
  }

  [[nodiscard]] std::int64_t classes() const override {
    return static_cast<std::int64_t>(annotations_.categories.size());
  }
  [[nodiscard]] bool has_labels() const override { return false; }
  [[nodiscard]] std::int64_t label(std::int64_t sample) const override {
    throw Error(ErrorCode::config,
                fmt::format("'{}' has objects, not a label", picture_of(sample).file), file_,
                "Set task: detection");
  }
  [[nodiscard]] std::string sample_name(std::int64_t sample) const override {
    return picture_of(sample).file;
  }

  [[nodiscard]] const Annotations& annotations() const override { return annotations_; }
  [[nodiscard]] std::span<const TruthBox> truths(std::int64_t sample) const override {
    const auto before = [](const TruthBox& t, std::int64_t s) { return t.image < s; };
    const auto first = std::lower_bound(truths_.begin(), truths_.end(), sample, before);
    const auto last = std::lower_bound(first, truths_.end(), sample + 1, before);
    return {first, last};
  }
  [[nodiscard]] Placement placement(std::int64_t sample) const override {
    return place(pictures_.resize(), picture_of(sample).width, picture_of(sample).height);
  }
  [[nodiscard]] Picture picture(std::int64_t sample) const override {
    return pictures_.picture(sample);
  }

 private:
  /// All annotations belong to each sample: categories and ids are of the file as a whole.
  [[nodiscard]] std::string truth_text(std::int64_t) const override { return digest_; }

  [[nodiscard]] const Annotations::Picture& picture_of(std::int64_t sample) const {
    return annotations_.pictures.at(static_cast<std::size_t>(sample));
  }

  std::string file_;
  std::string digest_;  ///< of the file
  Annotations annotations_;
  std::vector<TruthBox> truths_;  ///< by sample
};

}  // namespace

std::unique_ptr<Dataset> open_coco(const DataSpec& spec, const InputSpec& input) {
  if (spec.paths.size() != 2) {
    throw Error(ErrorCode::config,
                fmt::format("coco data takes a folder and a file, not {} paths", spec.paths.size()),
                "coco", "Write coco:IMAGES_DIR,ANNOTATIONS.json");
  }
  return std::make_unique<CocoData>(spec, input);
}

}  // namespace qsweep
