#include "io/config/detail/codec.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <limits>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "src/base/text.h"

#include "src/quant/format.h"

#include "io/data/dataset.h"

namespace qsweep::config {

namespace {

/// The whole text as a number, or nothing.
template <class V>
std::optional<V> parse_number(const std::string& text) {
  V value{};
  const char* begin = text.data();
  const char* end = begin + text.size();
  const auto [stop, error] = std::from_chars(begin, end, value);
  if (error != std::errc() || stop != end) {
    return std::nullopt;
  }
  return value;
}

template <std::integral V>
Codec<V> integer_codec(V lowest, V highest) {
  const std::string range = fmt::format("from {} to {}", lowest, highest);
  return {"integer, " + range,
          [=](const YAML::Node& node, const Place& place) {
            const std::optional<V> value = parse_number<V>(place.scalar(node));
            if (!value || *value < lowest || *value > highest) {
              place.fail_value(node, "must be an integer, " + range);
            }
            return *value;
          },
          [](const V& value) { return YAML::Node(fmt::format("{}", value)); }};
}

std::filesystem::path absolute_path(const std::string& text,
                                    const YAML::Node& node,
                                    const Place& place) {
  std::filesystem::path path = place.document().folder / text;
  std::error_code code;
  if (text.starts_with("~/") && !std::filesystem::exists(path, code)) {
    place.fail_value(node, "must be a path without '~', which is not expanded here",
                     "Write the path in full");
  }
  return path;
}

}  // namespace

Codec<std::string> text() {
  return {"text",
          [](const YAML::Node& node, const Place& place) {
            std::string value = place.scalar(node);
            if (value.empty()) {
              place.fail(node, "is empty");
            }
            return value;
          },
          [](const std::string& value) { return YAML::Node(value); }};
}

Codec<std::string> choice(const std::vector<std::string>& names) {
  Codec<std::string> codec = text();
  codec.type = fmt::format("{}", fmt::join(names, " | "));
  codec.parse = [names](const YAML::Node& node, const Place& place) {
    std::string value = place.scalar(node);
    if (std::ranges::find(names, value) == names.end()) {
      place.fail_value(node, fmt::format("must be one of {}", fmt::join(names, ", ")),
                       did_you_mean(value, names));
    }
    return value;
  };
  return codec;
}

Codec<std::string> precision() {
  Codec<std::string> codec = text();
  codec.type = "precision";
  codec.parse = [](const YAML::Node& node, const Place& place) {
    std::string value = place.scalar(node);
    try {
      static_cast<void>(parse_precision(value));
    } catch (const Error& error) {
      throw Error(error.code(), fmt::format("{}: {}", place.subject(), error.message()),
                  place.where(node), error.hint());
    }
    return value;
  };
  return codec;
}

Codec<std::filesystem::path> file_path() {
  return {"path",
          [](const YAML::Node& node, const Place& place) {
            return absolute_path(text().parse(node, place), node, place);
          },
          [](const std::filesystem::path& value) { return YAML::Node(value.string()); }};
}

Codec<std::vector<std::filesystem::path>> file_paths() {
  Codec<std::vector<std::filesystem::path>> codec = list(file_path());
  codec.type = "path, or a list of them";
  codec.parse = [whole = codec.parse](const YAML::Node& node, const Place& place) {
    if (!node.IsScalar()) {
      auto paths = whole(node, place);
      if (paths.empty()) place.fail(node, "names no file");
      return paths;
    }
    std::vector<std::filesystem::path> paths;
    for (const std::string& part : split_paths(node.Scalar(), place.document().folder)) {
      if (part.empty()) place.fail(node, "holds an empty path");
      paths.push_back(absolute_path(part, node, place));
    }
    return paths;
  };
  return codec;
}

Codec<bool> flag() {
  return {"true | false",
          [](const YAML::Node& node, const Place& place) {
            const std::string value = place.scalar(node);
            if (value != "true" && value != "false") {
              place.fail_value(node, "must be true or false");
            }
            return value == "true";
          },
          [](const bool& value) { return YAML::Node(value ? "true" : "false"); }};
}

Codec<std::uint64_t> unsigned_integer() {
  return integer_codec<std::uint64_t>(0, std::numeric_limits<std::uint64_t>::max());
}

Codec<std::int64_t> integer(std::int64_t lowest, std::int64_t highest) {
  return integer_codec(lowest, highest);
}

Codec<int> small_integer(int lowest, int highest) {
  return integer_codec(lowest, highest);
}

Codec<double> number(NumberRange range) {
  return {fmt::format("number, {}", range.description),
          [range](const YAML::Node& node, const Place& place) {
            const std::optional<double> value = parse_number<double>(place.scalar(node));
            if (!value || !std::isfinite(*value) || !range.contains(*value)) {
              place.fail_value(node, fmt::format("must be a number, {}", range.description));
            }
            return *value;
          },
          [](const double& value) { return YAML::Node(fmt::format("{}", value)); }};
}

}  // namespace qsweep::config
