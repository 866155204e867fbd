#include "src/metrics/heads/select.h"

#include <algorithm>
#include <cmath>
#include <span>

#include "src/base/error.h"

namespace qsweep {
namespace {

constexpr float kLeastProbability = 1e-4f;

Box in_picture(const Corners& c, const Frame& frame) {
  const auto width = static_cast<double>(frame.width), height = static_cast<double>(frame.height);
  const double left = std::clamp((c.left - frame.left) / frame.scale_x, 0.0, width);
  const double top = std::clamp((c.top - frame.top) / frame.scale_y, 0.0, height);
  const double right = std::clamp((c.right - frame.left) / frame.scale_x, 0.0, width);
  const double bottom = std::clamp((c.bottom - frame.top) / frame.scale_y, 0.0, height);
  return {left, top, right - left, bottom - top};
}

/// Two empty boxes count as the same place.
bool overlap_more(const Box& a, const Box& b, double most) {
  if (a.width * a.height + b.width * b.height <= 0.0) return true;
  return box_iou(a, b, false) > most;
}

/// Of one class, best first.
std::vector<Detection> suppressed(const std::vector<Detection>& sorted, double most) {
  std::vector<Detection> kept;
  for (const Detection& d : sorted) {
    if (std::ranges::none_of(kept,
                             [&](const Detection& k) { return overlap_more(d.box, k.box, most); }))
      kept.push_back(d);
  }
  return kept;
}

}  // namespace

std::int64_t drop_nonfinite(Candidates& candidates) {
  const auto classes = static_cast<std::size_t>(candidates.classes);
  const auto is_usable = [&](std::size_t b) {
    const Corners& c = candidates.boxes[b];
    const auto scores = std::span(candidates.scores).subspan(b * classes, classes);
    return std::isfinite(c.left) && std::isfinite(c.top) && std::isfinite(c.right) &&
           std::isfinite(c.bottom) &&
           std::ranges::all_of(scores, [](float score) { return std::isfinite(score); });
  };
  std::size_t kept = 0;
  for (std::size_t b = 0; b < candidates.boxes.size(); ++b) {
    if (!is_usable(b)) continue;
    candidates.boxes[kept] = candidates.boxes[b];
    std::copy_n(candidates.scores.begin() + static_cast<std::ptrdiff_t>(b * classes), classes,
                candidates.scores.begin() + static_cast<std::ptrdiff_t>(kept * classes));
    if (!candidates.categories.empty()) candidates.categories[kept] = candidates.categories[b];
    ++kept;
  }
  const std::size_t dropped = candidates.boxes.size() - kept;
  candidates.boxes.resize(kept);
  candidates.scores.resize(kept * classes);
  if (!candidates.categories.empty()) candidates.categories.resize(kept);
  return static_cast<std::int64_t>(dropped);
}

std::vector<Detection> select_detections(const Candidates& candidates,
                                         const HeadSpec& spec,
                                         bool suppress,
                                         const Frame& frame) {
  const auto classes = static_cast<std::size_t>(candidates.classes);
  const auto better = [](const Detection& a, const Detection& b) { return a.score > b.score; };
  const auto least = static_cast<float>(spec.confidence);
  std::vector<std::vector<Detection>> by_class(classes);
  for (std::size_t b = 0; b < candidates.boxes.size(); ++b) {
    for (std::size_t c = 0; c < classes; ++c) {
      const float score = candidates.scores[b * classes + c];
      if (!(score > least)) continue;
      const auto category =
          candidates.categories.empty() ? static_cast<std::int32_t>(c) : candidates.categories[b];
      by_class[c].push_back({0, category, score, in_picture(candidates.boxes[b], frame)});
    }
  }
  std::vector<Detection> all;
  for (std::vector<Detection>& found : by_class) {
    std::ranges::stable_sort(found, better);
    if (suppress) found = suppressed(found, spec.nms_iou);
    all.insert(all.end(), found.begin(), found.end());
  }
  std::ranges::stable_sort(all, better);
  if (all.size() > static_cast<std::size_t>(spec.max_detections))
    all.resize(static_cast<std::size_t>(spec.max_detections));
  return all;
}

double score_divergence(const Candidates& baseline, const Candidates& candidates) {
  QSWEEP_CHECK(baseline.scores.size() == candidates.scores.size());
  const auto likely = [](float x) {
    if (std::isnan(x)) x = 0.0f;
    return static_cast<double>(std::clamp(x, kLeastProbability, 1.0f - kLeastProbability));
  };
  double sum = 0.0;
  for (std::size_t i = 0; i < baseline.scores.size(); ++i) {
    const double p = likely(baseline.scores[i]), q = likely(candidates.scores[i]);
    if (p == q) continue;  // most: neither model sees anything there
    sum += p * std::log(p / q) + (1.0 - p) * std::log((1.0 - p) / (1.0 - q));
  }
  return baseline.boxes.empty() ? 0.0
                                : std::max(0.0, sum / static_cast<double>(baseline.boxes.size()));
}

}  // namespace qsweep
