#include "src/metrics/classification.h"

#include <algorithm>

#include <fmt/format.h>

#include "src/base/error.h"

#include "sweep/scoring/makers.h"

namespace qsweep {
namespace {

/// What the images of an evaluation are, shared by all verdicts.
struct Truth {
  std::vector<std::int64_t> samples, labels;
  std::int64_t classes = 0;
  double confidence = 0.95;
};

double share(std::int64_t part, std::int64_t whole) {
  return whole == 0 ? 0.0 : static_cast<double>(part) / static_cast<double>(whole);
}

/// Holds few bytes per image: a run has thousands of these.
class ClassificationVerdict final : public Verdict {
 public:
  ClassificationVerdict(std::shared_ptr<const Truth> truth, ByteView outcomes, bool detailed)
      : truth_(std::move(truth)) {
    ByteReader in(outcomes, "classification outcomes");
    for (std::size_t i = 0; i < truth_->samples.size(); ++i) {
      // Two's complement, low byte first.
      const auto low = static_cast<std::uint16_t>(in.u8());
      const auto high = static_cast<std::uint16_t>(in.u8());
      top1_.push_back(static_cast<std::int16_t>(static_cast<std::uint16_t>(low | (high << 8))));
      in_top5_.push_back(in.u8() != 0);
      if (detailed) margins_.push_back(in.f32());
    }
    in.finish();
  }

  [[nodiscard]] ScoreSummary summary() const override {
    const ClassificationSummary s = summarize(outcomes(), truth_->labels, truth_->classes);
    ScoreSummary all{.images = s.images,
                     .metrics = {s.top1(), s.top5()},
                     .correct = {s.top1_correct, s.top5_correct},
                     .interval = wilson_interval(s.top1_correct, s.images, truth_->confidence),
                     .class_metric = {},
                     .confusion = s.confusion,
                     .top1 = {top1_.begin(), top1_.end()}};
    for (std::size_t c = 0; c < s.class_images.size(); ++c)
      all.class_metric.push_back(share(s.class_correct[c], s.class_images[c]));
    return all;
  }

  [[nodiscard]] double metric() const override {
    std::int64_t correct = 0;
    for (std::size_t i = 0; i < top1_.size(); ++i) correct += top1_[i] == truth_->labels[i] ? 1 : 0;
    return share(correct, static_cast<std::int64_t>(top1_.size()));
  }

  [[nodiscard]] ScoreComparison compare(const Verdict& baseline) const override {
    const auto& other = dynamic_cast<const ClassificationVerdict&>(baseline);
    const PairedComparison p =
        qsweep::compare(other.outcomes(), outcomes(), truth_->labels, truth_->confidence);
    return {.drop = p.drop,
            .standard_error = p.standard_error,
            .interval = p.interval,
            .p_value = p.p_value,
            .agreement = share(p.agreeing, p.images)};
  }

  [[nodiscard]] std::string predictions() const override {
    QSWEEP_CHECK(margins_.size() == top1_.size());
    std::string csv = "index,label,top1,margin\n";
    for (std::size_t i = 0; i < top1_.size(); ++i)
      csv += fmt::format("{},{},{},{}\n", truth_->samples[i], truth_->labels[i], top1_[i],
                         margins_[i]);
    return csv;
  }

 private:
  [[nodiscard]] std::vector<ImageOutcome> outcomes() const {
    std::vector<ImageOutcome> all(top1_.size());
    for (std::size_t i = 0; i < all.size(); ++i) {
      all[i].top1 = top1_[i];
      all[i].in_top5 = in_top5_[i];
    }
    return all;
  }

  std::shared_ptr<const Truth> truth_;
  std::vector<std::int16_t> top1_;
  std::vector<bool> in_top5_;
  std::vector<float> margins_;  ///< of detailed outcomes
};

class ClassificationScorer final : public Scorer {
 public:
  ClassificationScorer(const Dataset& data,
                       std::shared_ptr<const Truth> truth,
                       bool are_probabilities)
      : data_(data), truth_(std::move(truth)), are_probabilities_(are_probabilities) {}

  [[nodiscard]] const std::vector<Metric>& metrics() const override { return metrics_; }

  [[nodiscard]] std::vector<std::string> class_names() const override {
    return numbered_classes(truth_->classes);
  }

  [[nodiscard]] std::vector<ImageScore> score(std::span<const Tensor> outputs,
                                              std::span<const Tensor> baseline,
                                              std::span<const std::int64_t> samples,
                                              bool detailed,
                                              ByteWriter& outcomes) const override {
    std::vector<std::int64_t> labels;
    for (const std::int64_t sample : samples) labels.push_back(data_.label(sample));
    std::vector<ImageScore> scores;
    for (const ImageOutcome& o :
         score_classification(outputs[0], baseline[0], labels, are_probabilities_)) {
      const auto top1 = static_cast<std::uint16_t>(static_cast<std::int16_t>(o.top1));
      outcomes.u8(static_cast<std::uint8_t>(top1 & 0xFFU));
      outcomes.u8(static_cast<std::uint8_t>(top1 >> 8U));
      outcomes.u8(o.in_top5 ? 1 : 0);
      if (detailed) outcomes.f32(o.margin);
      scores.push_back({o.kl, o.top1 >= 0});
    }
    return scores;
  }

  [[nodiscard]] std::unique_ptr<const Verdict> judge(ByteView outcomes,
                                                     bool detailed) const override {
    return std::make_unique<ClassificationVerdict>(truth_, outcomes, detailed);
  }

 private:
  std::vector<Metric> metrics_ = {{"top1", "top-1"}, {"top5", "top-5"}};
  const Dataset& data_;
  std::shared_ptr<const Truth> truth_;
  bool are_probabilities_;
};

}  // namespace

std::unique_ptr<const Scorer> make_classification(const JobConfig& job,
                                                  const ScoredModel& model,
                                                  const Dataset& evaluation,
                                                  std::span<const std::int64_t> samples) {
  if (!evaluation.has_labels()) {
    throw Error(ErrorCode::mismatch, "task classification needs a label for every image",
                job.evaluation.path_text(), "Give labels, or the task that fits the data");
  }
  const Shape& scores = model.outputs.at(0);
  if (scores.size() != 2) {
    throw Error(ErrorCode::unsupported,
                fmt::format("task classification needs an output [N, classes], the model's is {}",
                            to_string(scores)),
                job.model.string(), "Choose the task that fits the model");
  }
  if (scores[1] < evaluation.classes()) {
    throw Error(ErrorCode::mismatch,
                fmt::format("the model scores {} classes, the data has {}", scores[1],
                            evaluation.classes()),
                job.model.string(), "Evaluate on the data set the model was trained for");
  }
  auto truth = std::make_shared<Truth>();
  truth->samples.assign(samples.begin(), samples.end());
  for (const std::int64_t sample : samples) truth->labels.push_back(evaluation.label(sample));
  truth->classes = evaluation.classes();
  truth->confidence = job.confidence;
  return std::make_unique<ClassificationScorer>(evaluation, std::move(truth),
                                                model.ends_in_softmax);
}

}  // namespace qsweep
