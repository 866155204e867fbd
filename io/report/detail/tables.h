#pragma once

#include <string>

#include "src/results/results.h"

namespace qsweep::report {

/// Per-class metric of float and of every front scheme, delta = scheme - float
/// (outputs/per_class.csv).
[[nodiscard]] std::string per_class_csv(const RunResults& results);
/// Rows are labels, columns predictions; counts of images.
[[nodiscard]] std::string confusion_csv(const RunResults& results,
                                        const RunResults::Evaluation& evaluation);
/// {successes, failures} of sweep_index.csv (R236), without times.
[[nodiscard]] std::string sweep_index_json(const RunResults& results);
/// The failed and skipped evaluations with their reasons.
[[nodiscard]] std::string failures_json(const RunResults& results);

}  // namespace qsweep::report
