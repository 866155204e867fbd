#pragma once

#include <span>
#include <string>
#include <vector>

#include "src/base/ids.h"

#include "src/metrics/classification.h"
#include "src/metrics/tensor_error.h"

namespace qsweep {

/// Which layers a single-layer run sets to the probed precision.
enum class SensitivityMode : std::uint8_t { only, all_but };
[[nodiscard]] SensitivityMode parse_sensitivity_mode(std::string_view name);
[[nodiscard]] std::string_view name_of(SensitivityMode mode);

/// One layer at the probed precision and all others at the base (`only`), or the reverse
/// (`all_but`). The base is the float model unless the job names another precision.
struct SensitivityRecord {
  LayerId layer{};
  std::uint8_t precision = 0;
  SensitivityMode mode = SensitivityMode::only;
  double kl = 0.0;       ///< mean KL(float || quantized) of the model's outputs, nats
  double sqnr_db = 0.0;  ///< of the layer's output; as mse, cosine and qdq_error known (not NaN)
                         ///< only of a layer quantized alone: mode `only`, base float
  double mse = 0.0;
  double cosine = 1.0;
  double qdq_error = 0.0;    ///< relative RMS error of the layer's input through its own quantizer
  double output_mse = 0.0;   ///< of the model's outputs
  double metric = 0.0;       ///< the task metric under this change
  double metric_drop = 0.0;  ///< against the base on all layers; positive = worse
  double drop_low = 0.0, drop_high = 0.0;
  double standard_error = 0.0;
  bool has_nonfinite = false;  ///< NaN or infinity appeared
};

enum class Score { kl, mse, sqnr, drop };
[[nodiscard]] Score parse_score(std::string_view name);
[[nodiscard]] std::string_view name_of(Score score);

/// The number to rank by, larger = more sensitive (kl, output mse, -sqnr, metric drop).
[[nodiscard]] double score_of(const SensitivityRecord& record, Score score);

/// Layers from most to least sensitive for one precision, each once; ties in layer order
/// (R122). A score that is NaN ranks first: the change broke the model. Ranks single-layer (`only`)
/// records where there are any, else the `all_but` ones.
[[nodiscard]] std::vector<LayerId> rank_layers(std::span<const SensitivityRecord> records,
                                               std::uint8_t precision,
                                               Score score);

enum class SensitivityClass { low, medium, high };
/// high: a drop of at least `high_drop` whose interval lies above 0, or scores that are not finite;
/// medium: an interval above 0, or a drop of half as much; else low (R140).
[[nodiscard]] SensitivityClass classify(const SensitivityRecord& record, double high_drop = 0.01);
[[nodiscard]] std::string_view name_of(SensitivityClass c);

/// Spearman's rank correlation of two rankings of the same layers (mean ranks for ties of values).
/// NaN when either is constant, empty or holds a NaN.
[[nodiscard]] double spearman(std::span<const double> a, std::span<const double> b);
/// Kendall's tau-b; NaN as spearman().
[[nodiscard]] double kendall(std::span<const double> a, std::span<const double> b);

}  // namespace qsweep
