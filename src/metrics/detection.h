#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace qsweep {

/// Left, top, width and height in pixels of the original picture.
struct Box {
  double x = 0.0, y = 0.0, width = 0.0, height = 0.0;
  friend bool operator==(const Box&, const Box&) = default;
};

/// One object that a model reports.
struct Detection {
  std::int64_t image = 0;
  std::int32_t category = 0;
  float score = 0.0f;
  Box box;
  friend bool operator==(const Detection&, const Detection&) = default;
};

/// One annotated object. A crowd region is neither to be found nor wrong to hit.
struct TruthBox {
  std::int64_t image = 0;
  std::int32_t category = 0;
  Box box;
  double area = 0.0;  ///< of the segmentation, as COCO files give it; decides the size class
  bool crowd = false;
};

/// Intersection over union; for a crowd region, intersection over the detection's area.
[[nodiscard]] double box_iou(const Box& detection, const Box& truth, bool crowd);

/// Figures of a category. NaN where the category has no annotated object.
struct CategorySummary {
  std::int32_t category = 0;
  std::int64_t truths = 0;  ///< crowds not counted
  double ap = 0.0;          ///< over IoU .50:.95
  double ap50 = 0.0;
};

/// COCO's detection metrics (area under the 101-point interpolated precision-recall curve, mean
/// over categories; up to 100 detections per image and category), the numbers of pycocotools'
/// COCOeval. NaN where nothing is annotated (pycocotools prints -1).
struct DetectionSummary {
  double map = 0.0, map50 = 0.0, map75 = 0.0;
  double map_small = 0.0, map_medium = 0.0, map_large = 0.0;  ///< areas cut at 32^2 and 96^2
  double ar1 = 0.0, ar10 = 0.0, ar100 = 0.0;  ///< mean recall with so many detections per image
  double ar_small = 0.0, ar_medium = 0.0, ar_large = 0.0;
  std::vector<CategorySummary> categories;
  /// Of the detections with at least `operating_score`, at IoU .50 (R174).
  double precision = 0.0, recall = 0.0, f1 = 0.0;
};

/// @param images     every evaluated image, also those without objects
/// @param categories every category that counts
/// @param detections of these images and categories; others are left out. Their order does not
///                   matter except among equal scores of one image, where the earlier comes first
[[nodiscard]] DetectionSummary summarize_detections(std::span<const std::int64_t> images,
                                                    std::span<const std::int32_t> categories,
                                                    std::span<const TruthBox> truths,
                                                    std::span<const Detection> detections,
                                                    double operating_score = 0.25);

/// The bootstrap of mAP over pictures (Efron 1979): mAP of `resamples` sets, each of as many
/// pictures drawn with replacement. The draws depend on the seed and the number of pictures alone,
/// so the r-th figures of two models on the same pictures are a pair. Detections are matched once;
/// a resample only weighs the pictures.
[[nodiscard]] std::vector<double> resample_map(std::span<const std::int64_t> images,
                                               std::span<const std::int32_t> categories,
                                               std::span<const TruthBox> truths,
                                               std::span<const Detection> detections,
                                               std::int64_t resamples,
                                               std::uint64_t seed);

/// How far two models report the same objects: 2 m / (n_a + n_b) for n detections of at least
/// `operating_score` each, of which m pair up (same picture and category, best first, IoU at least
/// .50); 1 when neither reports any. @param a, b by falling score within a picture
[[nodiscard]] double detection_agreement(std::span<const Detection> a,
                                         std::span<const Detection> b,
                                         double operating_score = 0.25);

}  // namespace qsweep
