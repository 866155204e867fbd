#pragma once

#include <cstdint>
#include <utility>
#include <vector>

#include "src/kernels/linear.h"

namespace qsweep::detail {

/// A linear layer's extents for one input shape, every attribute resolved. A gemm has no spatial
/// axes and `batch` rows; a convolution has one entry per spatial axis (1 to 3) in each vector.
struct Geometry {
  std::int64_t batch = 0;
  std::int64_t group = 1;
  std::int64_t in_channels = 0;
  std::int64_t out_channels = 0;
  std::vector<std::int64_t> input, output, kernel, strides, dilations, pad_begin, pad_end;
  Shape result;  ///< logical shape of the layer's output

  friend bool operator==(const Geometry&, const Geometry&) = default;
};

/// @throws Error(corrupt_input) naming the layer when weight and input do not fit the spec.
[[nodiscard]] Geometry resolve_geometry(const LinearSpec& spec,
                                        const Shape& weight,
                                        const Shape& input);

/// The geometries of the shapes a layer was run on, resolved once each; the latest few are kept.
class Geometries {
 public:
  /// As resolve_geometry(); valid until the next call.
  [[nodiscard]] const Geometry& of(const LinearSpec& spec, const Shape& weight, const Shape& input);

 private:
  std::vector<std::pair<Shape, Geometry>> known_;
};

/// Output channels of a weight in ONNX layout. @throws Error(corrupt_input) on a wrong rank or
/// group.
[[nodiscard]] std::int64_t output_channels(const LinearSpec& spec, const Shape& weight);

/// Product of extents.
[[nodiscard]] std::int64_t product(const std::vector<std::int64_t>& extents);

/// Coordinates of the flat (row-major) place in an array of these extents.
void unflatten(std::int64_t place,
               const std::vector<std::int64_t>& extents,
               std::vector<std::int64_t>& coordinates);

/// Most elements a result may have; beyond it the operands cannot be meant.
constexpr std::int64_t kMaxElements = std::int64_t{1} << 31;
/// True when no extent is negative and there are at most kMaxElements elements.
[[nodiscard]] bool is_plausible(const Shape& shape);

}  // namespace qsweep::detail
