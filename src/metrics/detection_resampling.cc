#include <algorithm>
#include <array>
#include <map>
#include <optional>
#include <set>
#include <utility>

#include "src/base/random.h"

#include "src/metrics/detail/cells.h"
#include "src/metrics/detection.h"

namespace qsweep {
namespace {

using namespace detail;

/// A category with everything a resample needs: detections of all pictures, best first.
struct Category {
  std::vector<std::uint32_t> picture;                           ///< by detection
  std::array<std::vector<std::uint32_t>, kThresholds> judged;   ///< right or ignored, ascending
  std::array<std::vector<bool>, kThresholds> is_right;          ///< of those
  std::vector<std::pair<std::uint32_t, std::int64_t>> to_find;  ///< picture, truths that count
};

Category make_category(std::span<const std::pair<std::uint32_t, const Cell*>> cells) {
  struct Entry {
    float score;
    std::uint32_t picture;
    std::array<Fate, kThresholds> fates;
  };
  std::vector<Entry> entries;
  Category c;
  for (const auto& [picture, cell] : cells) {
    const std::size_t first = entries.size();
    for (const Detection& d : cell->detections) entries.push_back({d.score, picture, {}});
    for (int t = 0; t < kThresholds; ++t) {
      const Judged judged = judge(*cell, {}, threshold(t));
      for (std::size_t d = 0; d < judged.fates.size(); ++d)
        entries[first + d].fates[static_cast<std::size_t>(t)] = judged.fates[d];
      if (t == 0 && judged.to_find > 0) c.to_find.emplace_back(picture, judged.to_find);
    }
  }
  std::ranges::stable_sort(entries,
                           [](const Entry& a, const Entry& b) { return a.score > b.score; });
  for (std::uint32_t d = 0; d < entries.size(); ++d) {
    c.picture.push_back(entries[d].picture);
    for (std::size_t t = 0; t < kThresholds; ++t) {
      if (entries[d].fates[t] == Fate::wrong) continue;
      c.judged[t].push_back(d);
      c.is_right[t].push_back(entries[d].fates[t] == Fate::right);
    }
  }
  // Nothing behind the last right detection changes a figure.
  std::size_t used = 0;
  for (const auto& judged : c.judged)
    if (!judged.empty()) used = std::max<std::size_t>(used, judged.back() + 1);
  c.picture.resize(used);
  return c;
}

/// Average precision of one category with pictures counted so many times; buffers are kept between
/// calls.
class WeightedPrecision {
 public:
  /// @return the mean over thresholds, or nothing when there is no object to find
  std::optional<double> operator()(const Category& c, std::span<const std::int32_t> weight) {
    std::int64_t to_find = 0;
    for (const auto& [picture, truths] : c.to_find) to_find += truths * weight[picture];
    if (to_find == 0) return std::nullopt;
    before_.resize(c.picture.size());
    std::int64_t total = 0;
    for (std::size_t d = 0; d < c.picture.size(); ++d) before_[d] = total += weight[c.picture[d]];
    double sum = 0.0;
    for (std::size_t t = 0; t < kThresholds; ++t) sum += at_threshold(c, t, weight, to_find);
    return sum / kThresholds;
  }

 private:
  double at_threshold(const Category& c,
                      std::size_t t,
                      std::span<const std::int32_t> weight,
                      std::int64_t to_find) {
    points_.clear();
    std::int64_t right = 0, ignored = 0;
    for (std::size_t i = 0; i < c.judged[t].size(); ++i) {
      const std::uint32_t d = c.judged[t][i];
      const std::int32_t w = weight[c.picture[d]];
      if (w == 0) continue;
      if (!c.is_right[t][i]) {
        ignored += w;
        continue;
      }
      right += w;
      points_.emplace_back(static_cast<double>(right) / static_cast<double>(to_find),
                           static_cast<double>(right) / static_cast<double>(before_[d] - ignored));
    }
    for (std::size_t i = points_.size(); i-- > 1;)
      points_[i - 1].second = std::max(points_[i - 1].second, points_[i].second);
    double sum = 0.0;
    std::size_t at = 0;
    for (int r = 0; r < kRecallPoints; ++r) {
      while (at < points_.size() && points_[at].first < recall_point(r)) ++at;
      if (at == points_.size()) break;
      sum += points_[at].second;
    }
    return sum / kRecallPoints;
  }

  std::vector<std::int64_t> before_;               ///< detections up to each, weighted
  std::vector<std::pair<double, double>> points_;  ///< recall and precision at right detections
};

}  // namespace

std::vector<double> resample_map(std::span<const std::int64_t> images,
                                 std::span<const std::int32_t> categories,
                                 std::span<const TruthBox> truths,
                                 std::span<const Detection> detections,
                                 std::int64_t resamples,
                                 std::uint64_t seed) {
  const std::set<std::int64_t> distinct(images.begin(), images.end());
  std::map<std::int64_t, std::uint32_t> place;
  for (const std::int64_t image : distinct)
    place.emplace(image, static_cast<std::uint32_t>(place.size()));
  const Cells cells = make_cells(images, categories, truths, detections);
  std::map<std::int32_t, std::vector<std::pair<std::uint32_t, const Cell*>>> by_category;
  for (const auto& [key, cell] : cells)
    by_category[key.first].emplace_back(place.at(key.second), &cell);
  std::vector<Category> prepared;
  for (const auto& [category, own] : by_category) prepared.push_back(make_category(own));

  WeightedPrecision precision;
  std::vector<double> maps;
  std::vector<std::int32_t> weight(place.size());
  for (std::int64_t r = 0; r < resamples; ++r) {
    Random random(seed, static_cast<std::uint64_t>(r));
    std::ranges::fill(weight, 0);
    for (std::size_t i = 0; i < weight.size(); ++i) ++weight[random.below(weight.size())];
    double sum = 0.0;
    std::int64_t counted = 0;
    for (const Category& c : prepared) {
      if (const std::optional<double> ap = precision(c, weight)) {
        sum += *ap;
        ++counted;
      }
    }
    maps.push_back(counted == 0 ? 0.0 : sum / static_cast<double>(counted));
  }
  return maps;
}

double detection_agreement(std::span<const Detection> a,
                           std::span<const Detection> b,
                           double operating_score) {
  const auto seen = [&](const Detection& d) {
    return static_cast<double>(d.score) >= operating_score;
  };
  std::map<std::pair<std::int64_t, std::int32_t>, std::vector<Box>> free;
  std::int64_t reported = 0, pairs = 0;
  for (const Detection& d : b) {
    if (!seen(d)) continue;
    free[{d.image, d.category}].push_back(d.box);
    ++reported;
  }
  for (const Detection& d : a) {
    if (!seen(d)) continue;
    ++reported;
    const auto found = free.find({d.image, d.category});
    if (found == free.end() || found->second.empty()) continue;
    const auto best = std::ranges::max_element(
        found->second, {}, [&](const Box& box) { return box_iou(d.box, box, false); });
    if (box_iou(d.box, *best, false) < 0.5) continue;
    found->second.erase(best);
    ++pairs;
  }
  return reported == 0 ? 1.0 : 2.0 * static_cast<double>(pairs) / static_cast<double>(reported);
}

}  // namespace qsweep
