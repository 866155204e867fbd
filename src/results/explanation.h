#pragma once

#include <string>
#include <vector>

#include "src/results/results.h"

namespace qsweep {

/// Why one precision on every layer loses much: which layers carry the error that single-layer runs
/// add up to, and what calibration and weights say about those. Pointers point into the results it
/// was made from.
struct Explanation {
  struct Cause {
    const RunResults::Layer* layer = nullptr;
    const RunResults::Sensitivity* row = nullptr;  ///< its single-layer run at the precision
    double share = 0.0;                            ///< of the total
    std::vector<std::string> reasons{};            ///< measurements, the most telling first
  };

  std::string precision;
  const RunResults::Evaluation* uniform = nullptr;  ///< every layer at `precision`
  std::string score;                                ///< what is added up: kl, mse or drop
  int layers = 0;                                   ///< single-layer runs added up
  double total = 0.0;                               ///< their sum
  double together = 0.0;        ///< the same of `uniform`; NaN where that is not recorded
  std::vector<Cause> causes{};  ///< worst first: the carriers, three at least and ten at most
  /// Causes that it takes to carry 90 % of the total, with those that broke the model.
  std::size_t carriers = 0;
  double covered = 0.0;  ///< share of the carriers
  int broken = 0;        ///< layers whose run gave NaN or infinity: causes too, of no share
  /// Schemes better than `uniform` that give nine tenths of the layers `precision`, the carriers
  /// not among them: the one that spares the fewest layers, then the best one where that is
  /// another.
  struct Remedy {
    const RunResults::Evaluation* scheme = nullptr;
    int quantized = 0;  ///< layers at `precision`
  };
  std::vector<Remedy> remedies{};

  /// One sentence: what falls, which share of the error few layers carry.
  std::string headline{};
  /// Whether errors add up or compound, and what sparing the carriers gives back.
  std::vector<std::string> consequences{};
};

}  // namespace qsweep
