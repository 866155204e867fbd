#include <algorithm>
#include <limits>
#include <numeric>

#include "src/kernels/detail/geometry.h"
#include "src/kernels/detail/operator.h"

namespace qsweep::detail {
namespace {

struct Corners {
  float top, left, bottom, right;
};

Corners corners(const float* box, bool is_centre) {
  if (is_centre) {  // x, y, width, height
    return {box[1] - box[3] / 2.0f, box[0] - box[2] / 2.0f, box[1] + box[3] / 2.0f,
            box[0] + box[2] / 2.0f};
  }
  return {std::min(box[0], box[2]), std::min(box[1], box[3]), std::max(box[0], box[2]),
          std::max(box[1], box[3])};
}

float area(const Corners& c) {
  return (c.bottom - c.top) * (c.right - c.left);
}

/// Intersection over union; 0 for boxes without area.
float overlap(const Corners& a, const Corners& b) {
  const float height = std::min(a.bottom, b.bottom) - std::max(a.top, b.top);
  const float width = std::min(a.right, b.right) - std::max(a.left, b.left);
  if (!(height > 0.0f) || !(width > 0.0f) || area(a) <= 0.0f || area(b) <= 0.0f) return 0.0f;
  return height * width / (area(a) + area(b) - height * width);
}

}  // namespace

Tensors non_max_suppression(const OpCall& call, Inputs inputs) {
  const Tensor& boxes = inputs[0];
  const Tensor& scores = inputs[1];
  require_f32(call, boxes);
  require_f32(call, scores);
  if (boxes.rank() != 3 || scores.rank() != 3 || boxes.dim(2) != 4 ||
      boxes.dim(0) != scores.dim(0) || boxes.dim(1) != scores.dim(2))
    fail(call,
         "has boxes " + to_string(boxes.shape()) + " with scores " + to_string(scores.shape()));
  const auto scalar = [&](std::size_t i, float absent) {
    if (!has(inputs, i)) return absent;
    const std::vector<float> values = float_values(call, inputs[i]);
    if (values.size() != 1) fail(call, "has a threshold that is not one number");
    return values[0];
  };
  const Ints asked = has(inputs, 2) ? int_values(call, inputs[2]) : Ints{0};
  if (asked.size() != 1) fail(call, "has a limit that is not one number");
  const auto limit = static_cast<std::size_t>(std::max<std::int64_t>(asked[0], 0));
  const float overlap_limit = scalar(3, 0.0f);
  const float lowest_score = scalar(4, -std::numeric_limits<float>::infinity());
  const bool is_centre = call.attributes.i("center_point_box", 0) != 0;
  const std::int64_t count = boxes.dim(1);
  Ints rows;
  std::vector<std::int64_t> order(static_cast<std::size_t>(count));
  for (std::int64_t n = 0; n < boxes.dim(0); ++n) {
    const float* box = boxes.data<float>().data() + n * count * 4;
    for (std::int64_t c = 0; c < scores.dim(1); ++c) {
      const float* score = scores.data<float>().data() + (n * scores.dim(1) + c) * count;
      order.clear();
      for (std::int64_t i = 0; i < count; ++i) {
        if (score[i] > lowest_score) order.push_back(i);
      }
      std::ranges::stable_sort(order,
                               [&](std::int64_t l, std::int64_t r) { return score[l] > score[r]; });
      std::vector<Corners> kept;
      for (const std::int64_t i : order) {
        if (kept.size() >= limit) break;
        const Corners candidate = corners(box + 4 * i, is_centre);
        const bool hidden = std::ranges::any_of(
            kept, [&](const Corners& k) { return overlap(k, candidate) > overlap_limit; });
        if (hidden) continue;
        kept.push_back(candidate);
        rows.insert(rows.end(), {n, c, i});
      }
    }
  }
  return {
      Tensor::of<std::int64_t>(DType::i64, {static_cast<std::int64_t>(rows.size() / 3), 3}, rows)};
}

}  // namespace qsweep::detail
