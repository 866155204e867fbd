#include "src/metrics/classification.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "src/base/error.h"

namespace qsweep {
namespace {

constexpr std::size_t kTop = 5;
/// Least probability the divergence takes from a model that gives probabilities: its FP32 softmax
/// underflows to 0, which must not make one image infinite. Logits need no floor.
constexpr double kLeastProbability = 1e-30;

using Row = std::span<const float>;

bool all_finite(Row row) {
  return std::all_of(row.begin(), row.end(), [](float v) { return std::isfinite(v); });
}

/// Log-probabilities of a row of logits or probabilities, in double.
std::vector<double> log_probabilities(Row row, bool are_probabilities) {
  std::vector<double> out(row.begin(), row.end());
  if (are_probabilities) {
    for (double& v : out) v = std::log(std::max(v, kLeastProbability));
    return out;
  }
  const double largest = *std::max_element(out.begin(), out.end());
  double sum = 0.0;
  for (double v : out) sum += std::exp(v - largest);
  const double shift = largest + std::log(sum);
  for (double& v : out) v -= shift;
  return out;
}

double divergence(Row baseline, Row scores, bool are_probabilities) {
  if (!all_finite(baseline)) return std::numeric_limits<double>::infinity();
  const std::vector<double> p = log_probabilities(baseline, are_probabilities);
  const std::vector<double> q = log_probabilities(scores, are_probabilities);
  double sum = 0.0;
  for (std::size_t c = 0; c < p.size(); ++c) sum += std::exp(p[c]) * (p[c] - q[c]);
  return std::max(0.0, sum);
}

ImageOutcome outcome(Row row, std::int64_t label) {
  ImageOutcome o;
  const auto best =
      static_cast<std::size_t>(std::max_element(row.begin(), row.end()) - row.begin());
  o.top1 = static_cast<std::int32_t>(best);
  float second = -std::numeric_limits<float>::infinity();
  for (std::size_t c = 0; c < row.size(); ++c) {
    if (c != best) second = std::max(second, row[c]);
  }
  o.margin = row.size() > 1 ? row[best] - second : row[best];
  const auto truth = static_cast<std::size_t>(label);
  if (label < 0 || truth >= row.size()) return o;
  std::size_t ahead = 0;
  for (std::size_t c = 0; c < row.size(); ++c)
    ahead += row[c] > row[truth] || (row[c] == row[truth] && c < truth) ? 1 : 0;
  o.in_top5 = ahead < kTop;
  return o;
}

}  // namespace

std::vector<ImageOutcome> score_classification(const Tensor& scores,
                                               const Tensor& baseline,
                                               std::span<const std::int64_t> labels,
                                               bool are_probabilities) {
  QSWEEP_CHECK(scores.rank() == 2 && scores.dim(0) == static_cast<std::int64_t>(labels.size()));
  QSWEEP_CHECK(baseline.empty() || baseline.shape() == scores.shape());
  const auto classes = static_cast<std::size_t>(scores.dim(1));
  QSWEEP_CHECK(classes > 0);
  std::vector<ImageOutcome> outcomes;
  outcomes.reserve(labels.size());
  for (std::size_t i = 0; i < labels.size(); ++i) {
    const Row row = scores.data<float>().subspan(i * classes, classes);
    if (!all_finite(row)) {
      outcomes.push_back({.top1 = -1,
                          .in_top5 = false,
                          .margin = 0.0f,
                          .kl = std::numeric_limits<float>::infinity()});
      continue;
    }
    outcomes.push_back(outcome(row, labels[i]));
    if (!baseline.empty()) {
      const Row reference = baseline.data<float>().subspan(i * classes, classes);
      outcomes.back().kl = static_cast<float>(divergence(reference, row, are_probabilities));
    }
  }
  return outcomes;
}

ClassificationSummary summarize(std::span<const ImageOutcome> outcomes,
                                std::span<const std::int64_t> labels,
                                std::int64_t classes) {
  QSWEEP_CHECK(outcomes.size() == labels.size());
  const auto c = static_cast<std::size_t>(classes);
  ClassificationSummary s;
  s.images = static_cast<std::int64_t>(outcomes.size());
  s.class_images.assign(c, 0);
  s.class_correct.assign(c, 0);
  s.confusion.assign(c * c, 0);
  double kl = 0.0, margin = 0.0;
  for (std::size_t i = 0; i < outcomes.size(); ++i) {
    const auto label = static_cast<std::size_t>(labels[i]);
    QSWEEP_CHECK(label < c);
    const bool correct = outcomes[i].top1 == labels[i];
    s.top1_correct += correct ? 1 : 0;
    s.top5_correct += outcomes[i].in_top5 ? 1 : 0;
    ++s.class_images[label];
    s.class_correct[label] += correct ? 1 : 0;
    // A model may score more classes than the data has; such predictions are wrong but in no
    // column.
    if (outcomes[i].top1 >= 0 && static_cast<std::size_t>(outcomes[i].top1) < c) {
      ++s.confusion[label * c + static_cast<std::size_t>(outcomes[i].top1)];
    }
    kl += static_cast<double>(outcomes[i].kl);
    margin += static_cast<double>(outcomes[i].margin);
  }
  if (s.images > 0) {
    s.mean_kl = kl / static_cast<double>(s.images);
    s.mean_margin = margin / static_cast<double>(s.images);
  }
  return s;
}

PairedComparison compare(std::span<const ImageOutcome> baseline,
                         std::span<const ImageOutcome> scheme,
                         std::span<const std::int64_t> labels,
                         double confidence) {
  QSWEEP_CHECK(baseline.size() == labels.size() && scheme.size() == labels.size());
  PairedComparison p;
  p.images = static_cast<std::int64_t>(labels.size());
  for (std::size_t i = 0; i < labels.size(); ++i) {
    const bool a = baseline[i].top1 == labels[i];
    const bool b = scheme[i].top1 == labels[i];
    p.only_baseline_correct += a && !b ? 1 : 0;
    p.only_scheme_correct += b && !a ? 1 : 0;
    p.agreeing += baseline[i].top1 == scheme[i].top1 ? 1 : 0;
  }
  if (p.images > 0)
    p.drop = static_cast<double>(p.only_baseline_correct - p.only_scheme_correct) /
             static_cast<double>(p.images);
  p.standard_error =
      paired_standard_error(p.only_baseline_correct, p.only_scheme_correct, p.images);
  p.interval = paired_difference_interval(p.only_baseline_correct, p.only_scheme_correct, p.images,
                                          confidence);
  p.p_value = mcnemar_exact(p.only_baseline_correct, p.only_scheme_correct);
  return p;
}

}  // namespace qsweep
