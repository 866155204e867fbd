#include <algorithm>
#include <atomic>
#include <cmath>
#include <limits>
#include <numeric>

#include <fmt/format.h>

#include "src/base/error.h"
#include "src/base/log.h"

#include "src/metrics/heads/select.h"

#include "io/data/detection_data.h"

#include "sweep/scoring/makers.h"

namespace qsweep {
namespace {

constexpr std::int64_t kResamples = 500;
constexpr std::uint64_t kResampleSeed = 20;
/// Corners are kept as 65,535ths of the picture's extents: at most a hundredth of a pixel off.
constexpr double kSteps = 65535.0;

/// What the images of an evaluation hold, shared by all verdicts.
struct Truth {
  std::vector<std::int64_t> samples;
  std::vector<std::int32_t> categories;
  std::vector<TruthBox> boxes;  ///< of the samples
  Annotations annotations;      ///< pictures and categories; verdicts outlive the data
  double confidence = 0.95;
};

void write_u16(ByteWriter& out, std::uint32_t value) {
  out.u8(static_cast<std::uint8_t>(value & 0xFFU));
  out.u8(static_cast<std::uint8_t>(value >> 8U));
}
std::uint32_t read_u16(ByteReader& in) {
  const std::uint32_t low = in.u8();
  return low | (std::uint32_t{in.u8()} << 8U);
}

/// An outcome: how many boxes were not finite, how many detections there are, then class, score and
/// corners of each.
void write_detections(ByteWriter& out,
                      std::int64_t dropped,
                      std::span<const Detection> detections,
                      const Annotations::Picture& picture) {
  const auto step = [](double at, std::int64_t extent) {
    const double exact = std::round(at / static_cast<double>(extent) * kSteps);
    return static_cast<std::uint32_t>(std::clamp(exact, 0.0, kSteps));
  };
  out.u32(static_cast<std::uint32_t>(dropped));
  out.u32(static_cast<std::uint32_t>(detections.size()));
  for (const Detection& d : detections) {
    write_u16(out, static_cast<std::uint32_t>(d.category));
    out.f32(d.score);
    write_u16(out, step(d.box.x, picture.width));
    write_u16(out, step(d.box.y, picture.height));
    write_u16(out, step(d.box.x + d.box.width, picture.width));
    write_u16(out, step(d.box.y + d.box.height, picture.height));
  }
}

/// @return how many boxes were not finite
std::int64_t read_detections(ByteReader& in,
                             std::int64_t sample,
                             const Annotations& annotations,
                             std::vector<Detection>& all) {
  const auto& picture = annotations.pictures.at(static_cast<std::size_t>(sample));
  const auto place = [&](std::int64_t extent) {
    return static_cast<double>(read_u16(in)) / kSteps * static_cast<double>(extent);
  };
  const std::uint32_t dropped = in.u32();
  const std::uint32_t count = in.u32();
  for (std::uint32_t i = 0; i < count; ++i) {
    Detection d;
    d.image = sample;
    d.category = static_cast<std::int32_t>(read_u16(in));
    if (static_cast<std::size_t>(d.category) >= annotations.categories.size())
      throw Error(ErrorCode::corrupt_input, "a recorded detection is of no known class");
    d.score = in.f32();
    const double left = place(picture.width), top = place(picture.height);
    const double right = place(picture.width), bottom = place(picture.height);
    d.box = {left, top, right - left, bottom - top};
    all.push_back(d);
  }
  return dropped;
}

double mean(std::span<const double> sample) {
  return std::accumulate(sample.begin(), sample.end(), 0.0) / static_cast<double>(sample.size());
}

/// Shifts resampled figures to the one of the whole set. Without that they lie too high: a category
/// that few pictures show is absent from some resamples, and easier in the others.
std::vector<double> centred(std::vector<double> sample, double estimate) {
  const double shift = estimate - mean(sample);
  for (double& x : sample) x += shift;
  return sample;
}

/// The middle share `confidence` of a sample.
Interval percentile_interval(std::vector<double> sample, double confidence) {
  std::ranges::sort(sample);
  const auto at = [&](double share) {
    const double place = share * static_cast<double>(sample.size() - 1);
    const auto low = static_cast<std::size_t>(place);
    const std::size_t high = std::min(low + 1, sample.size() - 1);
    return sample[low] + (place - static_cast<double>(low)) * (sample[high] - sample[low]);
  };
  return {at((1.0 - confidence) / 2.0), at((1.0 + confidence) / 2.0)};
}

/// Detections stay encoded: a run has hundreds of these.
class DetectionVerdict final : public Verdict {
 public:
  DetectionVerdict(std::shared_ptr<const Truth> truth, ByteView outcomes)
      : truth_(std::move(truth)), outcomes_(outcomes.begin(), outcomes.end()) {
    const std::vector<Detection> found = detections(&dropped_);
    const DetectionSummary s =
        summarize_detections(truth_->samples, truth_->categories, truth_->boxes, found);
    resampled_ = resample_map(truth_->samples, truth_->categories, truth_->boxes, found, kResamples,
                              kResampleSeed);
    summary_ = {.images = static_cast<std::int64_t>(truth_->samples.size()),
                .metrics = {s.map, s.map50, s.map75, s.map_small, s.map_medium, s.map_large, s.ar1,
                            s.ar10, s.ar100, s.precision, s.recall, s.f1},
                .interval = percentile_interval(centred(resampled_, s.map), truth_->confidence),
                .class_metric = {}};
    for (const CategorySummary& c : s.categories) summary_.class_metric.push_back(c.ap);
  }

