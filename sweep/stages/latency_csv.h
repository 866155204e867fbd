#pragma once

#include <string>
#include <string_view>

#include "sweep/plan/latency.h"

namespace qsweep {

/// latency.csv: `device,layer,precision,ms,source,kernel,batch,threads,mean_ms,p95_ms,p99_ms`, one
/// row for each layer and precision. With layer `*`, precision `*` is the time outside layers,
/// `boundary` the cost of a boundary, and a scheme's text form the time of its whole file. Columns
/// behind `source` may be left out, cells behind `kernel` may be empty.
[[nodiscard]] std::string to_csv(const LatencyTable& table);

/// @param batch images per call, where the table does not say
/// @throws Error(corrupt_input) that lists every row at fault with its line: a cell too many or too
///         few, a time that is not a finite number from 0 on, a second row for a layer and
///         precision with another time, another device
[[nodiscard]] LatencyTable parse_latency_csv(std::string_view text,
                                             const std::string& where,
                                             std::int64_t batch = 1);

}  // namespace qsweep
