#pragma once

#include <optional>

#include "src/results/decision.h"
#include "src/results/results.h"

namespace qsweep {

/// Drops that decide, in fractions of the task metric (0.01 = one point). Field practice,
/// R216-R220.
inline constexpr double kHighPrecisionLimit = 0.01;   ///< accepted below
inline constexpr double kHighPrecisionMetric = 0.90;  ///< and only with a metric above
inline constexpr double kGeneralWarning = 0.02;       ///< above: accepted with a warning
inline constexpr double kGeneralLimit = 0.03;         ///< accepted below
inline constexpr double kRealtimeLimit = 0.05;        ///< accepted below
inline constexpr double kTrainingAdvice = 0.02;       ///< above: consider QAT
inline constexpr double kDiagnosis = 0.05;            ///< above: say what may be wrong

/// One scheme under one acceptance profile. A drop that is not a number is rejected.
[[nodiscard]] Acceptance judge(Profile profile, double drop, double metric);

/// What a user asks of a scheme; unset limits do not apply.
struct Limits {
  std::optional<double> min_metric = {};
  std::optional<double> max_drop = {};  ///< exclusive
  std::optional<double> max_latency_ms = {};
  std::optional<double> max_size_bytes = {};
  bool quantized_only = false;  ///< leaves the float baseline out
};
enum class Prefer { accuracy, latency, size };

/// The best scheme within the limits, the float baseline included; nullptr when none is. Ties go to
/// the other axis (latency: higher metric; accuracy: lower cost), then to enumeration order.
/// Schemes without latency never satisfy `max_latency_ms` nor win by latency. The result points
/// into `results`.
[[nodiscard]] const RunResults::Evaluation* pick(const RunResults& results,
                                                 const Limits& limits,
                                                 Prefer prefer);

/// What the run says to do. Pure: equal results give equal decisions.
[[nodiscard]] Decision decide(const RunResults& results);

}  // namespace qsweep
