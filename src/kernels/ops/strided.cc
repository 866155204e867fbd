#include "src/kernels/detail/strided.h"

#include <cstring>

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

void copy_box(const Tensor& source, Tensor& target, const Box& box) {
  StridedLoop<2> loop;
  for (std::size_t i = 0; i < box.extents.size(); ++i) {
    loop.add_axis(box.extents[i], {box.source_strides[i], box.target_strides[i]});
  }
  visit_size(source.dtype(), [&]<class T>(std::type_identity<T>) {
    const T* from = source.data<T>().data() + box.source_offset;
    T* to = target.mutable_data<T>().data() + box.target_offset;
    loop.run([&](const auto& offset, const auto& stride, std::int64_t count) {
      const T* in = from + offset[0];
      T* out = to + offset[1];
      if (stride[0] == 1 && stride[1] == 1) {
        std::memcpy(out, in, static_cast<std::size_t>(count) * sizeof(T));
      } else {
        for (std::int64_t i = 0; i < count; ++i) out[i * stride[1]] = in[i * stride[0]];
      }
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
