#pragma once

#include <cstdint>
#include <limits>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "sweep/plan/latency.h"

namespace qsweep {

/// A profile of a file whose layers are all at one precision, its kernels assigned to layers.
struct UniformProfile {
  std::uint8_t precision = 0;
  std::vector<double> layer_ms;  ///< by layer
  double rest_ms = 0.0;          ///< kernels that are no layer's
};

/// The time of a scheme's whole file.
struct WholeTime {
  std::vector<std::uint8_t> precision;  ///< by layer
  double ms = 0.0;
  TimeSpread spread{};
};

/// How far the additive model is from a whole file's time.
struct LatencyResidual {
  std::string scheme;  ///< text form
  double measured_ms = 0.0, model_ms = 0.0;
  [[nodiscard]] double relative() const { return model_ms / measured_ms - 1.0; }
};

struct FittedLatency {
  LatencyTable table;
  std::vector<LatencyResidual> residuals;  ///< of every whole file that the model covers
};

/// What was measured of a run's schemes on one device.
struct MeasuredLatency {
  LatencyPlace place;
  std::vector<UniformProfile> profiles;
  std::vector<WholeTime> wholes;     ///< of one scheme several: the median counts
  std::vector<LayerLatency> layers;  ///< times that a table states; they win over profiles
  std::optional<double> other_ms{};  ///< of the same table
};

/// Fits the additive model (R201): a scheme takes the sum of its layers, what is outside layers,
/// and a cost for each boundary, where a layer and the one before it (in layer order) differ in
/// precision.
/// - Outside is what the float profile has beside layers, scaled to the float file's whole time.
/// - A precision's layers are its profile, scaled so that its uniform file takes its whole time:
///   what it spends beside layers and the float file does not (quantizers, transposes) is its own.
/// - A boundary costs what the other whole files take longer than that, by least squares, and never
///   less than nothing.
/// A scheme whose whole file was timed has that time.
[[nodiscard]] FittedLatency fit_latency(const MeasuredLatency& measured,
                                        std::span<const Layer> layers,
                                        const PrecisionSet& precisions);

}  // namespace qsweep
