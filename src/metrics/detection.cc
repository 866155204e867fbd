#include "src/metrics/detection.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <limits>
#include <map>
#include <numeric>
#include <optional>
#include <set>
#include <utility>

namespace qsweep {
namespace {

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
constexpr int kThresholds = 10;     ///< IoU .50, .55, ... .95
constexpr int kRecallPoints = 101;  ///< recall 0, .01, ... 1
constexpr std::size_t kMostDetections = 100;
constexpr std::array<std::size_t, 3> kLimits = {1, 10, kMostDetections};

struct AreaRange {
  double low, high;
};
constexpr double kHuge = 1e10;
constexpr std::array<AreaRange, 4> kAreas = {AreaRange{0.0, kHuge}, AreaRange{0.0, 32.0 * 32.0},
                                             AreaRange{32.0 * 32.0, 96.0 * 96.0},
                                             AreaRange{96.0 * 96.0, kHuge}};

/// As numpy's linspace(.5, .95, 10) and linspace(0, 1, 101) compute them.
double threshold(int t) {
  return t + 1 == kThresholds ? 0.95 : 0.5 + t * ((0.95 - 0.5) / (kThresholds - 1));
}
double recall_point(int r) {
  return r + 1 == kRecallPoints ? 1.0 : r * (1.0 / (kRecallPoints - 1));
}

/// One category in one image.
struct Cell {
  std::vector<TruthBox> truths;
  std::vector<Detection> detections;  ///< best first, at most kMostDetections
  std::vector<double> iou;            ///< [detection][truth]
};

/// What a detection turned out to be at one threshold and in one range of areas.
enum class Fate : std::uint8_t { wrong, right, ignored };

struct Judged {
  std::vector<Fate> fates;   ///< by detection of the cell
  std::int64_t to_find = 0;  ///< truths that count
};

bool inside(double area, const AreaRange& range) {
  return area >= range.low && area <= range.high;
}

/// COCOeval.evaluateImg: detections, best first, take the free truth they overlap most; truths that
/// do not count come last and are taken only when no other fits.
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

/// Precision at the recall points, and the final recall.
struct Curve {
  std::array<double, kRecallPoints> precision{};
  double recall = 0.0;
};

/// COCOeval.accumulate for one category, threshold, range and limit; nothing without truths.
std::optional<Curve> trace_curve(const std::vector<const Cell*>& cells,
                                 const std::vector<Judged>& judged,
                                 std::size_t limit) {
  struct Scored {
    float score;
    Fate fate;
  };
  std::vector<Scored> all;
  std::int64_t to_find = 0;
  for (std::size_t c = 0; c < cells.size(); ++c) {
    to_find += judged[c].to_find;
    const std::size_t n = std::min(limit, cells[c]->detections.size());
    for (std::size_t d = 0; d < n; ++d)
      all.push_back({cells[c]->detections[d].score, judged[c].fates[d]});
  }
  if (to_find == 0) return std::nullopt;
  std::stable_sort(all.begin(), all.end(),
                   [](const Scored& a, const Scored& b) { return a.score > b.score; });

  std::vector<double> recall, precision;
  double right = 0.0, wrong = 0.0;
  for (const Scored& s : all) {
    right += s.fate == Fate::right ? 1.0 : 0.0;
    wrong += s.fate == Fate::wrong ? 1.0 : 0.0;
    recall.push_back(right / static_cast<double>(to_find));
    precision.push_back(right / (right + wrong + std::numeric_limits<double>::epsilon()));
  }
  for (std::size_t i = precision.size(); i-- > 1;)
    precision[i - 1] = std::max(precision[i - 1], precision[i]);
  Curve curve;
  if (!recall.empty()) curve.recall = recall.back();
  for (int r = 0; r < kRecallPoints; ++r) {
    const auto at = std::lower_bound(recall.begin(), recall.end(), recall_point(r));
    if (at == recall.end()) break;
    curve.precision[static_cast<std::size_t>(r)] =
        precision[static_cast<std::size_t>(at - recall.begin())];
  }
  return curve;
}

class Mean {
 public:
  void add(double value) {
    sum_ += value;
    ++count_;
  }
  [[nodiscard]] double value() const {
    return count_ == 0 ? kNan : sum_ / static_cast<double>(count_);
  }

