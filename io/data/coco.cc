#include <algorithm>

#include <fmt/format.h>

#include "src/base/error.h"
#include "src/base/hash.h"

#include "io/data/detail/containers.h"
#include "io/data/detail/fitted_pictures.h"
#include "io/data/detection_data.h"

namespace qsweep {
namespace {

class CocoData final : public DetectionData {
 public:
  CocoData(const DataSpec& spec, const InputSpec& input)
      : file_(spec.paths.at(1)),
        annotations_(parse_annotations(file_.bytes(), file_.path().string())),
        pictures_(input, file_.path().string()) {
    FileList opened;
    for (const Annotations::Picture& p : annotations_.pictures)
      opened.add(pictures_, spec.paths[0] / p.file, p.file);
    opened.raise(spec.paths[0].string(),
                 "Give the folder that holds every picture of the annotations");
    for (std::size_t i = 0; i < annotations_.pictures.size(); ++i) {
      pictures_.expect_size(static_cast<std::int64_t>(i), annotations_.pictures[i].width,
                            annotations_.pictures[i].height);
    }
    truths_ = annotations_.truths;
    std::ranges::stable_sort(truths_, {}, &TruthBox::image);
  }

  [[nodiscard]] std::int64_t size() const override {
    return static_cast<std::int64_t>(annotations_.pictures.size());
  }
  [[nodiscard]] std::int64_t classes() const override {
    return static_cast<std::int64_t>(annotations_.categories.size());
  }
  [[nodiscard]] bool has_labels() const override { return false; }
  [[nodiscard]] std::int64_t label(std::int64_t sample) const override {
    throw Error(ErrorCode::config,
                fmt::format("'{}' has objects, not a label", picture_of(sample).file),
                file_.path().string(), "Set task: detection");
  }
  [[nodiscard]] Tensor images(std::span<const std::int64_t> ids) const override {
    return pictures_.batch(ids);
  }
  [[nodiscard]] ByteView sample_bytes(std::int64_t sample) const override {
    return pictures_.file(sample).bytes();
  }
  [[nodiscard]] std::string digest() const override {
    Sha256 hash;
    hash.update(file_.bytes());
    hash.update(digest_of(pictures_.files()));
    return hash.hex();
  }
  [[nodiscard]] std::string decoding() const override { return pictures_.decoding(); }

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
    const MappedFile& file = pictures_.file(sample);
    return decode_picture(file.bytes(), file.path().string());
  }

 private:
  void share(const NodeShare& share) override { pictures_.share(share); }

  [[nodiscard]] const Annotations::Picture& picture_of(std::int64_t sample) const {
    return annotations_.pictures.at(static_cast<std::size_t>(sample));
  }

  MappedFile file_;
  Annotations annotations_;
  FittedPictures pictures_;
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
