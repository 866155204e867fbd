#include "sweep/plan/alarms.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include <fmt/format.h>

#include "src/results/views.h"

namespace qsweep {
namespace {

using About = RunResults::Alarm::About;
using Counts = std::vector<std::int64_t>;

constexpr std::string_view kCheckInput =
    "Check scale, mean, std, color and layout of the input, and that the labels are the model's.";
constexpr double kNearChance = 2.5;   ///< times chance
constexpr double kAboveChance = 0.2;  ///< of the way from chance to all right
constexpr double kLowMap = 0.01;
constexpr double kConstantClass = 1.1;  ///< times the mean IoU of the most frequent class alone
constexpr double kImplausible = 1e-6;
constexpr std::int64_t kFewestPredictions = 10;
/// One class for all images is right where nearly all images are of one.
constexpr double kMostlyOneClass = 0.9;

std::int64_t total(const Counts& counts) {
  return std::accumulate(counts.begin(), counts.end(), std::int64_t{0});
}

/// Row and column sums of the baseline's confusion: by label and by prediction. Empty without one.
struct Margins {
  Counts labels, predictions;
};
Margins margins(const Counts& confusion) {
  const auto classes =
      static_cast<std::size_t>(std::lround(std::sqrt(static_cast<double>(confusion.size()))));
  Margins found{Counts(classes, 0), Counts(classes, 0)};
  for (std::size_t i = 0; i < classes * classes; ++i) {
    found.labels[i / classes] += confusion[i];
    found.predictions[i % classes] += confusion[i];
  }
  return found;
}

double largest_share(const Counts& counts) {
  const std::int64_t sum = total(counts);
  return sum == 0
             ? 0.0
             : static_cast<double>(*std::ranges::max_element(counts)) / static_cast<double>(sum);
}

/// `top-1 is 10.0 % on 10 classes, which is chance`.
std::string chance_text(const RunResults::Evaluation& base, double chance, std::size_t classes) {
  std::string_view relation = "which is near chance";
  if (base.ci_high < chance) {
    relation = "which is below chance";
  } else if (base.ci_low <= chance) {
    relation = base.ci_high <= kNearChance * chance ? "which is chance"
                                                    : "which cannot be told from chance";
  }
  return fmt::format("top-1 is {:.1f} % on {} classes and {} images, {}", 100.0 * base.metric,
                     classes, base.images, relation);
}

class Alarms {
 public:
  explicit Alarms(const RunResults& results) : r_(results), base_(results.baseline) {}

  std::vector<RunResults::Alarm> find() {
    if (view::is_ok(base_) && base_.images > 0) {
      look_at_outputs();
      if (r_.metric == "top1") look_at_classes();
      if (r_.metric == "map") look_at_boxes();
      if (r_.metric == "miou") look_at_pixels();
    }
    for (const RunResults::Dataset* data : {&r_.calibration, &r_.evaluation}) {
      for (const std::string& remark : data->remarks) {
        if (std::ranges::find(found_, remark, &RunResults::Alarm::text) == found_.end())
          found_.push_back({About::data, remark});
      }
    }
    return std::move(found_);
  }

 private:
  void float_looks_wrong(const std::string& why, std::string_view check = kCheckInput) {
    found_.push_back(
        {About::float_model, fmt::format("The float model looks wrong: {}. {}", why, check)});
  }

  void look_at_outputs() {
    if (!base_.nonfinite) return;
    float_looks_wrong("its outputs hold NaN or infinity for some images",
                      "Check the images for NaN, and scale, mean and std of the input.");
  }

  void look_at_classes() {
    const std::size_t classes = r_.class_names.size();
    if (classes < 2) return;
    const double chance = 1.0 / static_cast<double>(classes);
    const bool is_near_chance = base_.metric <= kNearChance * chance &&
                                base_.metric <= chance + kAboveChance * (1.0 - chance);
    if (is_near_chance) {
      float_looks_wrong(chance_text(base_, chance, classes));
    } else {
      look_for_one_class();
    }
    // Labels of so many images drawn from all of the model's classes would have met the last ones.
    if (r_.model.classes <= static_cast<std::int64_t>(classes)) return;
    const double missed =
        std::pow(static_cast<double>(classes) / static_cast<double>(r_.model.classes),
                 static_cast<double>(base_.images));
    if (missed < kImplausible && base_.ci_low <= 2.0 * chance)
      float_looks_wrong(
          fmt::format("it scores {} classes, but the labels are of {}", r_.model.classes, classes),
          "Evaluate on the data set that the model was trained for, with the labels it was trained "
          "with.");
  }

  void look_for_one_class() {
    const Margins m = margins(base_.confusion);
    if (base_.images < kFewestPredictions || m.predictions.empty() ||
        std::ranges::max(m.predictions) < base_.images || largest_share(m.labels) > kMostlyOneClass)
      return;
    const auto one = std::ranges::max_element(m.predictions) - m.predictions.begin();
    float_looks_wrong(fmt::format("it gives class '{}' for all {} images",
                                  view::class_name(r_, static_cast<std::size_t>(one)),
                                  base_.images));
  }

  void look_at_boxes() {
    const bool any_box =
        std::ranges::any_of(base_.class_metric, [](double ap) { return std::isfinite(ap); });
    if (any_box && base_.metric < kLowMap)
      float_looks_wrong(
          fmt::format("mAP is {:.2f} % though objects are annotated", 100.0 * base_.metric));
  }

  void look_at_pixels() {
    const Margins m = margins(base_.confusion);
    const auto labelled = std::ranges::count_if(m.labels, [](std::int64_t n) { return n > 0; });
    if (labelled < 2) return;
    const double constant = largest_share(m.labels) / static_cast<double>(labelled);
    if (base_.metric <= kConstantClass * constant)
      float_looks_wrong(fmt::format(
          "mean IoU is {:.1f} %, and the most frequent class for every pixel would give {:.1f} %",
          100.0 * base_.metric, 100.0 * constant));
  }

  const RunResults& r_;
  const RunResults::Evaluation& base_;
  std::vector<RunResults::Alarm> found_;
};

}  // namespace

std::vector<RunResults::Alarm> find_alarms(const RunResults& results) {
  return Alarms(results).find();
}

}  // namespace qsweep
