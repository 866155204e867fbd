#include "src/metrics/detail/cells.h"

#include <algorithm>
#include <numeric>
#include <optional>
#include <set>

namespace qsweep {
namespace detail {
namespace {

bool inside(double area, const AreaRange& range) {
  return area >= range.low && area <= range.high;
}

}  // namespace

double threshold(int t) {
  return t + 1 == kThresholds ? 0.95 : 0.5 + t * ((0.95 - 0.5) / (kThresholds - 1));
}

double recall_point(int r) {
  return r + 1 == kRecallPoints ? 1.0 : r * (1.0 / (kRecallPoints - 1));
}

Judged judge(const Cell& cell, const AreaRange& range, double least_iou) {
  const std::size_t truths = cell.truths.size();
  std::vector<bool> ignored(truths);
  for (std::size_t g = 0; g < truths; ++g)
    ignored[g] = cell.truths[g].crowd || !inside(cell.truths[g].area, range);
  std::vector<std::size_t> order(truths);
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_partition(order.begin(), order.end(), [&](std::size_t g) { return !ignored[g]; });

  Judged judged;
  judged.to_find = std::count(ignored.begin(), ignored.end(), false);
  std::vector<bool> taken(truths, false);
  for (std::size_t d = 0; d < cell.detections.size(); ++d) {
    double best = std::min(least_iou, 1.0 - 1e-10);
    std::optional<std::size_t> match;
    for (const std::size_t g : order) {
      if (taken[g] && !cell.truths[g].crowd) continue;
      if (match && !ignored[*match] && ignored[g]) break;
      const double iou = cell.iou[d * truths + g];
      if (iou < best) continue;
      best = iou;
      match = g;
    }
    if (match) {
      taken[*match] = true;
      judged.fates.push_back(ignored[*match] ? Fate::ignored : Fate::right);
    } else {
      const Box& box = cell.detections[d].box;
      judged.fates.push_back(inside(box.width * box.height, range) ? Fate::wrong : Fate::ignored);
    }
  }
  return judged;
}

Cells make_cells(std::span<const std::int64_t> images,
                 std::span<const std::int32_t> categories,
                 std::span<const TruthBox> truths,
                 std::span<const Detection> detections) {
  const std::set<std::int64_t> known_images(images.begin(), images.end());
  const std::set<std::int32_t> known_categories(categories.begin(), categories.end());
  Cells cells;
  const auto counts = [&](const auto& object) {
    return known_images.contains(object.image) && known_categories.contains(object.category);
  };
  for (const TruthBox& t : truths) {
    if (counts(t)) cells[{t.category, t.image}].truths.push_back(t);
  }
  for (const Detection& d : detections) {
    if (counts(d)) cells[{d.category, d.image}].detections.push_back(d);
  }
  for (auto& [key, cell] : cells) {
    std::stable_sort(cell.detections.begin(), cell.detections.end(),
                     [](const Detection& a, const Detection& b) { return a.score > b.score; });
    if (cell.detections.size() > kMostDetections) cell.detections.resize(kMostDetections);
    for (const Detection& d : cell.detections) {
      for (const TruthBox& t : cell.truths) cell.iou.push_back(box_iou(d.box, t.box, t.crowd));
    }
  }
  return cells;
}

}  // namespace detail

double box_iou(const Box& detection, const Box& truth, bool crowd) {
  const double width = std::min(detection.x + detection.width, truth.x + truth.width) -
                       std::max(detection.x, truth.x);
  const double height = std::min(detection.y + detection.height, truth.y + truth.height) -
                        std::max(detection.y, truth.y);
  if (width <= 0.0 || height <= 0.0) return 0.0;
  const double common = width * height;
  const double own = detection.width * detection.height;
  return common / (crowd ? own : own + truth.width * truth.height - common);
}

}  // namespace qsweep
