#include "src/metrics/segmentation.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>

#include <fmt/format.h>

#include "src/base/error.h"

#include "io/data/segmentation_data.h"

#include "sweep/scoring/makers.h"

namespace qsweep {
namespace {

/// What an evaluation is about, shared by all verdicts.
struct Truth {
  std::vector<std::int64_t> samples;
  std::int64_t classes = 0;
  double confidence = 0.95;
};

/// An outcome: how many entries its confusion has, and they.
void write_confusion(ByteWriter& out, const ImageConfusion& image) {
  out.u32(static_cast<std::uint32_t>(image.size()));
  for (const ConfusionEntry& entry : image) {
    out.u32(static_cast<std::uint32_t>(entry.label) << 16U | entry.prediction);
    out.u32(entry.pixels);
  }
}

ImageConfusion read_confusion(ByteReader& in, std::int64_t classes) {
  ImageConfusion image;
  const std::uint32_t count = in.u32();
  for (std::uint32_t i = 0; i < count; ++i) {
    const std::uint32_t pair = in.u32();
    ConfusionEntry entry{static_cast<std::uint16_t>(pair >> 16U),
                         static_cast<std::uint16_t>(pair & 0xFFFFU), in.u32()};
    if (entry.label >= classes ||
        (entry.prediction >= classes && entry.prediction != kNoPrediction))
      throw Error(ErrorCode::corrupt_input, "a recorded pixel is of no known class");
    image.push_back(entry);
  }
  return image;
}

/// Share of the pixels that both can have predicted alike, as far as the confusions tell.
double agreement(std::span<const ImageConfusion> a, std::span<const ImageConfusion> b) {
  std::int64_t alike = 0, all = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    for (const ConfusionEntry& entry : a[i]) {
      all += entry.pixels;
      const auto other = std::ranges::find_if(b[i], [&](const ConfusionEntry& e) {
        return e.label == entry.label && e.prediction == entry.prediction;
      });
      if (other != b[i].end()) alike += std::min(entry.pixels, other->pixels);
    }
  }
  return all == 0 ? 1.0 : static_cast<double>(alike) / static_cast<double>(all);
}

class SegmentationVerdict final : public Verdict {
 public:
  SegmentationVerdict(std::shared_ptr<const Truth> truth, ByteView outcomes)
      : truth_(std::move(truth)) {
    ByteReader in(outcomes, "segmentation outcomes");
    for (std::size_t i = 0; i < truth_->samples.size(); ++i)
      images_.push_back(read_confusion(in, truth_->classes));
    in.finish();
  }

  [[nodiscard]] ScoreSummary summary() const override {
    const SegmentationSummary s = summarize_segmentation(images_, truth_->classes);
    const SegmentationEstimate estimate = estimate_miou(images_, truth_->classes);
    const double half = normal_quantile((1.0 + truth_->confidence) / 2.0) * estimate.standard_error;
    return {.images = s.images,
            .metrics = {s.miou, s.dice, s.pixel_accuracy},
            .interval = {std::max(0.0, s.miou - half), std::min(1.0, s.miou + half)},
            .class_metric = s.class_iou,
            .confusion = s.confusion};
  }

  [[nodiscard]] double metric() const override {
    return summarize_segmentation(images_, truth_->classes).miou;
  }

  [[nodiscard]] ScoreComparison compare(const Verdict& baseline) const override {
    const auto& other = dynamic_cast<const SegmentationVerdict&>(baseline);
    const SegmentationEstimate drop = estimate_miou_drop(other.images_, images_, truth_->classes);
    const double half = normal_quantile((1.0 + truth_->confidence) / 2.0) * drop.standard_error;
    const double distance = drop.value == 0.0 ? 0.0 : std::fabs(drop.value) / drop.standard_error;
    return {.drop = drop.value,
            .standard_error = drop.standard_error,
            .interval = {drop.value - half, drop.value + half},
            .p_value = std::erfc(distance / std::numbers::sqrt2),
            .agreement = agreement(other.images_, images_)};
  }

