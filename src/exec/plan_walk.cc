#include "src/base/error.h"

#include "src/exec/detail/demand.h"
#include "src/exec/walk.h"

namespace qsweep {

Walk plan_walk(const Program& program,
               const Trace& trace,
               std::span<const Precision> precisions,
               std::span<const Assignment> schemes,
               const WalkOptions& options) {
  if (program.graph().inputs.size() != 1) {
    throw Error(ErrorCode::unsupported, "evaluation needs a model with one input",
                program.graph().name);
  }
  const detail::Demand demand = detail::find_demand(program, trace, precisions, schemes, options);
  Walk walk = detail::schedule(demand, options.memory_budget);
  if (options.fuse_readers)
    detail::fuse_readers(walk, program, trace, precisions, options.adaptations);
  return walk;
}

}  // namespace qsweep
