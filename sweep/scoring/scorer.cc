#include "sweep/scoring/scorer.h"

#include <fmt/format.h>

#include "src/base/error.h"

#include "sweep/scoring/makers.h"

namespace qsweep {

std::unique_ptr<const Scorer> make_scorer(const JobConfig& job,
                                          const ScoredModel& model,
                                          const Dataset& evaluation,
                                          std::span<const std::int64_t> samples) {
  if (job.task == "classification") return make_classification(job, model, evaluation, samples);
  if (job.task == "detection") return make_detection(job, model, evaluation, samples);
  if (job.task == "segmentation") return make_segmentation(job, model, evaluation, samples);
  throw Error(ErrorCode::config, fmt::format("unknown task '{}'", job.task), "task",
              "Use classification, detection or segmentation");
}

std::vector<std::string> numbered_classes(std::int64_t classes) {
  std::vector<std::string> names;
  for (std::int64_t c = 0; c < classes; ++c) names.push_back(std::to_string(c));
  return names;
}

}  // namespace qsweep
