#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "src/base/bytes.h"

#include "src/metrics/detection.h"

#include "io/data/dataset.h"
#include "io/data/picture.h"

namespace qsweep {

/// The part of a COCO instances file that detection needs. Pictures by ascending id and categories
/// by ascending id, as the COCO tools order them; truths refer to both by index.
struct Annotations {
  struct Picture {
    std::int64_t id = 0;
    std::string file;
    std::int64_t width = 0, height = 0;  ///< 0 where the file does not say
    friend bool operator==(const Picture&, const Picture&) = default;
  };
  struct Category {
    std::int64_t id = 0;
    std::string name;
    friend bool operator==(const Category&, const Category&) = default;
  };
  std::vector<Picture> pictures;
  std::vector<Category> categories;
  std::vector<TruthBox> truths;      ///< in file order
  std::vector<std::string> remarks;  ///< about what was left out
};

/// Reads `images`, `categories` and `annotations` (bbox, area, iscrowd) of a COCO instances file;
/// the rest, segmentations too, is passed over. As pycocotools evaluates it: objects of pictures or
/// categories that are not listed do not count, whole numbers may be written 7.0. Without `area` it
/// is the box's, without `iscrowd` 0, without a category's name its id.
/// @throws Error(corrupt_input) naming the place (`annotations[17].bbox`) of what is missing or of
/// the wrong type.
[[nodiscard]] Annotations parse_annotations(ByteView json, const std::string& where);

/// Pictures with boxes around their objects. Samples have no label; classes() counts the
/// categories.
class DetectionData : public Dataset {
 public:
  [[nodiscard]] virtual const Annotations& annotations() const = 0;
  /// The objects of a sample; `image` is the sample, `category` an index.
  [[nodiscard]] virtual std::span<const TruthBox> truths(std::int64_t sample) const = 0;
  /// Where the sample's picture lies in the model's input.
  [[nodiscard]] virtual Placement placement(std::int64_t sample) const = 0;
  /// The picture itself, decoded anew.
  [[nodiscard]] virtual Picture picture(std::int64_t sample) const = 0;
};

}  // namespace qsweep
