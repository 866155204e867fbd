#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "src/metrics/heads/head.h"

/// What the decoders share.
namespace qsweep::heads {

/// One cell of a level's grid.
struct Cell {
  double x = 0.0, y = 0.0;  ///< column and row
  double stride = 1.0;      ///< input pixels per cell
};

/// The cells of all levels, level after level, row after row. A level has ceil(size / stride)
/// cells.
[[nodiscard]] std::vector<Cell> make_cells(const HeadContext& context,
                                           std::span<const std::int64_t> strides);

/// One image of an output; row_major f32.
[[nodiscard]] std::span<const float> image_of(const Tensor& output, std::int64_t image);

[[nodiscard]] Corners from_centre(double x, double y, double width, double height);

[[nodiscard]] float sigmoid(float x);

/// Mean bin of a softmax over `count` logits that lie `step` apart.
[[nodiscard]] double expected_bin(const float* logits, std::int64_t count, std::int64_t step);

/// The box whose sides lie so many cells (left, top, right, bottom) from a cell's centre.
[[nodiscard]] Corners around(const Cell& cell, std::span<const double, 4> distances);

/// @throws Error(mismatch) that the outputs are not what `kind` needs
[[noreturn]] void refuse(const char* kind, const char* expected, const HeadContext& context);

[[nodiscard]] std::unique_ptr<Head> make_yolox(const HeadSpec& spec, const HeadContext& context);
[[nodiscard]] std::unique_ptr<Head> make_yolov5(const HeadSpec& spec, const HeadContext& context);
[[nodiscard]] std::unique_ptr<Head> make_yolov8(const HeadSpec& spec, const HeadContext& context);
[[nodiscard]] std::unique_ptr<Head> make_dfl(const HeadSpec& spec, const HeadContext& context);
[[nodiscard]] std::unique_ptr<Head> make_dfl_levels(const HeadSpec& spec,
                                                    const HeadContext& context);
[[nodiscard]] std::unique_ptr<Head> make_end_to_end(const HeadSpec& spec,
                                                    const HeadContext& context);

}  // namespace qsweep::heads
