#include "src/metrics/heads/detail/grid.h"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "src/base/error.h"
#include "src/base/text.h"

namespace qsweep::heads {

std::vector<Cell> make_cells(const HeadContext& context, std::span<const std::int64_t> strides) {
  std::vector<Cell> cells;
  for (const std::int64_t stride : strides) {
    const std::int64_t rows = (context.height + stride - 1) / stride;
    const std::int64_t columns = (context.width + stride - 1) / stride;
    for (std::int64_t y = 0; y < rows; ++y) {
      for (std::int64_t x = 0; x < columns; ++x)
        cells.push_back(
            {static_cast<double>(x), static_cast<double>(y), static_cast<double>(stride)});
    }
  }
  return cells;
}

std::span<const float> image_of(const Tensor& output, std::int64_t image) {
  QSWEEP_CHECK(output.layout() == Layout::row_major && image < output.dim(0));
  const auto size = static_cast<std::size_t>(output.size() / output.dim(0));
  return output.data<float>().subspan(static_cast<std::size_t>(image) * size, size);
}

Corners from_centre(double x, double y, double width, double height) {
  return {x - width / 2.0, y - height / 2.0, x + width / 2.0, y + height / 2.0};
}

float sigmoid(float x) {
  return 1.0f / (1.0f + std::exp(-x));
}

double expected_bin(const float* logits, std::int64_t count, std::int64_t step) {
  float largest = logits[0];
  for (std::int64_t b = 1; b < count; ++b) largest = std::max(largest, logits[b * step]);
  double sum = 0.0, weighted = 0.0;
  for (std::int64_t b = 0; b < count; ++b) {
    const double e = std::exp(static_cast<double>(logits[b * step]) - static_cast<double>(largest));
    sum += e;
    weighted += e * static_cast<double>(b);
  }
  return weighted / sum;
}

Corners around(const Cell& cell, std::span<const double, 4> distances) {
  const double x = cell.x + 0.5, y = cell.y + 0.5;
  return {(x - distances[0]) * cell.stride, (y - distances[1]) * cell.stride,
          (x + distances[2]) * cell.stride, (y + distances[3]) * cell.stride};
}

void refuse(const char* kind, const char* expected, const HeadContext& context) {
  std::vector<std::string> shapes;
  for (const Shape& shape : context.outputs) shapes.push_back(to_string(shape));
  throw Error(
      ErrorCode::mismatch,
      fmt::format("head '{}' needs {} for {} classes and a {}x{} input; the outputs are {}", kind,
                  expected, context.classes, context.height, context.width, join(shapes, ", ")),
      "head.kind", "Name the head that the model has, its strides and its classes");
}

}  // namespace qsweep::heads
