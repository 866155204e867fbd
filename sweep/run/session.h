#pragma once

#include <atomic>

#include "ranks/transport.h"

#include "sweep/job/workload.h"

namespace qsweep {

/// What a command of rank 0 works with: the way to the other ranks, the flag that asks it to stop,
/// and where the process keeps its open workloads.
struct Session {
  Transport& transport;
  const std::atomic<bool>& stop;
  WorkloadShelf& shelf;
};

}  // namespace qsweep
