#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "io/report/results.h"

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

/// Images a second, one after another: 1000 / latency; NaN without a latency (R192).
[[nodiscard]] double images_per_second(const RunResults::Evaluation& scheme);
/// Times as fast as the baseline: its latency over the scheme's; NaN where one is missing (R206).
[[nodiscard]] double speedup(const RunResults& results, const RunResults::Evaluation& scheme);

enum class Profile { high_precision, general, realtime };
enum class Acceptance { accept, warn, reject };
[[nodiscard]] std::string_view name_of(Profile profile);  ///< high-precision, general, realtime
[[nodiscard]] std::string_view name_of(
    Acceptance acceptance);  ///< accept, accept with a warning, reject

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

/// The answer to one question asked of the sweep.
struct Choice {
  std::string use;                                 ///< best_for_accuracy, best_for_latency, ...
  std::string question;                            ///< in words
  const RunResults::Evaluation* scheme = nullptr;  ///< nullptr: no scheme qualifies
};

struct ProfileVerdict {
  Profile profile = Profile::general;
  double limit = 0.0;
  const RunResults::Evaluation* scheme =
      nullptr;  ///< cheapest quantized scheme accepted; may be null
  Acceptance acceptance = Acceptance::reject;
  bool is_certain = false;  ///< the whole interval of the drop keeps the limit
  std::string text;
};

/// What the run says to do. Pointers point into the results it was made from.
struct Decision {
  /// accept, accept with a warning, realtime only, reject, no quantization needed, no scheme; or
  /// `unverified` where no latency is known, since a gain nobody measured is not one (R211).
  std::string verdict;
  std::string accuracy_verdict;  ///< the same without regard to latency
  std::string headline;          ///< one sentence for people
  /// Cheapest quantized scheme of the strictest drop limit (1, 3, 5 %) that some scheme cheaper
  /// than float keeps; the baseline where there is none.
  const RunResults::Evaluation* recommended = nullptr;
  bool is_verified = false;
  std::vector<Choice> choices;
  std::vector<ProfileVerdict> profiles;
  std::vector<std::string> advice;  ///< QAT above 2 %, noise called noise
  std::vector<std::string>
      diagnosis;  ///< above 5 %: likely causes with this run's figures, and remedies
};

/// Pure: equal results give equal decisions.
[[nodiscard]] Decision decide(const RunResults& results);

}  // namespace qsweep
