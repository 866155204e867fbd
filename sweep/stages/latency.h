#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "sweep/plan/latency.h"
#include "sweep/stages/stage.h"

namespace qsweep {

/// The latency table of a run for every (layer, precision), by the job's source: measured on this
/// machine's kernels (rank 0, alone), a device's roofline, or a CSV file; or what was imported.
/// Precisions this CPU only emulates are never timed (R114): in a measured table they are modelled
/// as the measured FP32 time times roofline(precision) / roofline(FP32) of the generic CPU device,
/// and their rows say so. Measured once per run: the records hold the table, so a resumed run keeps
/// it.
[[nodiscard]] std::unique_ptr<const Stage> make_latency_stage(const Workload& workload);

/// Makes an imported table the run's, in place of any that it has or would measure.
void put_imported_latency(RecordStore& records, const LatencyTable& table);

/// The table when it can be had without measuring: imported, from the records, a device's roofline
/// or a file.
[[nodiscard]] std::optional<LatencyTable> known_latency_table(const Workload& workload,
                                                              const RecordStore& records);

/// What the roofline model needs to know of each layer, for one image.
[[nodiscard]] std::vector<LayerWork> layer_work(const Workload& workload);

}  // namespace qsweep
