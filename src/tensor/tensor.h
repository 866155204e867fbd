#pragma once

#include <cstdint>
#include <initializer_list>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "src/base/error.h"

#include "src/tensor/dtype.h"

namespace qsweep {

/// Extents of a tensor in its logical (ONNX) order; a scalar has none.
using Shape = std::vector<std::int64_t>;

/// Number of elements. Throws Error(corrupt_input) on a negative extent or overflow.
[[nodiscard]] std::int64_t element_count(const Shape& shape);
/// `1x3x32x32`; `scalar` for no extents.
[[nodiscard]] std::string to_string(const Shape& shape);

/// Physical order of the elements. `channels_last` stores the logical [N, C, d1, ...] as [N, d1,
/// ..., C]; the convolution kernels work on it, so layouts are converted only where an operator
/// needs row_major.
enum class Layout : std::uint8_t { row_major, channels_last };

/// A contiguous, 64-byte aligned array with a type, a logical shape and a layout.
/// Copies share the buffer: treat a tensor as immutable once others can see it. Buffers come from a
/// per-thread pool, so a steady loop does not call malloc. Distinct tensors may be used by distinct
/// threads; a buffer may be read by many threads.
class Tensor {
 public:
  Tensor() = default;
  /// Uninitialised elements. Throws Error(resource) when memory is short.
  Tensor(DType dtype, Shape shape, Layout layout = Layout::row_major);

  /// Elements that are kept elsewhere, 64-byte aligned, in as many bytes as the shape says.
  Tensor(std::shared_ptr<std::byte> elements, DType dtype, Shape shape, Layout layout);

  template <class T>
  static Tensor of(DType dtype, Shape shape, std::span<const T> values);

  [[nodiscard]] bool empty() const {
    return !buffer_;
  }  ///< holds no array at all (an absent operand)
  [[nodiscard]] DType dtype() const { return dtype_; }
  [[nodiscard]] const Shape& shape() const { return shape_; }
  [[nodiscard]] std::int64_t dim(int axis) const;  ///< negative axes count from the end
  [[nodiscard]] int rank() const { return static_cast<int>(shape_.size()); }
  [[nodiscard]] Layout layout() const { return layout_; }
  [[nodiscard]] std::int64_t size() const { return size_; }  ///< elements
  [[nodiscard]] std::size_t bytes() const {
    return static_cast<std::size_t>(size_) * element_bytes(dtype_);
  }

  [[nodiscard]] const void* raw() const { return buffer_.get(); }
  [[nodiscard]] void* mutable_raw() { return buffer_.get(); }

  /// Elements in physical order. T must have the element's size.
  template <class T>
  [[nodiscard]] std::span<const T> data() const {
    QSWEEP_CHECK(sizeof(T) == element_bytes(dtype_));
    return {reinterpret_cast<const T*>(buffer_.get()), static_cast<std::size_t>(size_)};
  }
  template <class T>
  [[nodiscard]] std::span<T> mutable_data() {
    QSWEEP_CHECK(sizeof(T) == element_bytes(dtype_));
    return {reinterpret_cast<T*>(buffer_.get()), static_cast<std::size_t>(size_)};
  }

  /// Same elements, another shape; shares the buffer. row_major, or images and channels kept.
  [[nodiscard]] Tensor reshaped(Shape shape) const;
  /// Same elements under another type of the same size (i8 <-> i4, u8 <-> f8e4m3fn); shares the
  /// buffer.
  [[nodiscard]] Tensor reinterpreted(DType dtype) const;
  /// Converts to `layout`; returns *this when it already has it or when rank < 3.
  [[nodiscard]] Tensor to_layout(Layout layout) const;
  /// Rows [begin, end) of the first axis, copied.
  [[nodiscard]] Tensor rows(std::int64_t begin, std::int64_t end) const;

 private:
  DType dtype_ = DType::f32;
  Layout layout_ = Layout::row_major;
  Shape shape_;
  std::int64_t size_ = 0;
  std::shared_ptr<std::byte> buffer_;
};

template <class T>
Tensor Tensor::of(DType dtype, Shape shape, std::span<const T> values) {
  Tensor t(dtype, std::move(shape));
  QSWEEP_CHECK(t.size() == static_cast<std::int64_t>(values.size()));
  std::copy(values.begin(), values.end(), t.mutable_data<T>().begin());
  return t;
}

/// Bytes of tensor buffers alive in this process, and the most there were since
/// reset_tensor_peak().
[[nodiscard]] std::uint64_t tensor_bytes();
[[nodiscard]] std::uint64_t tensor_peak_bytes();
void reset_tensor_peak();

}  // namespace qsweep
