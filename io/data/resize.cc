#include <algorithm>
#include <cmath>
#include <vector>

#include <fmt/format.h>

#include "src/base/error.h"

#include "io/data/picture.h"

namespace qsweep {
namespace {

constexpr int kChannels = 3;

std::uint8_t to_byte(float value) {
  return static_cast<std::uint8_t>(std::clamp(std::rint(value), 0.0f, 255.0f));
}

/// Two neighbours of an output position and their weights in 1/2048, as OpenCV has them.
struct Tap {
  std::int64_t first = 0, second = 0;
  std::int32_t first_weight = 0, second_weight = 0;
};

/// @param enlarging_area INTER_AREA where it enlarges: cells, not centres, decide the weight
std::vector<Tap> linear_taps(std::int64_t from, std::int64_t to, bool enlarging_area) {
  constexpr float kOne = 2048.0f;
  const double scale = 1.0 / (static_cast<double>(to) / static_cast<double>(from));
  std::vector<Tap> taps;
  for (std::int64_t i = 0; i < to; ++i) {
    const auto x = static_cast<double>(i);
    std::int64_t at = 0;
    float share = 0.0f;
    if (enlarging_area) {
      at = static_cast<std::int64_t>(std::floor(x * scale));
      share = static_cast<float>(x + 1.0 - (static_cast<double>(at) + 1.0) / scale);
      share = share <= 0.0f ? 0.0f : share - std::floor(share);
    } else {
      const auto position = static_cast<float>((x + 0.5) * scale - 0.5);
      at = static_cast<std::int64_t>(std::floor(position));
      share = position - static_cast<float>(at);
    }
    if (at < 0) at = 0, share = 0.0f;
    if (at >= from - 1) at = from - 1, share = 0.0f;
    taps.push_back({at, std::min(at + 1, from - 1),
                    static_cast<std::int32_t>(std::lrint((1.0f - share) * kOne)),
                    static_cast<std::int32_t>(std::lrint(share * kOne))});
  }
  return taps;
}

Picture resize_linear(const Picture& in, std::int64_t width, std::int64_t height, bool area) {
  const std::vector<Tap> columns = linear_taps(in.width, width, area);
  const std::vector<Tap> rows = linear_taps(in.height, height, area);
  Picture out{width, height,
              std::vector<std::uint8_t>(static_cast<std::size_t>(3 * width * height))};
  // Rows of the source, resized across; two are alive at a time.
  struct Line {
    std::int64_t row = -1;
    std::vector<std::int32_t> values;
  };
  Line lines[2];
  const auto across = [&](std::int64_t row, std::int64_t keep) -> const std::vector<std::int32_t>& {
    for (Line& line : lines) {
      if (line.row == row) return line.values;
    }
    Line& line = lines[0].row == keep && keep >= 0 ? lines[1] : lines[0];
    line.row = row;
    line.values.resize(static_cast<std::size_t>(kChannels * width));
    const std::uint8_t* source = in.rgb.data() + kChannels * in.width * row;
    std::int32_t* value = line.values.data();
    for (const Tap& t : columns) {
      for (int c = 0; c < kChannels; ++c)
        *value++ = source[kChannels * t.first + c] * t.first_weight +
                   source[kChannels * t.second + c] * t.second_weight;
    }
    return line.values;
  };
  std::uint8_t* to = out.rgb.data();
  for (const Tap& t : rows) {
    const auto& above = across(t.first, -1);
    const auto& below = across(t.second, t.first);
    for (std::size_t i = 0; i < above.size(); ++i) {
      *to++ = static_cast<std::uint8_t>((((t.first_weight * (above[i] >> 4)) >> 16) +
                                         ((t.second_weight * (below[i] >> 4)) >> 16) + 2) >>
                                        2);
    }
  }
  return out;
}

/// Source positions under an output cell and the share of the cell that each covers.
struct Cover {
  std::int64_t at = 0;
  float share = 0.0f;
};

std::vector<std::vector<Cover>> area_covers(std::int64_t from, std::int64_t to) {
  constexpr double kSliver = 1e-3;  ///< less than this of a pixel is left out
  const double scale = static_cast<double>(from) / static_cast<double>(to);
  std::vector<std::vector<Cover>> covers;
  for (std::int64_t i = 0; i < to; ++i) {
    const double begin = static_cast<double>(i) * scale;
    const double end = begin + scale;
    const double cell = std::min(scale, static_cast<double>(from) - begin);
    auto last = std::min(static_cast<std::int64_t>(std::floor(end)), from - 1);
    const auto first = std::min(static_cast<std::int64_t>(std::ceil(begin)), last);
    std::vector<Cover>& cover = covers.emplace_back();
    if (static_cast<double>(first) - begin > kSliver)
      cover.push_back({first - 1, static_cast<float>((static_cast<double>(first) - begin) / cell)});
    for (std::int64_t s = first; s < last; ++s)
      cover.push_back({s, static_cast<float>(1.0 / cell)});
    const double rest = end - static_cast<double>(last);
    if (rest > kSliver)
      cover.push_back({last, static_cast<float>(std::min(std::min(rest, 1.0), cell) / cell)});
  }
  return covers;
}

Picture resize_area(const Picture& in, std::int64_t width, std::int64_t height) {
  const auto columns = area_covers(in.width, width);
  const auto rows = area_covers(in.height, height);
  Picture out{width, height,
              std::vector<std::uint8_t>(static_cast<std::size_t>(3 * width * height))};
  std::vector<float> sums(static_cast<std::size_t>(kChannels * width));
  std::uint8_t* to = out.rgb.data();
  for (const auto& row : rows) {
    std::fill(sums.begin(), sums.end(), 0.0f);
    for (const Cover& r : row) {
      const std::uint8_t* source = in.rgb.data() + kChannels * in.width * r.at;
      float* sum = sums.data();
      for (const auto& column : columns) {
        float pixel[kChannels] = {};
        for (const Cover& c : column) {
          for (int channel = 0; channel < kChannels; ++channel)
            pixel[channel] += static_cast<float>(source[kChannels * c.at + channel]) * c.share;
        }
        for (const float value : pixel) *sum++ += value * r.share;
      }
    }
    for (const float value : sums) *to++ = to_byte(value);
  }
  return out;
}

Picture resize_nearest(const Picture& in, std::int64_t width, std::int64_t height) {
  Picture out{width, height,
              std::vector<std::uint8_t>(static_cast<std::size_t>(3 * width * height))};
  const auto source = [](std::int64_t i, std::int64_t from, std::int64_t to) {
    const double scale = static_cast<double>(from) / static_cast<double>(to);
    return std::min(static_cast<std::int64_t>(std::floor(static_cast<double>(i) * scale)),
                    from - 1);
  };
  std::uint8_t* pixel = out.rgb.data();
  for (std::int64_t y = 0; y < height; ++y) {
    const std::uint8_t* row = in.rgb.data() + kChannels * in.width * source(y, in.height, height);
    for (std::int64_t x = 0; x < width; ++x)
      pixel = std::copy_n(row + kChannels * source(x, in.width, width), kChannels, pixel);
  }
  return out;
}

/// The part of `in` that starts at (left, top), of the extents given; `pad` outside.
Picture window(const Picture& in,
               std::int64_t left,
               std::int64_t top,
               std::int64_t width,
               std::int64_t height,
               std::uint8_t pad) {
  Picture out{width, height,
              std::vector<std::uint8_t>(static_cast<std::size_t>(3 * width * height), pad)};
  const std::int64_t first = std::max<std::int64_t>(0, -left);
  const std::int64_t last = std::min(width, in.width - left);
  for (std::int64_t y = std::max<std::int64_t>(0, -top); y < std::min(height, in.height - top);
       ++y) {
    if (last <= first) break;
    std::copy_n(in.rgb.data() + kChannels * (in.width * (y + top) + left + first),
                kChannels * (last - first), out.rgb.data() + kChannels * (width * y + first));
  }
  return out;
}

}  // namespace

Picture resize(const Picture& picture,
               std::int64_t width,
               std::int64_t height,
               const std::string& interpolation) {
  if (width == picture.width && height == picture.height) return picture;
  if (interpolation == "nearest") return resize_nearest(picture, width, height);
  if (interpolation == "bilinear") return resize_linear(picture, width, height, false);
  if (interpolation == "area") {
    return width <= picture.width && height <= picture.height
               ? resize_area(picture, width, height)
               : resize_linear(picture, width, height, true);
  }
  throw Error(ErrorCode::config, fmt::format("unknown interpolation '{}'", interpolation),
              "input.resize.interpolation", "Use bilinear, area or nearest");
}

Placement place(const ResizeSpec& spec, std::int64_t width, std::int64_t height) {
  const std::int64_t to_height = spec.size.at(0), to_width = spec.size.at(1);
  const double across = static_cast<double>(to_width) / static_cast<double>(width);
  const double down = static_cast<double>(to_height) / static_cast<double>(height);
  if (spec.mode == "stretch") return {across, down, 0, 0, to_width, to_height};
  if (spec.mode == "crop" && spec.shorter > 0) {
    if (spec.shorter < std::max(to_width, to_height)) {
      throw Error(ErrorCode::config,
                  fmt::format("a crop of {} x {} does not fit pictures whose shorter side is {}",
                              to_width, to_height, spec.shorter),
                  "input.resize.shorter", "Give at least the larger extent of size");
    }
    const auto side = [&](std::int64_t n) { return spec.shorter * n / std::min(width, height); };
    Placement p{0, 0, 0, 0, side(width), side(height)};
    p.scale_x = static_cast<double>(p.width) / static_cast<double>(width);
    p.scale_y = static_cast<double>(p.height) / static_cast<double>(height);
    p.left = -std::lrint(static_cast<double>(p.width - to_width) / 2.0);
    p.top = -std::lrint(static_cast<double>(p.height - to_height) / 2.0);
    return p;
  }
  if (spec.mode == "crop") {
    const double scale = std::max(across, down);
    Placement p{scale, scale, 0, 0, 0, 0};
    p.width = std::max(to_width, std::lrint(static_cast<double>(width) * scale));
    p.height = std::max(to_height, std::lrint(static_cast<double>(height) * scale));
    p.left = -((p.width - to_width) / 2);
    p.top = -((p.height - to_height) / 2);
    return p;
  }
  if (spec.mode != "letterbox") {
    throw Error(ErrorCode::config, fmt::format("unknown way to resize '{}'", spec.mode),
                "input.resize.mode", "Use stretch, letterbox or crop");
  }
  const double scale = std::min(across, down);
  Placement p{scale, scale, 0, 0, 0, 0};
  const bool centred = spec.align == "center";
  // The tools behind the two conventions round differently: YOLOX truncates, YOLOv5 rounds.
  const auto side = [&](std::int64_t n) {
    const double exact = static_cast<double>(n) * scale;
    return std::max<std::int64_t>(1,
                                  centred ? std::lrint(exact) : static_cast<std::int64_t>(exact));
  };
  p.width = std::min(to_width, side(width));
  p.height = std::min(to_height, side(height));
  if (centred) {
    const auto half = [](std::int64_t border) {
      return std::lrint(static_cast<double>(border) / 2.0 - 0.1);
    };
    p.left = half(to_width - p.width);
    p.top = half(to_height - p.height);
  }
  return p;
}

Picture fit(const Picture& picture, const ResizeSpec& spec) {
  const Placement p = place(spec, picture.width, picture.height);
  Picture resized = resize(picture, p.width, p.height, spec.interpolation);
  if (p.left == 0 && p.top == 0 && p.width == spec.size.at(1) && p.height == spec.size.at(0))
    return resized;
  return window(resized, -p.left, -p.top, spec.size.at(1), spec.size.at(0),
                static_cast<std::uint8_t>(spec.pad));
}

}  // namespace qsweep
