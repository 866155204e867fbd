#pragma once

#include <cstdint>
#include <limits>
#include <map>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "sweep/plan/scheme.h"

namespace qsweep {

/// How repeated timings lie around their median, in ms; NaN where the source does not say.
struct TimeSpread {
  double mean_ms = std::numeric_limits<double>::quiet_NaN();
  double p95_ms = std::numeric_limits<double>::quiet_NaN();
  double p99_ms = std::numeric_limits<double>::quiet_NaN();
};

/// Milliseconds of one layer (with its input's quantizer) at one precision on one device, and how
/// it is known.
struct LayerLatency {
  std::string layer;
  std::string precision;
  double ms = 0.0;     ///< median of repeated calls, where it was measured
  std::string source;  ///< measured, roofline, table, fitted
  std::string kernel;  ///< measured: the kernel that ran
  TimeSpread spread{};
};

/// The time of a scheme's whole file.
struct SchemeLatency {
  std::string scheme;  ///< canonical text form
  double ms = 0.0;
  TimeSpread spread{};
};

/// Where a table's times come from.
enum class LatencyOrigin : std::uint8_t {
  kernels,   ///< qsweep's own kernels, timed here
  roofline,  ///< a model of a device
  table,     ///< a file that the job names
  imported,  ///< measured elsewhere, and a model fitted to it (sweep/plan/additive_latency.h)
};
/// As results have it: measured, roofline, table, imported.
[[nodiscard]] std::string_view name_of(LatencyOrigin origin);

/// What a table's times are of.
struct LatencyPlace {
  std::string device;
  std::int64_t batch = 1;  ///< images per call
  int threads = 0;         ///< 0: not known, or not a matter of threads
  LatencyOrigin origin = LatencyOrigin::table;
};

/// A device for the roofline model (Williams, Waterman, Patterson 2009):
/// ms = max(2 * MACs / peak(precision), bytes / bandwidth) + overhead. Documented per device with
/// its source.
struct Device {
  std::string name;
  std::string description;
  double bandwidth_gb_s = 0.0;
  double overhead_us = 0.0;  ///< per layer
  /// Peak in 1e9 operations per second by arithmetic type: `fp32 fp16 bf16 fp8 fp4 int8 int4`. A
  /// missing type runs as the next wider one the device has (int4 -> int8 -> fp16; fp4 -> fp8 ->
  /// fp16).
  std::map<std::string, double> peak_gops;
};
[[nodiscard]] const std::vector<Device>& known_devices();
/// @throws Error(config) naming the nearest known device.
[[nodiscard]] const Device& find_device(std::string_view name);

/// Traffic and products of one layer on one image.
struct LayerWork {
  std::int64_t macs = 0;
  std::int64_t input_elements = 0;
  std::int64_t output_elements = 0;
  std::int64_t weight_elements = 0;
};
[[nodiscard]] double roofline_ms(const Device& device,
                                 const LayerWork& work,
                                 const Precision& precision);

/// Boundaries of a scheme: layers whose precision is not that of the layer before, in layer order.
[[nodiscard]] double count_boundaries(std::span<const std::uint8_t> precision);

/// Times of one device. A scheme's latency is that of its whole file where that was timed; else the
/// sum of its layers, of what belongs to no layer, and of a cost for each boundary
/// (count_boundaries()). Rows of several sources may be mixed; of two for the same layer and
/// precision the later one counts.
class LatencyTable {
 public:
  LatencyTable(LatencyPlace place,
               double other_ms,
               std::vector<LayerLatency> rows,
               double boundary_ms = 0.0,
               std::vector<SchemeLatency> schemes = {});
  struct Estimate {
    double ms = 0.0;
    /// `measured`, `roofline`, or `measured 7/10, roofline 3/10`; `whole file`
    std::string source;
    bool complete = true;  ///< false when a layer has no row; ms is then meaningless
  };
  [[nodiscard]] Estimate scheme_ms(std::span<const std::uint8_t> precision,
                                   std::span<const Layer> layers,
                                   const PrecisionSet& precisions) const;
  /// Pairs of layer and precision without a row, in words: `'conv1' at FP32`; `every layer at W8A8`
  /// where a precision has none at all. Empty: every scheme of the precisions has a latency.
  [[nodiscard]] std::vector<std::string> missing(std::span<const Layer> layers,
                                                 const PrecisionSet& precisions) const;
  [[nodiscard]] const LatencyPlace& place() const { return place_; }
  [[nodiscard]] double other_ms() const { return other_ms_; }
  [[nodiscard]] double boundary_ms() const { return boundary_ms_; }
  [[nodiscard]] std::span<const LayerLatency> rows() const { return rows_; }
  [[nodiscard]] std::span<const SchemeLatency> schemes() const { return schemes_; }

 private:
  LatencyPlace place_;
  double other_ms_, boundary_ms_;
  std::vector<LayerLatency> rows_;
  std::vector<SchemeLatency> schemes_;
  std::map<std::pair<std::string, std::string>, std::size_t> index_;  ///< (layer, precision) -> row
};

}  // namespace qsweep
