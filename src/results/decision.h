#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "src/results/results.h"

namespace qsweep {

enum class Profile { high_precision, general, realtime };
enum class Acceptance { accept, warn, reject };
[[nodiscard]] std::string_view name_of(Profile profile);  ///< high-precision, general, realtime
[[nodiscard]] std::string_view name_of(
    Acceptance acceptance);  ///< accept, accept with a warning, reject

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

/// What the run says to do; sweep/plan decides it. Pointers point into the results it was made
/// from.
struct Decision {
  /// accept, accept with a warning, realtime only, reject, no quantization needed, no scheme; or
  /// `unverified` where no latency is known, since a gain nobody measured is not one (R211). Of a
  /// run that is not finished, `not complete`; with an alarm about the float model, `float model in
  /// doubt`: both in `accuracy_verdict` too.
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

}  // namespace qsweep
