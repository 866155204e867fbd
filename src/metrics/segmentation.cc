#include "src/metrics/segmentation.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>

#include "src/base/error.h"

namespace qsweep {
namespace {

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

/// Of one class.
struct Tally {
  std::int64_t intersection = 0, labelled = 0, predicted = 0;
};
using Tallies = std::vector<Tally>;  ///< by class

void add(const ImageConfusion& image, std::int64_t sign, Tallies& tallies) {
  for (const ConfusionEntry& entry : image) {
    const std::int64_t pixels = sign * std::int64_t{entry.pixels};
    QSWEEP_CHECK(entry.label < tallies.size());
    tallies[entry.label].labelled += pixels;
    if (entry.prediction == kNoPrediction) continue;
    QSWEEP_CHECK(entry.prediction < tallies.size());
    tallies[entry.prediction].predicted += pixels;
    if (entry.label == entry.prediction) tallies[entry.label].intersection += pixels;
  }
}

Tallies total(std::span<const ImageConfusion> images, std::int64_t classes) {
  Tallies tallies(static_cast<std::size_t>(classes));
  for (const ImageConfusion& image : images) add(image, 1, tallies);
  return tallies;
}

double ratio(std::int64_t part, std::int64_t whole) {
  return whole == 0 ? kNaN : static_cast<double>(part) / static_cast<double>(whole);
}
double iou(const Tally& t) {
  return ratio(t.intersection, t.labelled + t.predicted - t.intersection);
}

double mean_of_numbers(std::span<const double> values) {
  double sum = 0.0;
  std::int64_t count = 0;
  for (const double value : values) {
    if (std::isnan(value)) continue;
    sum += value;
    ++count;
  }
  return count == 0 ? kNaN : sum / static_cast<double>(count);
}

double mean_iou(const Tallies& tallies) {
  std::vector<double> values;
  for (const Tally& t : tallies) values.push_back(iou(t));
  return mean_of_numbers(values);
}

/// sqrt((n - 1) / n * sum of squared deviations) of the values with one image left out each.
double jackknife_error(const std::vector<double>& left_out) {
  const auto n = static_cast<double>(left_out.size());
  if (left_out.size() < 2) return 0.0;
  double mean = 0.0, squares = 0.0;
  for (const double value : left_out) mean += value / n;
  for (const double value : left_out) squares += (value - mean) * (value - mean);
  return std::sqrt((n - 1.0) / n * squares);
}

/// One axis of the bilinear interpolation.
struct Tap {
  std::int64_t first = 0, second = 0;
  float share = 0.0f;  ///< of the second
};
std::vector<Tap> taps(std::int64_t from, std::int64_t to) {
  std::vector<Tap> result;
  const float scale = static_cast<float>(from) / static_cast<float>(to);
  for (std::int64_t i = 0; i < to; ++i) {
    const float x = std::clamp((static_cast<float>(i) + 0.5f) * scale - 0.5f, 0.0f,
                               static_cast<float>(from - 1));
    const auto first = static_cast<std::int64_t>(x);
    result.push_back({first, std::min(first + 1, from - 1), x - static_cast<float>(first)});
  }
  return result;
}

}  // namespace

std::vector<std::uint16_t> predict_pixels(const Tensor& scores,
                                          std::int64_t image,
                                          std::int64_t height,
                                          std::int64_t width) {
  QSWEEP_CHECK(scores.rank() == 4 && scores.dtype() == DType::f32 && image < scores.dim(0));
  const std::int64_t classes = scores.dim(1), h = scores.dim(2), w = scores.dim(3);
  QSWEEP_CHECK(classes > 0 && classes < kNoPrediction && h > 0 && w > 0);
  const auto pixels = static_cast<std::size_t>(height * width);
  std::vector<float> best(pixels, -std::numeric_limits<float>::infinity());
  std::vector<std::uint16_t> prediction(pixels, 0);
  const std::vector<Tap> rows = taps(h, height);
  const std::vector<Tap> columns = taps(w, width);
  const bool same = h == height && w == width;
  std::vector<float> line(static_cast<std::size_t>(width));
  for (std::int64_t c = 0; c < classes; ++c) {
    const float* plane = scores.data<float>().data() + (image * classes + c) * h * w;
    for (std::int64_t y = 0; y < height; ++y) {
      const Tap& row = rows[static_cast<std::size_t>(y)];
      const float* values = plane + y * w;
      if (!same) {
        const float* above = plane + row.first * w;
        const float* below = plane + row.second * w;
        for (std::size_t x = 0; x < line.size(); ++x) {
          const Tap& t = columns[x];
          const float top = above[t.first] + (above[t.second] - above[t.first]) * t.share;
          const float bottom = below[t.first] + (below[t.second] - below[t.first]) * t.share;
          line[x] = top + (bottom - top) * row.share;
        }
        values = line.data();
      }
      for (std::int64_t x = 0; x < width; ++x) {
        const auto at = static_cast<std::size_t>(y * width + x);
        if (std::isnan(values[x])) {
          prediction[at] = kNoPrediction;
        } else if (values[x] > best[at] && prediction[at] != kNoPrediction) {
          best[at] = values[x];
          prediction[at] = static_cast<std::uint16_t>(c);
        }
      }
    }
  }
  return prediction;
}

ImageConfusion count_pixels(std::span<const std::uint16_t> predictions,
                            std::span<const std::uint8_t> labels) {
  QSWEEP_CHECK(predictions.size() == labels.size());
  std::map<std::pair<std::uint16_t, std::uint16_t>, std::uint32_t> counts;
  // Neighbours are mostly alike: runs are counted, not pixels.
  for (std::size_t i = 0; i < labels.size();) {
    std::size_t end = i + 1;
    while (end < labels.size() && labels[end] == labels[i] && predictions[end] == predictions[i])
      ++end;
    if (labels[i] != kIgnoredPixel)
      counts[{labels[i], predictions[i]}] += static_cast<std::uint32_t>(end - i);
    i = end;
  }
  ImageConfusion entries;
  for (const auto& [key, pixels] : counts) entries.push_back({key.first, key.second, pixels});
  return entries;
}

double pixel_divergence(const Tensor& scores, const Tensor& baseline, std::int64_t image) {
  QSWEEP_CHECK(scores.shape() == baseline.shape() && scores.rank() == 4);
  constexpr std::int64_t kMostPixels = 4096;
  const std::int64_t classes = scores.dim(1);
  const std::int64_t pixels = scores.dim(2) * scores.dim(3);
  const std::int64_t step = (pixels + kMostPixels - 1) / kMostPixels;
  const float* q = scores.data<float>().data() + image * classes * pixels;
  const float* p = baseline.data<float>().data() + image * classes * pixels;
  // log of the sum of the exponentials of a pixel's scores
  const auto log_sum = [&](const float* values) {
    double largest = -std::numeric_limits<double>::infinity();
    for (std::int64_t c = 0; c < classes; ++c)
      largest = std::max(largest, static_cast<double>(values[c * pixels]));
    double sum = 0.0;
    for (std::int64_t c = 0; c < classes; ++c)
      sum += std::exp(static_cast<double>(values[c * pixels]) - largest);
    return largest + std::log(sum);
  };
  double divergence = 0.0;
  std::int64_t count = 0;
  for (std::int64_t at = 0; at < pixels; at += step, ++count) {
    const double shift_p = log_sum(p + at);
    const double shift_q = log_sum(q + at);
    for (std::int64_t c = 0; c < classes; ++c) {
      const double log_p = static_cast<double>(p[at + c * pixels]) - shift_p;
      const double log_q = static_cast<double>(q[at + c * pixels]) - shift_q;
      divergence += std::exp(log_p) * (log_p - log_q);
    }
  }
  if (!std::isfinite(divergence)) return std::numeric_limits<double>::infinity();
  return std::max(0.0, divergence / static_cast<double>(std::max<std::int64_t>(count, 1)));
}

SegmentationSummary summarize_segmentation(std::span<const ImageConfusion> images,
                                           std::int64_t classes) {
  SegmentationSummary s;
  s.images = static_cast<std::int64_t>(images.size());
  s.confusion.assign(static_cast<std::size_t>(classes * classes), 0);
  std::int64_t right = 0, all = 0;
  for (const Tally& t : total(images, classes)) {
    s.class_iou.push_back(iou(t));
    s.class_dice.push_back(ratio(2 * t.intersection, t.labelled + t.predicted));
    s.class_accuracy.push_back(ratio(t.intersection, t.labelled));
    s.class_pixels.push_back(t.labelled);
    right += t.intersection;
    all += t.labelled;
  }
  for (const ImageConfusion& image : images) {
    for (const ConfusionEntry& entry : image) {
      if (entry.prediction != kNoPrediction)
        s.confusion[static_cast<std::size_t>(entry.label * classes + entry.prediction)] +=
            entry.pixels;
    }
  }
  s.miou = mean_of_numbers(s.class_iou);
  s.dice = mean_of_numbers(s.class_dice);
  s.pixel_accuracy = ratio(right, all);
  return s;
}

SegmentationEstimate estimate_miou(std::span<const ImageConfusion> images, std::int64_t classes) {
  Tallies tallies = total(images, classes);
  const double value = mean_iou(tallies);
  std::vector<double> left_out;
  for (const ImageConfusion& image : images) {
    add(image, -1, tallies);
    left_out.push_back(mean_iou(tallies));
    add(image, 1, tallies);
  }
  return {value, jackknife_error(left_out)};
}

SegmentationEstimate estimate_miou_drop(std::span<const ImageConfusion> baseline,
                                        std::span<const ImageConfusion> scheme,
                                        std::int64_t classes) {
  QSWEEP_CHECK(baseline.size() == scheme.size());
  Tallies before = total(baseline, classes);
  Tallies after = total(scheme, classes);
  const double value = mean_iou(before) - mean_iou(after);
  std::vector<double> left_out;
  for (std::size_t i = 0; i < scheme.size(); ++i) {
    add(baseline[i], -1, before);
    add(scheme[i], -1, after);
    left_out.push_back(mean_iou(before) - mean_iou(after));
    add(baseline[i], 1, before);
    add(scheme[i], 1, after);
  }
  return {value, jackknife_error(left_out)};
}

}  // namespace qsweep
