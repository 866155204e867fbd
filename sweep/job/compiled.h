#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "src/quant/adapt.h"
#include "src/quant/observer.h"

#include "io/config/job.h"

#include "sweep/job/model.h"
#include "sweep/plan/families.h"
#include "sweep/plan/scheme.h"
#include "sweep/plan/sensitivity.h"

namespace qsweep {

/// What a job asks for, in indices and assignments: its texts are read once, here, and are only
/// rendered again for people. Precision 0 is FP32. Immutable, shared by threads.
struct CompiledJob {
  /// A scheme that the job writes out, or that its preset and rules mean.
  struct ListedScheme {
    std::string name;
    std::vector<std::uint8_t> precision;  ///< by layer
  };

  PrecisionSet precisions;
  CalibratorSettings calibrator;
  WeightSettings weights;

  std::uint8_t base = 0;             ///< sensitivity: of the layers that are not at the probed one
  std::vector<std::uint8_t> probed;  ///< sensitivity: tried on every layer, none is base
  std::vector<SensitivityMode> modes;
  Score score = Score::kl;
  std::vector<LayerId> leaders;  ///< by layer: see leaders_of(); itself unless tied

  std::vector<TopKFamily> families;
  std::optional<SchemeSpace> space;
  std::int64_t most_schemes = 0;  ///< of the space
  std::vector<ListedScheme> listed;
  std::vector<QuantRule> rules;       ///< the preset's and the job's, all in order; may be empty
  std::vector<std::string> warnings;  ///< for people, once a run

  /// True when a precision needs ranges of layer inputs, or the weight algorithm the inputs.
  [[nodiscard]] bool needs_calibration() const;
  /// True when the weight algorithm does something to some precision.
  [[nodiscard]] bool needs_inputs() const;
  /// True when it does something to this layer at this precision. A ConvTranspose is always rounded
  /// plainly.
  [[nodiscard]] bool is_adapted(const Layer& layer, const Precision& precision) const;
};

/// @throws Error(config) on what the job's keys alone cannot show: selectors that match nothing,
/// precisions, algorithms and calibrators that do not fit each other, families and spaces that are
/// larger than the model
[[nodiscard]] CompiledJob compile(const JobConfig& job, const OpenModel& model);

[[nodiscard]] QuantDefaults quant_defaults(const JobConfig& job);

}  // namespace qsweep