  [[nodiscard]] std::string predictions() const override {
    std::string csv = "index,pixels,miou,dice,pixel_accuracy\n";
    for (std::size_t i = 0; i < images_.size(); ++i) {
      const SegmentationSummary s =
          summarize_segmentation(std::span(images_).subspan(i, 1), truth_->classes);
      std::int64_t pixels = 0;
      for (const std::int64_t of_class : s.class_pixels) pixels += of_class;
      csv += fmt::format("{},{},{},{},{}\n", truth_->samples[i], pixels, s.miou, s.dice,
                         s.pixel_accuracy);
    }
    return csv;
  }

 private:
  std::shared_ptr<const Truth> truth_;
  std::vector<ImageConfusion> images_;
};

class SegmentationScorer final : public Scorer {
 public:
  SegmentationScorer(const SegmentationData& data, std::shared_ptr<const Truth> truth)
      : data_(data), truth_(std::move(truth)) {}

  [[nodiscard]] const std::vector<Metric>& metrics() const override { return metrics_; }

  [[nodiscard]] std::vector<std::string> class_names() const override {
    return numbered_classes(truth_->classes);
  }

  [[nodiscard]] std::vector<ImageScore> score(std::span<const Tensor> outputs,
                                              std::span<const Tensor> baseline,
                                              std::span<const std::int64_t> samples,
                                              bool /*detailed*/,
                                              ByteWriter& outcomes) const override {
    std::vector<ImageScore> scores;
    for (std::size_t i = 0; i < samples.size(); ++i) {
      const auto image = static_cast<std::int64_t>(i);
      const auto labels = data_.mask(samples[i]);
      for (const std::uint8_t label : labels) {
        if (label >= truth_->classes && label != kIgnoredPixel) {
          throw Error(ErrorCode::mismatch,
                      fmt::format("the mask holds class {}, the model has 0 to {}", label,
                                  truth_->classes - 1),
                      data_.mask_name(samples[i]),
                      "Use the classes that the model was trained for, and 255 for none");
        }
      }
      const auto predictions = predict_pixels(outputs[0], image, data_.height(), data_.width());
      write_confusion(outcomes, count_pixels(predictions, labels));
      const auto divergence = static_cast<float>(pixel_divergence(outputs[0], baseline[0], image));
      scores.push_back(
          {divergence, std::ranges::find(predictions, kNoPrediction) == predictions.end()});
    }
    return scores;
  }

  [[nodiscard]] std::unique_ptr<const Verdict> judge(ByteView outcomes,
                                                     bool /*detailed*/) const override {
    return std::make_unique<SegmentationVerdict>(truth_, outcomes);
  }

 private:
  std::vector<Metric> metrics_ = {
      {"miou", "mean IoU"}, {"dice", "mean Dice"}, {"pixel_accuracy", "pixel accuracy"}};
  const SegmentationData& data_;
  std::shared_ptr<const Truth> truth_;
};

}  // namespace

std::unique_ptr<const Scorer> make_segmentation(const JobConfig& job,
                                                const ScoredModel& model,
                                                const Dataset& evaluation,
                                                std::span<const std::int64_t> samples) {
  const auto* data = dynamic_cast<const SegmentationData*>(&evaluation);
  if (data == nullptr) {
    throw Error(ErrorCode::mismatch, "task segmentation needs pictures with masks",
                job.evaluation.path_text(), "Use masks:IMAGES_DIR,MASKS_DIR");
  }
  const Shape& scores = model.outputs.at(0);
  if (scores.size() != 4 || scores[1] < 2 || scores[1] > kIgnoredPixel) {
    throw Error(ErrorCode::unsupported,
                fmt::format("task segmentation needs an output [N, classes, H, W] of 2 to 255 "
                            "classes, the model's is {}",
                            to_string(scores)),
                job.model.string(), "Choose the task that fits the model");
  }
  if (job.classes != 0 && job.classes != scores[1]) {
    throw Error(ErrorCode::mismatch,
                fmt::format("the model scores {} classes, the job says {}", scores[1], job.classes),
                job.model.string(), "Correct 'classes', or leave it out");
  }
  auto truth = std::make_shared<Truth>();
  truth->samples.assign(samples.begin(), samples.end());
  truth->classes = scores[1];
  truth->confidence = job.confidence;
  return std::make_unique<SegmentationScorer>(*data, std::move(truth));
}

}  // namespace qsweep
