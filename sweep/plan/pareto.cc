#include "sweep/plan/pareto.h"

#include <algorithm>
#include <cmath>

namespace qsweep {
namespace {

bool takes_part(const FrontPoint& p) {
  return p.valid && std::isfinite(p.cost) && std::isfinite(p.other_cost) && std::isfinite(p.metric);
}

}  // namespace

std::vector<bool> pareto_front(std::span<const FrontPoint> points) {
  std::vector<std::size_t> order;
  for (std::size_t i = 0; i < points.size(); ++i) {
    if (takes_part(points[i])) order.push_back(i);
  }
  // In this order a point can only be dominated by one before it, and then by one on the front.
  std::sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
    const FrontPoint& p = points[a];
    const FrontPoint& q = points[b];
    if (p.cost != q.cost) return p.cost < q.cost;
    if (p.other_cost != q.other_cost) return p.other_cost < q.other_cost;
    if (p.metric != q.metric) return p.metric > q.metric;
    return a < b;
  });
  std::vector<bool> front(points.size(), false);
  std::vector<std::size_t> members;
  for (std::size_t i : order) {
    const bool dominated = std::any_of(members.begin(), members.end(), [&](std::size_t m) {
      return points[m].other_cost <= points[i].other_cost && points[m].metric >= points[i].metric;
    });
    if (dominated) continue;
    front[i] = true;
    members.push_back(i);
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
