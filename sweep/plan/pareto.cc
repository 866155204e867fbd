#include "sweep/plan/pareto.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace qsweep {
namespace {

bool takes_part(const FrontPoint& p) {
  return p.valid && std::isfinite(p.cost) && std::isfinite(p.metric);
}

}  // namespace

std::vector<bool> pareto_front(std::span<const FrontPoint> points) {
  std::vector<std::size_t> order;
  for (std::size_t i = 0; i < points.size(); ++i) {
    if (takes_part(points[i])) order.push_back(i);
  }
  // By rising cost, then falling metric, then position: a point is on the front when it beats the
  // best metric so far.
  std::sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
    if (points[a].cost != points[b].cost) return points[a].cost < points[b].cost;
    if (points[a].metric != points[b].metric) return points[a].metric > points[b].metric;
    return a < b;
  });
  std::vector<bool> front(points.size(), false);
  double best = -std::numeric_limits<double>::infinity();
  for (std::size_t i : order) {
    if (points[i].metric > best) {
      front[i] = true;
      best = points[i].metric;
    }
  }
  return front;
}

double hypervolume(std::span<const FrontPoint> points,
                   double reference_cost,
                   double reference_metric) {
  std::vector<FrontPoint> inside;
  for (const FrontPoint& p : points) {
    if (takes_part(p) && p.cost < reference_cost && p.metric > reference_metric)
      inside.push_back(p);
  }
  std::sort(inside.begin(), inside.end(), [](const auto& a, const auto& b) {
    return a.cost != b.cost ? a.cost < b.cost : a.metric > b.metric;
  });
  double area = 0.0;
  double best = reference_metric;
  for (const FrontPoint& p : inside) {
    if (p.metric <= best) continue;
    area += (reference_cost - p.cost) * (p.metric - best);
    best = p.metric;
  }
  return area;
}

}  // namespace qsweep
