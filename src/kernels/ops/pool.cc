#include <cmath>
#include <limits>

#include "src/kernels/detail/array.h"
#include "src/kernels/detail/geometry.h"
#include "src/kernels/detail/operator.h"

namespace qsweep::detail {
namespace {

/// A pooling window on each spatial axis, resolved for one input.
struct Window {
  Ints input, output, kernel, strides, dilations, pad_begin, pad_end;
};

Ints per_axis(const OpCall& call,
              const char* name,
              std::size_t count,
              std::int64_t fallback,
              std::int64_t lowest) {
  const Ints values = call.attributes.ints(name, Ints(count, fallback));
  if (values.size() != count) fail(call, std::string("has the wrong number of ") + name);
  for (const std::int64_t value : values) {
    if (value < lowest || value > (1 << 24))
      fail(call, std::string("has an impossible value in ") + name);
  }
  return values;
}

Window resolve_window(const OpCall& call, const Tensor& x) {
  if (x.rank() < 3) fail(call, "needs spatial axes and got " + to_string(x.shape()));
  const std::size_t axes = x.shape().size() - 2;
  Window w;
  w.input.assign(x.shape().begin() + 2, x.shape().end());
  w.kernel = per_axis(call, "kernel_shape", axes, 0, 1);
  w.strides = per_axis(call, "strides", axes, 1, 1);
  w.dilations = per_axis(call, "dilations", axes, 1, 1);
  const Ints pads = per_axis(call, "pads", 2 * axes, 0, 0);
  w.pad_begin.assign(pads.begin(), pads.begin() + static_cast<std::ptrdiff_t>(axes));
  w.pad_end.assign(pads.begin() + static_cast<std::ptrdiff_t>(axes), pads.end());
  const std::string auto_pad = call.attributes.s("auto_pad", "NOTSET");
  const bool same = auto_pad == "SAME_UPPER" || auto_pad == "SAME_LOWER";
  if (!same && auto_pad != "NOTSET" && auto_pad != "VALID")
    fail(call, "has auto_pad '" + auto_pad + "'");
  const bool ceil = call.attributes.i("ceil_mode", 0) != 0;
  w.output.resize(axes);
  for (std::size_t a = 0; a < axes; ++a) {
    const std::int64_t extent = (w.kernel[a] - 1) * w.dilations[a] + 1;
    if (auto_pad == "VALID") w.pad_begin[a] = w.pad_end[a] = 0;
    if (same) {
      const std::int64_t out = (w.input[a] + w.strides[a] - 1) / w.strides[a];
      const std::int64_t total =
          std::max<std::int64_t>(0, (out - 1) * w.strides[a] + extent - w.input[a]);
      w.pad_begin[a] = auto_pad == "SAME_LOWER" ? total - total / 2 : total / 2;
      w.pad_end[a] = total - w.pad_begin[a];
    }
    if (w.pad_begin[a] >= extent || w.pad_end[a] >= extent)
      fail(call, "pads by more than its window");
    const std::int64_t room = w.input[a] + w.pad_begin[a] + w.pad_end[a] - extent;
    if (w.input[a] < 1 || room < 0)
      fail(call, "has a window larger than its input " + to_string(x.shape()));
    w.output[a] = (room + (ceil ? w.strides[a] - 1 : 0)) / w.strides[a] + 1;
    // A last window that would start in the padding beyond the input is left out.
    if (ceil && (w.output[a] - 1) * w.strides[a] >= w.input[a] + w.pad_begin[a]) --w.output[a];
  }
  return w;
}

/// The taps of axis `a` that meet the input for output coordinate `o`: first and one past the last.
struct Taps {
  std::int64_t first, last;
};
Taps taps_inside(const Window& w, std::size_t a, std::int64_t o) {
  const std::int64_t start = o * w.strides[a] - w.pad_begin[a];
  const std::int64_t d = w.dilations[a];
  const std::int64_t first = start < 0 ? (-start + d - 1) / d : 0;
  const std::int64_t last = start >= w.input[a] ? 0 : (w.input[a] - 1 - start) / d + 1;
  return {first, std::min(last, w.kernel[a])};
}

/// Calls place(index, coordinates, for_each_run) for each output place of an image;
/// for_each_run(visit) calls visit(pixel, count) for the flat input pixels under its window, as
/// many as lie next to each other at once.
template <class Place>
void for_each_place(const Window& w, const Place& place) {
  const std::size_t axes = w.input.size();
  const std::int64_t places = product(w.output);
  Ints at(axes);
  std::vector<Taps> taps(axes);
  Ints k(axes);
  for (std::int64_t p = 0; p < places; ++p) {
    unflatten(p, w.output, at);
    bool some = true;
    for (std::size_t a = 0; a < axes; ++a) {
      taps[a] = taps_inside(w, a, at[a]);
      some = some && taps[a].first < taps[a].last;
      k[a] = taps[a].first;
    }
    place(p, at, [&](const auto& visit) {
      if (!some) return;
      while (true) {
        std::int64_t pixel = 0;
        for (std::size_t a = 0; a < axes; ++a) {
          pixel =
              pixel * w.input[a] + at[a] * w.strides[a] - w.pad_begin[a] + k[a] * w.dilations[a];
        }
        std::size_t a = axes;
        const std::size_t line = axes - 1;
        const std::int64_t count = w.dilations[line] == 1 ? taps[line].last - k[line] : 1;
        visit(pixel, count);
        k[line] += count - 1;
        while (a-- > 0) {
          if (++k[a] < taps[a].last) break;
          k[a] = taps[a].first;
        }
        if (a == static_cast<std::size_t>(-1)) return;
      }
    });
  }
}

Tensor pooled_result(const OpCall& call, const Tensor& x, const Ints& output) {
  Shape shape = {x.dim(0), x.dim(1)};
  shape.insert(shape.end(), output.begin(), output.end());
  return make_result(call, DType::f32, shape, Layout::channels_last);
}

}  // namespace

namespace {

/// Maxima and the flat place in the whole input that each came from (the first of equals).
Tensors max_pool_with_places(const OpCall& call, const Window& w, const Tensor& x) {
  const bool columns_first = call.attributes.i("storage_order", 0) != 0;
  Shape shape = {x.dim(0), x.dim(1)};
  shape.insert(shape.end(), w.output.begin(), w.output.end());
  Tensor y = make_result(call, x.dtype(), shape);
  Tensor places(DType::i64, shape);
  const std::int64_t pixels = product(w.input);
  const std::int64_t planes = x.dim(0) * x.dim(1);
  Ints at(w.input.size());
  visit_numeric(call, x.dtype(), [&]<class T>(std::type_identity<T>) {
    const T* in = x.data<T>().data();
    T* out = y.mutable_data<T>().data();
    std::int64_t* out_place = places.mutable_data<std::int64_t>().data();
    for (std::int64_t plane = 0; plane < planes; ++plane) {
      const T* image = in + plane * pixels;
      for_each_place(w, [&](std::int64_t, const Ints&, const auto& for_each_run) {
        std::int64_t best = -1;
        for_each_run([&](std::int64_t first, std::int64_t count) {
          for (std::int64_t pixel = first; pixel < first + count; ++pixel) {
            if (best < 0 || image[pixel] > image[best]) best = pixel;
          }
        });
        if (best < 0) fail(call, "has a window without input");
        *out++ = image[best];
        if (columns_first) {
          unflatten(best, w.input, at);
          best = 0;
          for (std::size_t a = at.size(); a-- > 0;) best = best * w.input[a] + at[a];
        }
        *out_place++ = plane * pixels + best;
      });
    }
  });
  return {y, places};
}

}  // namespace

namespace {

/// Maxima of the windows, channels_last to channels_last.
Tensor maxima(const OpCall& call, const Window& w, const Tensor& x) {
  Tensor y = pooled_result(call, x, w.output);
  const std::int64_t channels = x.dim(1);
  const std::int64_t in_image = product(w.input) * channels;
  const std::int64_t out_image = product(w.output) * channels;
  const float* in = x.data<float>().data();
  float* out = y.mutable_data<float>().data();
  for (std::int64_t n = 0; n < x.dim(0); ++n) {
    for_each_place(w, [&](std::int64_t p, const Ints&, const auto& for_each_run) {
      float* row = out + n * out_image + p * channels;
      std::fill_n(row, channels, -std::numeric_limits<float>::infinity());
      for_each_run([&](std::int64_t first, std::int64_t count) {
        for (std::int64_t pixel = first; pixel < first + count; ++pixel)
          max_into(in + n * in_image + pixel * channels, row, channels);
      });
    });
  }
  return y;
}

/// The window along its last axis alone, or along all others.
Window part_of(const Window& w, bool last) {
  Window part = w;
  const std::size_t end = w.input.size() - 1;
  for (std::size_t a = 0; a <= end; ++a) {
    if (last == (a == end)) {
      if (!last) part.input[end] = w.output[end];
      continue;
    }
    part.input[a] = part.output[a] = a == end ? w.output[a] : w.input[a];
    part.kernel[a] = part.strides[a] = part.dilations[a] = 1;
    part.pad_begin[a] = part.pad_end[a] = 0;
  }
  return part;
}

}  // namespace

Tensors max_pool(const OpCall& call, Inputs inputs) {
  const Window w = resolve_window(call, inputs[0]);
  if (call.outputs > 1 || inputs[0].dtype() != DType::f32)
    return max_pool_with_places(call, w, inputs[0].to_layout(Layout::row_major));
  const Tensor x = inputs[0].to_layout(Layout::channels_last);
  // A maximum of maxima: large windows cost the sum of their sides, not the product.
  const std::int64_t line = w.kernel.back(), lines = product(w.kernel) / line;
  const bool apart = line * w.strides.front() + lines < line * lines;
  if (w.input.size() != 2 || !apart) return {maxima(call, w, x)};
  return {maxima(call, part_of(w, false), maxima(call, part_of(w, true), x))};
}

Tensors max_unpool(const OpCall& call, Inputs inputs) {
  const Tensor& x = inputs[0];
  if (x.rank() < 3 || inputs[1].shape() != x.shape())
    fail(call, "has places " + to_string(inputs[1].shape()) + " for " + to_string(x.shape()));
  const std::size_t axes = x.shape().size() - 2;
  const Ints kernel = per_axis(call, "kernel_shape", axes, 0, 1);
  const Ints strides = per_axis(call, "strides", axes, 1, 1);
  const Ints pads = per_axis(call, "pads", 2 * axes, 0, 0);
  Shape natural = x.shape();
  for (std::size_t a = 0; a < axes; ++a)
    natural[a + 2] = (x.shape()[a + 2] - 1) * strides[a] - pads[a] - pads[a + axes] + kernel[a];
  const Shape shape = has(inputs, 2) ? int_values(call, inputs[2]) : natural;
  if (shape.size() != natural.size()) fail(call, "has an output shape of another rank");
  if (!is_plausible(natural)) fail(call, "has an impossible output shape");
  Tensor y = make_result(call, x.dtype(), shape);
  // Places are flat in the natural result; a larger one holds it at its beginning.
  Ints at(shape.size());
  const Ints strides_out = strides_of(shape, Layout::row_major);
  const Ints places = int_values(call, inputs[1]);
  visit_size(x.dtype(), [&]<class T>(std::type_identity<T>) {
    const auto in = x.data<T>();
    const auto out = y.mutable_data<T>();
    std::ranges::fill(out, T{0});
    for (std::size_t i = 0; i < places.size(); ++i) {
      if (places[i] < 0 || places[i] >= element_count(natural)) fail(call, "has a place outside");
      unflatten(places[i], natural, at);
      std::int64_t target = 0;
      for (std::size_t a = 0; a < at.size(); ++a) {
        if (at[a] >= shape[a]) fail(call, "has a place outside");
        target += at[a] * strides_out[a];
      }
      out[static_cast<std::size_t>(target)] = in[i];
    }
  });
  return {y};
}

Tensors lp_pool(const OpCall& call, Inputs inputs) {
  require_f32(call, inputs[0]);
  const Window w = resolve_window(call, inputs[0]);
  const auto p = static_cast<float>(call.attributes.i("p", 2));
  if (p < 1.0f) fail(call, "has an impossible p");
  const Tensor x = inputs[0].to_layout(Layout::channels_last);
  Tensor y = pooled_result(call, x, w.output);
  const std::int64_t channels = x.dim(1);
  const float* in = x.data<float>().data();
  float* out = y.mutable_data<float>().data();
  for (std::int64_t n = 0; n < x.dim(0); ++n, in += product(w.input) * channels) {
    for_each_place(w, [&](std::int64_t, const Ints&, const auto& for_each_run) {
      std::fill_n(out, channels, 0.0f);
      for_each_run([&](std::int64_t first, std::int64_t count) {
        const float* value = in + first * channels;
        for (std::int64_t pixel = 0; pixel < count; ++pixel) {
          for (std::int64_t c = 0; c < channels; ++c) out[c] += std::pow(std::fabs(*value++), p);
        }
      });
      for (std::int64_t c = 0; c < channels; ++c) out[c] = std::pow(out[c], 1.0f / p);
      out += channels;
    });
  }
  return {y};
}

Tensors global_lp_pool(const OpCall& call, Inputs inputs) {
  if (inputs[0].rank() < 3)
    fail(call, "needs spatial axes and got " + to_string(inputs[0].shape()));
  // One window over everything.
  Attributes attributes;
  attributes.set("kernel_shape", Ints(inputs[0].shape().begin() + 2, inputs[0].shape().end()));
  attributes.set("p", call.attributes.i("p", 2));
  const OpCall whole{call.op, call.domain, call.opset, attributes, call.outputs, call.name};
  return lp_pool(whole, inputs);
}

Tensors average_pool(const OpCall& call, Inputs inputs) {
  require_f32(call, inputs[0]);
  const Window w = resolve_window(call, inputs[0]);
  const bool count_padding = call.attributes.i("count_include_pad", 0) != 0;
  const Tensor x = inputs[0].to_layout(Layout::channels_last);
  Tensor y = pooled_result(call, x, w.output);
  const std::int64_t channels = x.dim(1);
  const std::int64_t in_image = product(w.input) * channels;
  const std::int64_t out_image = product(w.output) * channels;
  const float* in = x.data<float>().data();
  float* out = y.mutable_data<float>().data();
  for (std::int64_t n = 0; n < x.dim(0); ++n) {
    for_each_place(w, [&](std::int64_t p, const Ints& at, const auto& for_each_run) {
      float* row = out + n * out_image + p * channels;
      std::fill_n(row, channels, 0.0f);
      std::int64_t count = 0;
      for_each_run([&](std::int64_t first, std::int64_t pixels) {
        add_rows(in + n * in_image + first * channels, pixels, row, channels);
        count += pixels;
      });
      if (count_padding) {
        // Taps in the stated padding count; those that ceil_mode puts beyond it do not.
        count = 1;
        for (std::size_t a = 0; a < at.size(); ++a) {
          const std::int64_t room =
              w.input[a] + w.pad_end[a] - (at[a] * w.strides[a] - w.pad_begin[a]);
          count *= std::min(w.kernel[a], (room + w.dilations[a] - 1) / w.dilations[a]);
        }
      }
      for (std::int64_t c = 0; c < channels; ++c)
        row[c] /= static_cast<float>(std::max<std::int64_t>(count, 1));
    });
  }
  return {y};
}

Tensors global_pool(const OpCall& call, Inputs inputs) {
  require_f32(call, inputs[0]);
  if (inputs[0].rank() < 3)
    fail(call, "needs spatial axes and got " + to_string(inputs[0].shape()));
  const Tensor x = inputs[0].to_layout(Layout::channels_last);
  const std::int64_t channels = x.dim(1);
  const std::int64_t line = x.dim(-1);
  if (x.size() == 0) fail(call, "has an empty input");
  const std::int64_t lines = x.size() / (x.dim(0) * channels * line);
  const Ints ones(x.shape().size() - 2, 1);
  Tensor y = pooled_result(call, x, ones);
  const float* in = x.data<float>().data();
  float* out = y.mutable_data<float>().data();
  const bool average = call.op == "GlobalAveragePool";
  std::vector<float> partial(static_cast<std::size_t>(channels));
  for (std::int64_t n = 0; n < x.dim(0); ++n, out += channels) {
    std::fill_n(out, channels, average ? 0.0f : -std::numeric_limits<float>::infinity());
    // Line by line: two levels of sums keep the rounding error of large maps small.
    for (std::int64_t l = 0; l < lines; ++l) {
      if (!average) {
        for (std::int64_t i = 0; i < line; ++i, in += channels) max_into(in, out, channels);
        continue;
      }
      std::ranges::fill(partial, 0.0f);
      add_rows(in, line, partial.data(), channels);
      add_into(partial.data(), out, channels);
      in += line * channels;
    }
    if (average) {
      for (std::int64_t c = 0; c < channels; ++c) out[c] /= static_cast<float>(lines * line);
    }
  }
  return {y};
}

}  // namespace qsweep::detail
