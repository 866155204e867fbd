#pragma once

#include <cstdint>
#include <random>
#include <vector>

#include "src/kernels/linear.h"

namespace qsweep::test {

/// Textbook sums in type `Sum` for any kind of linear layer: result[i] = sum x * w over the layer's
/// geometry, with `zero` taken off x, in row_major order of `shape`. Slow and obvious on purpose.
template <class Sum>
struct Products {
  Shape shape;
  std::vector<Sum> values;
};

inline std::size_t at(std::int64_t i) {
  return static_cast<std::size_t>(i);
}

/// Walks all coordinates of `extents`.
template <class Visit>
void for_each_place(const Shape& extents, const Visit& visit) {
  Shape place(extents.size(), 0);
  for (std::int64_t n = element_count(extents); n > 0; --n) {
    visit(place);
    for (std::size_t a = extents.size(); a-- > 0;) {
      if (++place[a] < extents[a]) break;
      place[a] = 0;
    }
  }
}

inline std::int64_t flat(const Shape& place, const Shape& extents) {
  std::int64_t index = 0;
  for (std::size_t a = 0; a < extents.size(); ++a) index = index * extents[a] + place[a];
  return index;
}

template <class Sum, class X, class W>
Products<Sum> reference_products(const LinearSpec& spec,
                                 const std::vector<X>& x,
                                 const Shape& xs,
                                 const std::vector<W>& w,
                                 const Shape& ws,
                                 Sum zero) {
  Products<Sum> y;
  if (spec.kind == LinearSpec::Kind::gemm) {
    const std::int64_t k = xs.back();
    const std::int64_t n = spec.weight_is_output_major ? ws[0] : ws[1];
    y.shape = xs;
    y.shape.back() = n;
    y.values.assign(at(element_count(y.shape)), Sum{0});
    for (std::int64_t i = 0; i < element_count(y.shape); ++i) {
      for (std::int64_t j = 0; j < k; ++j) {
        const std::int64_t weight = spec.weight_is_output_major ? (i % n) * k + j : j * n + i % n;
        y.values[at(i)] +=
            (static_cast<Sum>(x[at(i / n * k + j)]) - zero) * static_cast<Sum>(w[at(weight)]);
      }
    }
    return y;
  }
  const std::size_t axes = ws.size() - 2;
  const auto value = [&](const std::vector<std::int64_t>& v, std::size_t i, std::int64_t fallback) {
    return v.empty() ? fallback : v[i];
  };
  const bool transpose = spec.kind == LinearSpec::Kind::conv_transpose;
  const std::int64_t outs = transpose ? ws[1] : ws[0] / spec.group;  // per group
  const std::int64_t ins = transpose ? ws[0] / spec.group : ws[1];
  y.shape = {xs[0], outs * spec.group};
  Shape spatial_out;
  for (std::size_t a = 0; a < axes; ++a) {
    const std::int64_t s = value(spec.strides, a, 1), d = value(spec.dilations, a, 1);
    const std::int64_t pads = value(spec.pads, a, 0) + value(spec.pads, a + axes, 0);
    const std::int64_t extent = (ws[a + 2] - 1) * d + 1;
    spatial_out.push_back(transpose ? (xs[a + 2] - 1) * s + extent - pads +
                                          value(spec.output_padding, a, 0)
                                    : (xs[a + 2] + pads - extent) / s + 1);
  }
  y.shape.insert(y.shape.end(), spatial_out.begin(), spatial_out.end());
  y.values.assign(at(element_count(y.shape)), Sum{0});
  const Shape kernel(ws.begin() + 2, ws.end());
  const Shape spatial_in(xs.begin() + 2, xs.end());
  // Both kinds pair an "image side" place with a "kernel side" one: conv reads it, transposed
  // writes it.
  const Shape& small = transpose ? spatial_in : spatial_out;
  const Shape& large = transpose ? spatial_out : spatial_in;
  for (std::int64_t n = 0; n < xs[0]; ++n) {
    for (std::int64_t g = 0; g < spec.group; ++g) {
      for_each_place(small, [&](const Shape& p) {
        for_each_place(kernel, [&](const Shape& k) {
          Shape q(axes);
          for (std::size_t a = 0; a < axes; ++a) {
            q[a] = p[a] * value(spec.strides, a, 1) + k[a] * value(spec.dilations, a, 1) -
                   value(spec.pads, a, 0);
            if (q[a] < 0 || q[a] >= large[a]) return;
          }
          const std::int64_t in_place = flat(transpose ? p : q, spatial_in);
          const std::int64_t out_place = flat(transpose ? q : p, spatial_out);
          for (std::int64_t o = 0; o < outs; ++o) {
            for (std::int64_t i = 0; i < ins; ++i) {
              const std::int64_t row =
                  transpose ? (g * ins + i) * outs + o : (g * outs + o) * ins + i;
              const std::int64_t in_channel =
                  (n * ins * spec.group + g * ins + i) * element_count(spatial_in);
              const std::int64_t out_channel =
                  (n * outs * spec.group + g * outs + o) * element_count(spatial_out);
              y.values[at(out_channel + out_place)] +=
                  (static_cast<Sum>(x[at(in_channel + in_place)]) - zero) *
                  static_cast<Sum>(w[at(row * element_count(kernel) + flat(k, kernel))]);
            }
          }
        });
      });
    }
  }
  return y;
}

/// A random layer of any kind with a fitting input shape; one seed, one layer.
struct RandomLayer {
  LinearSpec spec;
  Shape weight, input;
  std::int64_t channels = 0;  ///< outputs
};

inline RandomLayer random_layer(std::mt19937& random) {
  const auto pick = [&](int low, int high) {
    return std::int64_t{std::uniform_int_distribution<int>(low, high)(random)};
  };
  RandomLayer layer;
  LinearSpec& spec = layer.spec;
  spec.name = "layer";
  const Epilogue epilogues[] = {Epilogue::none, Epilogue::relu, Epilogue::silu};
  spec.epilogue = epilogues[pick(0, 2)];
  const std::int64_t kind = pick(0, 9);
  if (kind < 2) {
    spec.kind = LinearSpec::Kind::gemm;
    spec.weight_is_output_major = kind == 0;
    const std::int64_t k = pick(1, 70), n = pick(1, 40);
    layer.weight = kind == 0 ? Shape{n, k} : Shape{k, n};
    layer.input = pick(0, 1) == 0 ? Shape{pick(1, 9), k} : Shape{2, pick(1, 5), k};
    layer.channels = n;
    return layer;
  }
  spec.kind = kind < 4 ? LinearSpec::Kind::conv_transpose : LinearSpec::Kind::conv;
  const bool transpose = spec.kind == LinearSpec::Kind::conv_transpose;
  const std::int64_t form = pick(0, 9);
  const std::size_t axes = form == 0 ? 1 : form == 1 ? 3 : 2;
  const bool depthwise = pick(0, 3) == 0;
  spec.group = depthwise ? pick(1, 33) : pick(0, 3) == 0 ? pick(2, 4) : 1;
  const std::int64_t ins = depthwise ? 1 : pick(1, 20),
                     outs = depthwise ? pick(1, 4) == 4 ? 2 : 1 : pick(1, 20);
  layer.channels = outs * spec.group;
  layer.weight = transpose ? Shape{ins * spec.group, outs} : Shape{outs * spec.group, ins};
  layer.input = {pick(1, 3), ins * spec.group};
  spec.pads.assign(2 * axes, 0);
  for (std::size_t a = 0; a < axes; ++a) {
    const std::int64_t k = pick(1, axes == 3 ? 3 : 4);
    spec.strides.push_back(pick(1, 3));
    spec.dilations.push_back(pick(1, 2));
    const std::int64_t extent = (k - 1) * spec.dilations[a] + 1;
    spec.pads[a] = pick(0, static_cast<int>(extent - 1));
    spec.pads[a + axes] = pick(0, static_cast<int>(extent - 1));
    layer.weight.push_back(k);
    const std::int64_t least =
        transpose ? (spec.pads[a] + spec.pads[a + axes]) / spec.strides[a] + 1 : extent;
    layer.input.push_back(least + pick(0, axes == 3 ? 4 : 12));
    if (transpose) spec.output_padding.push_back(pick(0, static_cast<int>(spec.strides[a] - 1)));
  }
  return layer;
}

}  // namespace qsweep::test
