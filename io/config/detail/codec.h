#pragma once

#include <concepts>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <yaml-cpp/yaml.h>

#include "io/config/detail/place.h"

namespace qsweep::config {

/// One kind of value: how it is called in help, read from YAML (with checks) and written back.
template <class V>
struct Codec {
  std::string type;
  std::function<V(const YAML::Node&, const Place&)> parse;
  std::function<YAML::Node(const V&)> format;
};

/// Any text that is not empty.
[[nodiscard]] Codec<std::string> text();
/// One of `names`.
[[nodiscard]] Codec<std::string> choice(const std::vector<std::string>& names);
/// A precision that parse_precision() accepts.
[[nodiscard]] Codec<std::string> precision();
/// A file, made absolute from the document's folder: `..` and links are left to the kernel.
[[nodiscard]] Codec<std::filesystem::path> file_path();
/// One or more files, each made absolute: a list of them, or one text, cut as split_paths() does.
[[nodiscard]] Codec<std::vector<std::filesystem::path>> file_paths();
[[nodiscard]] Codec<bool> flag();
[[nodiscard]] Codec<std::uint64_t> unsigned_integer();
[[nodiscard]] Codec<std::int64_t> integer(std::int64_t lowest, std::int64_t highest);
[[nodiscard]] Codec<int> small_integer(int lowest, int highest);

/// Which finite numbers are accepted, and how that is said.
struct NumberRange {
  std::string_view description;
  bool (*contains)(double);
};
[[nodiscard]] Codec<double> number(NumberRange range);

/// A list; a single value stands for a list of one.
template <class V>
[[nodiscard]] Codec<std::vector<V>> list(Codec<V> item) {
  Codec<std::vector<V>> codec;
  codec.type = "list of " + item.type;
  codec.parse = [item](const YAML::Node& node, const Place& place) {
    if (!node.IsSequence()) {
      return std::vector<V>{item.parse(node, place)};
    }
    std::vector<V> values;
    for (const YAML::Node& element : node) {
      values.push_back(item.parse(element, place.child(std::to_string(values.size()))));
    }
    return values;
  };
  codec.format = [item](const std::vector<V>& values) {
    YAML::Node node(YAML::NodeType::Sequence);
    for (const V& value : values) {
      node.push_back(item.format(value));
    }
    node.SetStyle(YAML::EmitterStyle::Flow);
    return node;
  };
  return codec;
}

}  // namespace qsweep::config
