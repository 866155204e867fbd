#include "sweep/run/task/task.h"

#include <fmt/format.h>

#include "src/base/error.h"

#include "sweep/run/task/tasks.h"

namespace qsweep {

std::unique_ptr<const VisionTask> make_vision_task(const JobConfig& job,
                                                   const TaskModel& model,
                                                   const Dataset& evaluation,
                                                   std::span<const std::int64_t> samples) {
  if (job.task == "classification") return make_classification(job, model, evaluation, samples);
  if (job.task == "detection") return make_detection(job, model, evaluation, samples);
  throw Error(ErrorCode::unsupported,
              fmt::format("task '{}' has no evaluator in this version", job.task), "task",
              "Use task: classification or detection");
}

}  // namespace qsweep