 private:
  double sum_ = 0.0;
  std::int64_t count_ = 0;
};

double mean_precision(const Curve& curve) {
  return std::accumulate(curve.precision.begin(), curve.precision.end(), 0.0) / kRecallPoints;
}

using Cells = std::map<std::pair<std::int32_t, std::int64_t>, Cell>;  ///< by category, then image

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

/// Precision, recall and F1 of the detections that a user would see.
void add_operating_point(const Cells& cells, double least_score, DetectionSummary& summary) {
  double right = 0.0, wrong = 0.0, to_find = 0.0;
  for (const auto& [key, cell] : cells) {
    const Judged judged = judge(cell, kAreas[0], threshold(0));
    to_find += static_cast<double>(judged.to_find);
    for (std::size_t d = 0; d < cell.detections.size(); ++d) {
      if (static_cast<double>(cell.detections[d].score) < least_score) continue;
      right += judged.fates[d] == Fate::right ? 1.0 : 0.0;
      wrong += judged.fates[d] == Fate::wrong ? 1.0 : 0.0;
    }
  }
  summary.precision = right + wrong > 0.0 ? right / (right + wrong) : 0.0;
  summary.recall = to_find > 0.0 ? right / to_find : kNan;
  const double both = right + wrong + to_find;
  summary.f1 = both > 0.0 ? 2.0 * right / both : kNan;
}

}  // namespace

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

DetectionSummary summarize_detections(std::span<const std::int64_t> images,
                                      std::span<const std::int32_t> categories,
                                      std::span<const TruthBox> truths,
                                      std::span<const Detection> detections,
                                      double operating_score) {
  const Cells cells = make_cells(images, categories, truths, detections);
  std::array<Mean, kAreas.size()> precision, recall;
  Mean precision50, precision75;
  std::array<Mean, kLimits.size()> recall_at;
  DetectionSummary summary;
  const std::set<std::int32_t> sorted(categories.begin(), categories.end());
  for (const std::int32_t category : sorted) {
    std::vector<const Cell*> own;
    const auto first = cells.lower_bound({category, std::numeric_limits<std::int64_t>::min()});
    for (auto at = first; at != cells.end() && at->first.first == category; ++at)
      own.push_back(&at->second);
    Mean ap, ap50;
    for (std::size_t area = 0; area < kAreas.size(); ++area) {
      for (int t = 0; t < kThresholds; ++t) {
        std::vector<Judged> judged;
        for (const Cell* cell : own) judged.push_back(judge(*cell, kAreas[area], threshold(t)));
        const std::optional<Curve> curve = trace_curve(own, judged, kMostDetections);
        if (!curve) continue;
        const double value = mean_precision(*curve);
        precision[area].add(value);
        recall[area].add(curve->recall);
        if (area != 0) continue;
        ap.add(value);
        if (t == 0) ap50.add(value);
        if (t == 0) precision50.add(value);
        if (t == 5) precision75.add(value);
        for (std::size_t l = 0; l < kLimits.size(); ++l)
          recall_at[l].add(trace_curve(own, judged, kLimits[l])->recall);
      }
    }
    CategorySummary c{.category = category, .ap = ap.value(), .ap50 = ap50.value()};
    for (const Cell* cell : own)
      c.truths += std::count_if(cell->truths.begin(), cell->truths.end(),
                                [](const TruthBox& t) { return !t.crowd; });
    summary.categories.push_back(c);
  }
  summary.map = precision[0].value();
  summary.map50 = precision50.value();
  summary.map75 = precision75.value();
  summary.map_small = precision[1].value();
  summary.map_medium = precision[2].value();
  summary.map_large = precision[3].value();
  summary.ar1 = recall_at[0].value();
  summary.ar10 = recall_at[1].value();
  summary.ar100 = recall_at[2].value();
  summary.ar_small = recall[1].value();
  summary.ar_medium = recall[2].value();
  summary.ar_large = recall[3].value();
  add_operating_point(cells, operating_score, summary);
  return summary;
}

}  // namespace qsweep