  [[nodiscard]] ScoreSummary summary() const override {
    ScoreSummary all = summary_;
    all.detections = detections();
    return all;
  }

  [[nodiscard]] double metric() const override { return summary_.metrics.front(); }

  /// Boxes that were not finite, and the pictures they are of.
  struct Dropped {
    std::int64_t boxes = 0, pictures = 0;
  };
  [[nodiscard]] Dropped dropped() const { return dropped_; }

  [[nodiscard]] ScoreComparison compare(const Verdict& baseline) const override {
    const auto& other = dynamic_cast<const DetectionVerdict&>(baseline);
    const double drop = other.summary_.metrics[0] - summary_.metrics[0];
    std::vector<double> drops;
    for (std::size_t r = 0; r < resampled_.size(); ++r)
      drops.push_back(other.resampled_[r] - resampled_[r]);
    drops = centred(std::move(drops), drop);
    double squares = 0.0;
    std::int64_t not_worse = 0, not_better = 0;
    for (const double x : drops) {
      squares += (x - drop) * (x - drop);
      not_worse += x <= 0.0 ? 1 : 0;
      not_better += x >= 0.0 ? 1 : 0;
    }
    const auto n = static_cast<double>(drops.size());
    const auto fewer = static_cast<double>(std::min(not_worse, not_better));
    return {.drop = drop,
            .standard_error = std::sqrt(squares / (n - 1.0)),
            .interval = percentile_interval(drops, truth_->confidence),
            .p_value = std::min(1.0, 2.0 * (fewer + 1.0) / (n + 1.0)),
            .agreement = detection_agreement(other.detections(), detections())};
  }

  [[nodiscard]] std::string predictions() const override {
    std::string json = "[";
    for (const Detection& d : detections()) {
      json += fmt::format(
          "{}\n{{\"image_id\":{},\"category_id\":{},\"bbox\":[{},{},{},{}],\"score\":{}}}",
          json.size() == 1 ? "" : ",",
          truth_->annotations.pictures[static_cast<std::size_t>(d.image)].id,
          truth_->annotations.categories[static_cast<std::size_t>(d.category)].id, d.box.x, d.box.y,
          d.box.width, d.box.height, d.score);
    }
    return json + "\n]\n";
  }

 private:
  [[nodiscard]] std::vector<Detection> detections(Dropped* dropped = nullptr) const {
    std::vector<Detection> all;
    ByteReader in(outcomes_, "detection outcomes");
    for (const std::int64_t sample : truth_->samples) {
      const std::int64_t boxes = read_detections(in, sample, truth_->annotations, all);
      if (dropped != nullptr && boxes > 0) {
        dropped->boxes += boxes;
        ++dropped->pictures;
      }
    }
    in.finish();
    return all;
  }

  std::shared_ptr<const Truth> truth_;
  Bytes outcomes_;
  std::vector<double> resampled_;  ///< mAP of resampled sets of pictures
  ScoreSummary summary_;           ///< without detections
  Dropped dropped_;
};

class DetectionScorer final : public Scorer {
 public:
  DetectionScorer(const DetectionData& data,
                  std::shared_ptr<const Truth> truth,
                  HeadSpec spec,
                  std::unique_ptr<const Head> head)
      : data_(data), truth_(std::move(truth)), spec_(std::move(spec)), head_(std::move(head)) {}

  [[nodiscard]] const std::vector<Metric>& metrics() const override { return metrics_; }

  [[nodiscard]] std::vector<std::string> class_names() const override {
    std::vector<std::string> names;
    for (const auto& category : truth_->annotations.categories) names.push_back(category.name);
    return names;
  }

