#include "src/kernels/detail/strided.h"

#include <array>
#include <cstddef>
#include <cstring>

#include "src/base/vector_clones.h"

#include "src/tensor/transpose.h"

namespace qsweep::detail {

Shape broadcast_shape(const OpCall& call, const std::vector<const Tensor*>& operands) {
  Shape shape;
  for (const Tensor* operand : operands) {
    const Shape& own = operand->shape();
    if (own.size() > shape.size()) shape.insert(shape.begin(), own.size() - shape.size(), 1);
    const std::size_t shift = shape.size() - own.size();
    for (std::size_t i = 0; i < own.size(); ++i) {
      std::int64_t& extent = shape[shift + i];
      if (extent == 1) {
        extent = own[i];
      } else if (own[i] != 1 && own[i] != extent) {
        fail(call, "cannot broadcast " + to_string(own) + " to " + to_string(shape));
      }
    }
  }
  return shape;
}

Layout broadcast_layout(const Shape& shape, const std::vector<const Tensor*>& operands) {
  const bool any = std::ranges::any_of(operands, [&](const Tensor* operand) {
    return operand->layout() == Layout::channels_last && operand->shape() == shape;
  });
  return any ? Layout::channels_last : Layout::row_major;
}

Ints broadcast_strides(const Tensor& operand, const Shape& shape) {
  const Ints own = strides_of(operand.shape(), operand.layout());
  const std::size_t shift = shape.size() - own.size();
  Ints strides(shape.size(), 0);
  for (std::size_t i = 0; i < own.size(); ++i) {
    if (operand.shape()[i] != 1) strides[shift + i] = own[i];
  }
  return strides;
}

namespace {

constexpr std::int64_t kLine = 64;

/// Of words, as a detector's focus takes columns.
QSWEEP_VECTOR_CLONES void every_second(const void* in, void* out, std::int64_t n) {
  const auto* from = static_cast<const std::uint32_t*>(in);
  auto* to = static_cast<std::uint32_t*>(out);
  for (std::int64_t i = 0; i < n; ++i) to[i] = from[i * 2];
}

template <class T>
void copy_run(
    const T* in, std::int64_t in_stride, T* out, std::int64_t out_stride, std::int64_t n) {
  if (in_stride == 1 && out_stride == 1) {
    std::memcpy(out, in, static_cast<std::size_t>(n) * sizeof(T));
  } else if (sizeof(T) == sizeof(std::uint32_t) && in_stride == 2 && out_stride == 1) {
    every_second(in, out, n);
  } else {
    for (std::int64_t i = 0; i < n; ++i) out[i * out_stride] = in[i * in_stride];
  }
}

/// Rows of a few whole lines of the cache each: what concatenating channels copies.
QSWEEP_VECTOR_CLONES void copy_lines(const std::byte* from,
                                     std::int64_t from_stride,
                                     std::byte* to,
                                     std::int64_t to_stride,
                                     std::int64_t rows,
                                     std::int64_t bytes) {
  for (std::int64_t r = 0; r < rows; ++r, from += from_stride, to += to_stride) {
    for (std::int64_t at = 0; at < bytes; at += kLine) std::memcpy(to + at, from + at, kLine);
  }
}

/// Copies where both run along the innermost axis, in rows too short for a call each. False, and
/// nothing done, for other boxes.
template <class T>
bool copy_short_rows(const StridedLoop<2>& loop, const T* from, T* to) {
  constexpr std::int64_t kLongest = 1024;
  constexpr auto kElement = static_cast<std::int64_t>(sizeof(T));
  const Ints& extents = loop.extents();
  if (extents.size() < 2 || std::ranges::find(extents, 0) != extents.end()) return false;
  const std::int64_t bytes = extents.back() * kElement;
  if (loop.strides().back() != std::array<std::int64_t, 2>{1, 1} || bytes % kLine != 0 ||
      bytes > kLongest)
    return false;
  StridedLoop<2> rows;
  for (std::size_t axis = 0; axis + 1 < extents.size(); ++axis)
    rows.add_axis(extents[axis], loop.strides()[axis]);
  rows.run([&](const auto& offset, const auto& stride, std::int64_t count) {
    copy_lines(reinterpret_cast<const std::byte*>(from + offset[0]), stride[0] * kElement,
               reinterpret_cast<std::byte*>(to + offset[1]), stride[1] * kElement, count, bytes);
  });
  return true;
}

/// Copies where the source runs along another axis than the target, plane by plane. False, and
/// nothing done, for other boxes.
template <class T>
bool copy_transposed(const StridedLoop<2>& loop, const T* from, T* to) {
  const Ints& extents = loop.extents();
  const auto& strides = loop.strides();
  if (extents.size() < 2 || std::ranges::find(extents, 0) != extents.end()) return false;
  const std::size_t inner = extents.size() - 1;
  const auto row = std::ranges::find(strides, 1, [](const auto& s) { return s[0]; });
  if (strides[inner][1] != 1 || strides[inner][0] < 1 || row == strides.end() ||
      row == strides.begin() + static_cast<std::ptrdiff_t>(inner))
    return false;
  const auto across = static_cast<std::size_t>(row - strides.begin());
  if (strides[across][1] < 1) return false;
  StridedLoop<2> planes;
  for (std::size_t axis = 0; axis < inner; ++axis) {
    if (axis != across) planes.add_axis(extents[axis], strides[axis]);
  }
  planes.run([&](const auto& offset, const auto& stride, std::int64_t count) {
    for (std::int64_t i = 0; i < count; ++i) {
      transpose_plane(from + offset[0] + i * stride[0], strides[inner][0],
                      to + offset[1] + i * stride[1], strides[across][1], extents[inner],
                      extents[across]);
    }
  });
  return true;
}

}  // namespace

void copy_box(const Tensor& source, Tensor& target, const Box& box) {
  StridedLoop<2> loop;
  for (std::size_t i = 0; i < box.extents.size(); ++i) {
    loop.add_axis(box.extents[i], {box.source_strides[i], box.target_strides[i]});
  }
  visit_size(source.dtype(), [&]<class T>(std::type_identity<T>) {
    const T* from = source.data<T>().data() + box.source_offset;
    T* to = target.mutable_data<T>().data() + box.target_offset;
    if (copy_transposed(loop, from, to) || copy_short_rows(loop, from, to)) return;
    loop.run([&](const auto& offset, const auto& stride, std::int64_t count) {
      copy_run(from + offset[0], stride[0], to + offset[1], stride[1], count);
    });
  });
}

Box make_box(const Shape& shape,
             const Ints& source_strides,
             const Ints& target_strides,
             Layout layout) {
  Box box;
  for (const std::size_t axis : physical_order(shape.size(), layout)) {
    box.extents.push_back(shape[axis]);
    box.source_strides.push_back(source_strides[axis]);
    box.target_strides.push_back(target_strides[axis]);
  }
  return box;
}

}  // namespace qsweep::detail
