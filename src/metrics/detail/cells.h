#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <span>
#include <utility>
#include <vector>

#include "src/metrics/detection.h"

/// COCO's matching of detections and annotated objects, which every figure starts from.
namespace qsweep::detail {

inline constexpr int kThresholds = 10;     ///< IoU .50, .55, ... .95
inline constexpr int kRecallPoints = 101;  ///< recall 0, .01, ... 1
inline constexpr std::size_t kMostDetections = 100;

/// As numpy's linspace(.5, .95, 10) and linspace(0, 1, 101) compute them.
[[nodiscard]] double threshold(int t);
[[nodiscard]] double recall_point(int r);

struct AreaRange {
  double low = 0.0, high = 1e10;
};

/// One category in one image.
struct Cell {
  std::vector<TruthBox> truths;
  std::vector<Detection> detections;  ///< best first, at most kMostDetections
  std::vector<double> iou;            ///< [detection][truth]
};
using Cells = std::map<std::pair<std::int32_t, std::int64_t>, Cell>;  ///< by category, then image

/// Objects of other images and categories are left out.
[[nodiscard]] Cells make_cells(std::span<const std::int64_t> images,
                               std::span<const std::int32_t> categories,
                               std::span<const TruthBox> truths,
                               std::span<const Detection> detections);

/// What a detection turned out to be at one threshold and in one range of areas.
enum class Fate : std::uint8_t { wrong, right, ignored };

struct Judged {
  std::vector<Fate> fates;   ///< by detection of the cell
  std::int64_t to_find = 0;  ///< truths that count
};

/// COCOeval.evaluateImg: detections, best first, take the free truth they overlap most; truths that
/// do not count come last and are taken only when no other fits.
[[nodiscard]] Judged judge(const Cell& cell, const AreaRange& range, double least_iou);

}  // namespace qsweep::detail
