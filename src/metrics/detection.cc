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

#include "src/metrics/detail/cells.h"

namespace qsweep {
namespace {

using namespace detail;

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
constexpr std::array<std::size_t, 3> kLimits = {1, 10, kMostDetections};
constexpr double kHuge = 1e10;
constexpr std::array<AreaRange, 4> kAreas = {AreaRange{0.0, kHuge}, AreaRange{0.0, 32.0 * 32.0},
                                             AreaRange{32.0 * 32.0, 96.0 * 96.0},
                                             AreaRange{96.0 * 96.0, kHuge}};

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
