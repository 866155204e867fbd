#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>

#include "src/kernels/detail/operator.h"

namespace qsweep::detail {

/// A walk over N operands of common extents, each with its own strides (in elements; 0 broadcasts,
/// negative runs backwards). Axes are given in the order the walk should nest, the last one
/// innermost.
template <std::size_t N>
class StridedLoop {
 public:
  void add_axis(std::int64_t extent, const std::array<std::int64_t, N>& strides) {
    if (extent == 1) return;
    // An axis continues the previous one when, for all operands, stepping past its end is one outer
    // step.
    bool continues = !extents_.empty() && extents_.back() > 0;
    for (std::size_t k = 0; continues && k < N; ++k) {
      continues = strides_.back()[k] == strides[k] * extent;
    }
    if (continues) {
      extents_.back() *= extent;
      strides_.back() = strides;
    } else {
      extents_.push_back(extent);
      strides_.push_back(strides);
    }
  }

  /// Calls row(offsets, inner strides, count) for each run along the innermost axis.
  template <class Row>
  void run(const Row& row) const {
    std::array<std::int64_t, N> offsets{};
    if (extents_.empty()) {
      row(offsets, std::array<std::int64_t, N>{}, std::int64_t{1});
      return;
    }
    if (std::ranges::find(extents_, 0) != extents_.end()) return;
    const std::size_t outer = extents_.size() - 1;
    Ints place(outer, 0);
    while (true) {
      row(offsets, strides_.back(), extents_.back());
      std::size_t axis = outer;
      while (axis-- > 0) {
        for (std::size_t k = 0; k < N; ++k) offsets[k] += strides_[axis][k];
        if (++place[axis] < extents_[axis]) break;
        for (std::size_t k = 0; k < N; ++k) offsets[k] -= strides_[axis][k] * extents_[axis];
        place[axis] = 0;
      }
      if (axis == static_cast<std::size_t>(-1)) return;
    }
  }

  /// The axes of more than one element, those that continue each other joined.
  [[nodiscard]] const Ints& extents() const { return extents_; }
  [[nodiscard]] const std::vector<std::array<std::int64_t, N>>& strides() const { return strides_; }

 private:
  Ints extents_;
  std::vector<std::array<std::int64_t, N>> strides_;
};

/// Shape that operands broadcast to (ONNX multidirectional). Fails naming the node when they do
/// not.
[[nodiscard]] Shape broadcast_shape(const OpCall& call, const std::vector<const Tensor*>& operands);
/// Layout for an elementwise result: channels_last as soon as one full-sized operand has it.
[[nodiscard]] Layout broadcast_layout(const Shape& shape,
                                      const std::vector<const Tensor*>& operands);
/// Strides of an operand along the axes of the broadcast shape.
[[nodiscard]] Ints broadcast_strides(const Tensor& operand, const Shape& shape);

/// Walk over K operands broadcast to `result`, and `result` itself as the last.
template <std::size_t K>
StridedLoop<K + 1> broadcast_loop(const std::array<const Tensor*, K>& operands,
                                  const Tensor& result) {
  std::array<Ints, K + 1> strides;
  for (std::size_t k = 0; k < K; ++k) strides[k] = broadcast_strides(*operands[k], result.shape());
  strides[K] = strides_of(result.shape(), result.layout());
  StridedLoop<K + 1> loop;
  for (const std::size_t axis : physical_order(result.shape().size(), result.layout())) {
    std::array<std::int64_t, K + 1> step{};
    for (std::size_t k = 0; k <= K; ++k) step[k] = strides[k][axis];
    loop.add_axis(result.shape()[axis], step);
  }
  return loop;
}

/// Copies a box of elements: axes nest in the order given. Offsets and strides in elements.
struct Box {
  Ints extents, source_strides, target_strides;
  std::int64_t source_offset = 0;
  std::int64_t target_offset = 0;
};
void copy_box(const Tensor& source, Tensor& target, const Box& box);

/// The box of a logical shape, axes nested in the physical order of `layout`.
[[nodiscard]] Box make_box(const Shape& shape,
                           const Ints& source_strides,
                           const Ints& target_strides,
                           Layout layout);

}  // namespace qsweep::detail