  [[nodiscard]] std::vector<ImageScore> score(std::span<const Tensor> outputs,
                                              std::span<const Tensor> baseline,
                                              std::span<const std::int64_t> samples,
                                              bool /*detailed*/,
                                              ByteWriter& outcomes) const override {
    std::vector<ImageScore> scores;
    for (std::size_t i = 0; i < samples.size(); ++i) {
      const auto image = static_cast<std::int64_t>(i);
      const auto& picture = truth_->annotations.pictures[static_cast<std::size_t>(samples[i])];
      Candidates found = head_->decode(outputs, image);
      const double divergence = score_divergence(head_->decode(baseline, image), found);
      const std::int64_t dropped = drop_nonfinite(found);
      if (dropped > 0 && found.boxes.empty()) {
        write_detections(outcomes, dropped, {}, picture);
        scores.push_back({std::numeric_limits<float>::infinity(), false});
        continue;
      }
      std::vector<Detection> detections =
          select_detections(found, spec_, head_->needs_nms(), frame(samples[i]));
      // A class that the data does not have is neither right nor wrong, as in COCO's evaluation.
      std::erase_if(detections, [&](const Detection& d) {
        return d.category < 0 || static_cast<std::size_t>(d.category) >= truth_->categories.size();
      });
      write_detections(outcomes, dropped, detections, picture);
      scores.push_back({static_cast<float>(divergence), true});
    }
    return scores;
  }

  [[nodiscard]] std::unique_ptr<const Verdict> judge(ByteView outcomes,
                                                     bool /*detailed*/) const override {
    auto verdict = std::make_unique<DetectionVerdict>(truth_, outcomes);
    const auto [boxes, pictures] = verdict->dropped();
    if (boxes > 0 && !has_warned_.exchange(true)) {
      log_warning(
          fmt::format("{} boxes of {} pictures are left out: their places or scores are "
                      "NaN or infinite",
                      boxes, pictures));
    }
    return verdict;
  }

 private:
  [[nodiscard]] Frame frame(std::int64_t sample) const {
    const auto& picture = truth_->annotations.pictures[static_cast<std::size_t>(sample)];
    const Placement p = data_.placement(sample);
    return {picture.width,
            picture.height,
            p.scale_x,
            p.scale_y,
            static_cast<double>(p.left),
            static_cast<double>(p.top)};
  }

  std::vector<Metric> metrics_ = {{"map", "mAP"},
                                  {"map50", "AP50"},
                                  {"map75", "AP75"},
                                  {"map_small", "AP small"},
                                  {"map_medium", "AP medium"},
                                  {"map_large", "AP large"},
                                  {"ar1", "AR1"},
                                  {"ar10", "AR10"},
                                  {"ar100", "AR100"},
                                  {"box_precision", "precision"},
                                  {"box_recall", "recall"},
                                  {"box_f1", "F1"}};
  const DetectionData& data_;
  std::shared_ptr<const Truth> truth_;
  HeadSpec spec_;
  std::unique_ptr<const Head> head_;
  mutable std::atomic<bool> has_warned_ = false;  ///< once: a run judges thousands of schemes
};

}  // namespace

std::unique_ptr<const Scorer> make_detection(const JobConfig& job,
                                             const ScoredModel& model,
                                             const Dataset& evaluation,
                                             std::span<const std::int64_t> samples) {
  const auto* data = dynamic_cast<const DetectionData*>(&evaluation);
  if (data == nullptr) {
    throw Error(ErrorCode::mismatch, "task detection needs pictures with annotated objects",
                job.evaluation.path_text(), "Use coco:IMAGES_DIR,ANNOTATIONS.json");
  }
  const Annotations& annotations = data->annotations();
  const std::int64_t classes = job.classes != 0 ? job.classes : evaluation.classes();
  if (evaluation.classes() > classes) {
    throw Error(
        ErrorCode::mismatch,
        fmt::format("the model finds {} classes, the data has {}", classes, evaluation.classes()),
        job.model.string(), "Evaluate on the data set the model was trained for");
  }
  const bool is_nchw = job.input.layout == "NCHW";
  const HeadContext context{.outputs = model.outputs,
                            .classes = classes,
                            .height = model.input.at(is_nchw ? 2 : 1),
                            .width = model.input.at(is_nchw ? 3 : 2)};
  auto truth = std::make_shared<Truth>();
  truth->samples.assign(samples.begin(), samples.end());
  truth->annotations = {annotations.pictures, annotations.categories, {}, {}};
  truth->confidence = job.confidence;
  truth->categories.resize(annotations.categories.size());
  std::iota(truth->categories.begin(), truth->categories.end(), 0);
  for (const std::int64_t sample : samples) {
    const auto boxes = data->truths(sample);
    truth->boxes.insert(truth->boxes.end(), boxes.begin(), boxes.end());
  }
  if (std::ranges::all_of(truth->boxes, &TruthBox::crowd)) {
    throw Error(ErrorCode::mismatch, "the evaluated pictures have no annotated object",
                job.evaluation.path_text(), "Evaluate on more pictures");
  }
  return std::make_unique<DetectionScorer>(*data, std::move(truth), job.head,
                                           make_head(job.head, context));
}

}  // namespace qsweep
