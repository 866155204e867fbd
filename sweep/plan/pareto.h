#pragma once

#include <span>
#include <string>
#include <vector>

namespace qsweep {

/// A scheme as the front sees it. Costs are minimised (latency, size), the metric maximised.
struct FrontPoint {
  std::string id;
  double cost = 0.0;
  double other_cost = 0.0;  ///< a second objective to minimise; equal everywhere = none
  double metric = 0.0;
  bool valid = true;  ///< failed or unmeasured schemes take no part; nor do NaN and infinity
};

/// Marks the points no other valid point dominates (no cost greater, metric not less, one of them
/// strictly better). Among equal points the first stays (R212).
[[nodiscard]] std::vector<bool> pareto_front(std::span<const FrontPoint> points);

/// Area in `cost` and `metric` that the points dominate up to a reference (cost above, metric
/// below); points that do not beat the reference in both add nothing.
[[nodiscard]] double hypervolume(std::span<const FrontPoint> points,
                                 double reference_cost,
                                 double reference_metric);

}  // namespace qsweep
