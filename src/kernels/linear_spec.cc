#include <algorithm>
#include <limits>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "src/kernels/detail/geometry.h"
#include "src/kernels/linear.h"

namespace qsweep {
namespace {

using Ints = std::vector<std::int64_t>;

[[noreturn]] void fail(const LinearSpec& spec, const std::string& message) {
  throw Error(ErrorCode::corrupt_input, message, spec.name);
}

/// Larger strides, pads or dilations than this are damage, and would overflow the arithmetic on
/// extents.
constexpr std::int64_t kMaxAttribute = std::int64_t{1} << 24;

Ints per_axis(const LinearSpec& spec,
              const Ints& values,
              std::size_t axes,
              std::int64_t fallback,
              std::int64_t lowest,
              const char* what) {
  if (values.empty()) return Ints(axes, fallback);
  if (values.size() != axes) {
    fail(spec, fmt::format("{} has {} values for {} axes", what, values.size(), axes));
  }
  for (const std::int64_t value : values) {
    if (value < lowest || value > kMaxAttribute) {
      fail(spec, fmt::format("{} {} is out of range", what, value));
    }
  }
  return values;
}

/// Splits `total` padding over both ends as auto_pad asks.
void split_padding(bool lower_first, std::int64_t total, std::int64_t& begin, std::int64_t& end) {
  total = std::max<std::int64_t>(total, 0);
  begin = lower_first ? total - total / 2 : total / 2;
  end = total - begin;
}

void resolve_conv(const LinearSpec& spec, detail::Geometry& g) {
  const std::size_t axes = g.input.size();
  const bool same = spec.auto_pad.starts_with("SAME");
  g.output.resize(axes);
  for (std::size_t a = 0; a < axes; ++a) {
    const std::int64_t extent = (g.kernel[a] - 1) * g.dilations[a] + 1;
    if (same) {
      const std::int64_t out = (g.input[a] + g.strides[a] - 1) / g.strides[a];
      split_padding(spec.auto_pad == "SAME_LOWER", (out - 1) * g.strides[a] + extent - g.input[a],
                    g.pad_begin[a], g.pad_end[a]);
    }
    const std::int64_t room = g.input[a] + g.pad_begin[a] + g.pad_end[a] - extent;
    if (room < 0) {
      fail(spec, fmt::format("kernel extent {} exceeds padded input {}", extent, room + extent));
    }
    g.output[a] = room / g.strides[a] + 1;
  }
}

void resolve_transpose(const LinearSpec& spec, detail::Geometry& g) {
  const std::size_t axes = g.input.size();
  const Ints extra = per_axis(spec, spec.output_padding, axes, 0, 0, "output_padding");
  const Ints asked = per_axis(spec, spec.output_shape, axes, 0, 1, "output_shape");
  g.output.resize(axes);
  for (std::size_t a = 0; a < axes; ++a) {
    const std::int64_t full =
        (g.input[a] - 1) * g.strides[a] + (g.kernel[a] - 1) * g.dilations[a] + 1 + extra[a];
    if (!spec.output_shape.empty() || spec.auto_pad.starts_with("SAME")) {
      const std::int64_t out = spec.output_shape.empty() ? g.input[a] * g.strides[a] : asked[a];
      split_padding(spec.auto_pad != "SAME_UPPER", full - out, g.pad_begin[a], g.pad_end[a]);
      if (out > full) g.pad_end[a] = full - out;  // nothing is written there: bias alone
    }
    g.output[a] = full - g.pad_begin[a] - g.pad_end[a];
    if (g.output[a] < 1) fail(spec, "padding removes the whole output");
    // From here on the extra rows count as less padding at the end.
    g.pad_end[a] -= extra[a];
  }
}

}  // namespace

LinearSpec linear_spec(std::string_view op,
                       const Attributes& attributes,
                       const Tensor& weight,
                       std::string_view name) {
  LinearSpec spec;
  spec.name = name;
  const auto unsupported = [&](const std::string& what) {
    throw Error(ErrorCode::unsupported, fmt::format("{} {}", op, what), std::string(name));
  };
  if (op == "Gemm" || op == "MatMul") {
    spec.kind = LinearSpec::Kind::gemm;
    if (weight.rank() != 2) unsupported(fmt::format("with a constant of rank {}", weight.rank()));
    spec.weight_is_output_major = op == "Gemm" && attributes.i("transB", 0) != 0;
    if (op == "Gemm") {
      if (attributes.i("transA", 0) != 0) unsupported("with transA=1");
      if (attributes.f("alpha", 1.0f) != 1.0f) unsupported("with alpha other than 1");
      if (attributes.f("beta", 1.0f) != 1.0f) unsupported("with beta other than 1");
    }
    return spec;
  }
  if (op != "Conv" && op != "ConvTranspose") unsupported("is not a linear operator");
  spec.kind = op == "Conv" ? LinearSpec::Kind::conv : LinearSpec::Kind::conv_transpose;
  if (weight.rank() < 3) fail(spec, fmt::format("{} weight has rank {}", op, weight.rank()));
  if (weight.rank() > 5) unsupported("with more than 3 spatial axes");
  spec.group = attributes.i("group", 1);
  spec.strides = attributes.ints("strides");
  spec.pads = attributes.ints("pads");
  spec.dilations = attributes.ints("dilations");
  spec.auto_pad = attributes.s("auto_pad", "NOTSET");
  if (spec.auto_pad != "NOTSET" && spec.auto_pad != "VALID" && spec.auto_pad != "SAME_UPPER" &&
      spec.auto_pad != "SAME_LOWER") {
    fail(spec, fmt::format("auto_pad '{}' is not a known value", spec.auto_pad));
  }
  const Ints kernel = attributes.ints("kernel_shape");
  if (!kernel.empty() &&
      !std::equal(kernel.begin(), kernel.end(), weight.shape().begin() + 2, weight.shape().end())) {
    fail(spec, fmt::format("kernel_shape [{}] does not fit weight {}", fmt::join(kernel, ", "),
                           to_string(weight.shape())));
  }
  if (spec.kind == LinearSpec::Kind::conv_transpose) {
    spec.output_padding = attributes.ints("output_padding");
    spec.output_shape = attributes.ints("output_shape");
  }
  (void)detail::output_channels(spec, weight.shape());
  return spec;
}

std::int64_t multiply_accumulates(const LinearSpec& spec, const Shape& weight, const Shape& input) {
  const detail::Geometry g = detail::resolve_geometry(spec, weight, input);
  const std::int64_t taps = detail::product(g.kernel);
  const bool transpose = spec.kind == LinearSpec::Kind::conv_transpose;
  // Every output element sums in/g*taps products; transposed, every input element scatters
  // out/g*taps.
  const std::int64_t places = g.batch * detail::product(transpose ? g.input : g.output);
  return places * g.in_channels * (g.out_channels / g.group) * taps;
}

namespace detail {

std::int64_t product(const std::vector<std::int64_t>& extents) {
  std::int64_t result = 1;
  for (const std::int64_t extent : extents) result *= extent;
  return result;
}

bool is_plausible(const Shape& shape) {
  std::int64_t count = 1;
  for (const std::int64_t extent : shape) {
    if (extent < 0 || extent > kMaxElements) return false;
    count *= extent;
    if (count > kMaxElements) return false;
  }
  return true;
}

void unflatten(std::int64_t place,
               const std::vector<std::int64_t>& extents,
               std::vector<std::int64_t>& coordinates) {
  for (std::size_t a = extents.size(); a-- > 0;) {
    coordinates[a] = place % extents[a];
    place /= extents[a];
  }
}

std::int64_t output_channels(const LinearSpec& spec, const Shape& weight) {
  if (spec.kind == LinearSpec::Kind::gemm) {
    if (weight.size() != 2 || weight[0] < 1 || weight[1] < 1) {
      fail(spec, fmt::format("weight {} is not a matrix", to_string(weight)));
    }
    return spec.weight_is_output_major ? weight[0] : weight[1];
  }
  if (weight.size() < 3 || weight.size() > 5) {
    fail(spec, fmt::format("weight {} is not of rank 3 to 5", to_string(weight)));
  }
  for (const std::int64_t extent : weight) {
    if (extent < 1) fail(spec, fmt::format("weight {} is empty", to_string(weight)));
  }
  if (spec.group < 1 || spec.group > weight[0] || weight[0] % spec.group != 0) {
    fail(spec, fmt::format("group {} does not divide {} channels", spec.group, weight[0]));
  }
  return spec.kind == LinearSpec::Kind::conv ? weight[0] : weight[1] * spec.group;
}

Geometry resolve_geometry(const LinearSpec& spec, const Shape& weight, const Shape& input) {
  Geometry g;
  g.out_channels = output_channels(spec, weight);
  if (spec.kind == LinearSpec::Kind::gemm) {
    g.in_channels = spec.weight_is_output_major ? weight[1] : weight[0];
    if (input.empty() || input.back() != g.in_channels) {
      fail(spec,
           fmt::format("input {} does not fit weight {}", to_string(input), to_string(weight)));
    }
    g.result = input;
    g.result.back() = g.out_channels;
    g.batch = element_count(Shape(input.begin(), input.end() - 1));
  } else {
    g.group = spec.group;
    g.in_channels = spec.kind == LinearSpec::Kind::conv ? weight[1] * spec.group : weight[0];
    const std::size_t axes = weight.size() - 2;
    if (input.size() != weight.size() || input[1] != g.in_channels) {
      fail(spec, fmt::format("input {} does not fit weight {} with group {}", to_string(input),
                             to_string(weight), spec.group));
    }
    g.batch = input[0];
    g.input.assign(input.begin() + 2, input.end());
    for (const std::int64_t extent : g.input) {
      if (extent < 1) fail(spec, fmt::format("input {} is empty", to_string(input)));
    }
    g.kernel.assign(weight.begin() + 2, weight.end());
    g.strides = per_axis(spec, spec.strides, axes, 1, 1, "strides");
    g.dilations = per_axis(spec, spec.dilations, axes, 1, 1, "dilations");
    Ints pads = per_axis(spec, spec.pads, 2 * axes, 0, 0, "pads");
    // The spec forbids pads next to auto_pad; files carry them all the same, and auto_pad wins.
    if (spec.auto_pad != "NOTSET") pads.assign(2 * axes, 0);
    const auto middle = pads.begin() + static_cast<std::ptrdiff_t>(axes);
    g.pad_begin.assign(pads.begin(), middle);
    g.pad_end.assign(middle, pads.end());
    if (spec.kind == LinearSpec::Kind::conv) {
      resolve_conv(spec, g);
    } else {
      resolve_transpose(spec, g);
    }
    g.result = {g.batch, g.out_channels};
    g.result.insert(g.result.end(), g.output.begin(), g.output.end());
  }
  if (!is_plausible(g.result)) {
    fail(spec, fmt::format("result {} is beyond any real layer", to_string(g.result)));
  }
  return g;
}

const Geometry& Geometries::of(const LinearSpec& spec, const Shape& weight, const Shape& input) {
  constexpr std::size_t kMost = 8;
  for (const auto& [shape, geometry] : known_) {
    if (shape == input) return geometry;
  }
  if (known_.size() == kMost) known_.erase(known_.begin());
  return known_.emplace_back(input, resolve_geometry(spec, weight, input)).second;
}

}  // namespace detail
}  // namespace qsweep
