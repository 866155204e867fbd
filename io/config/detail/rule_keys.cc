#include "io/config/detail/rule_keys.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <string_view>
#include <utility>

#include <fmt/format.h>

#include "src/base/log.h"

#include "src/quant/presets.h"

#include "io/config/detail/codec.h"
#include "io/config/detail/keys.h"

namespace qsweep::config {

namespace {

constexpr std::array<std::pair<std::string_view, std::string_view>, 3> kPythonWords = {
    {{"True", "true"}, {"False", "false"}, {"None", "null"}}};

bool is_word_character(char c) {
  return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_';
}

/// Tuples of integers and constants as YAML writes them.
std::string plain_from_python(std::string_view text) {
  std::string yaml;
  for (std::size_t i = 0; i < text.size();) {
    const std::string_view rest = text.substr(i);
    const std::size_t end = rest.find_first_not_of("0123456789, \t\n", 1);
    if (rest[0] == '(' && end != std::string_view::npos && rest[end] == ')') {
      yaml += '[' + std::string(rest.substr(1, end - 1)) + ']';
      i += end + 1;
      continue;
    }
    const auto word = std::ranges::find_if(kPythonWords, [&](const auto& w) {
      const std::size_t n = w.first.size();
      return rest.starts_with(w.first) && (i == 0 || !is_word_character(text[i - 1])) &&
             (rest.size() == n || !is_word_character(rest[n]));
    });
    yaml += word == kPythonWords.end() ? rest.substr(0, 1) : word->second;
    i += word == kPythonWords.end() ? 1 : word->first.size();
  }
  return yaml;
}

Codec<std::int64_t> bits() {
  return integer(0, 64);
}

std::vector<int> bit_list(const YAML::Node& node, const Place& place) {
  std::vector<int> all;
  for (const std::int64_t b : list(bits()).parse(node, place)) all.push_back(static_cast<int>(b));
  return all;
}

/// `{-1: 128, "type": "dynamic", "scale_bits": [4, 3]}`
void read_blocks(const YAML::Node& node, const Place& place, QuantizerAttributes& attributes) {
  if (!node.IsMap()) {
    place.fail(node, "must be a mapping such as {-1: 128}");
  }
  for (const auto& entry : node) {
    const std::string name = key_text(entry.first, place);
    const Place child = place.child(name, entry.first.Mark());
    if (name == "-1") {
      attributes.block_size = integer(1, 1 << 16).parse(entry.second, child);
    } else if (name == "scale_bits") {
      attributes.scale_bits = bit_list(entry.second, child);
    } else if (name == "type") {
      (void)choice({"static", "dynamic"}).parse(entry.second, child);
    } else {
      fail_unknown_key(entry.first, child, {"-1", "scale_bits", "type"});
    }
  }
}

Keys<QuantizerAttributes> attribute_keys() {
  using A = QuantizerAttributes;
  // Rules only spell a scheme: its own identity covers them.
  constexpr Decides kNone = Decides::nothing;
  const auto nothing = [](const A&) { return std::nullopt; };
  return {
      key("enable", &A::enable, flag(), kNone, "false: kept in high precision"),
      custom<A>(
          "num_bits", "integer or [exponent, significand]", kNone, "width of the format",
          [](const YAML::Node& node, const Place& place, A& a) {
            a.num_bits = bit_list(node, place);
          },
          nothing),
      custom<A>(
          "axis", "0 or null", kNone, "a scale per output channel, or one for the tensor",
          [](const YAML::Node& node, const Place& place, A& a) {
            a.axis.reset();
            if (!node.IsNull()) a.axis = static_cast<int>(integer(-8, 8).parse(node, place));
          },
          nothing),
      custom<A>("block_sizes", "mapping", kNone, "blocks of the last axis that share a scale",
                read_blocks, nothing),
      key("unsigned", &A::is_unsigned, flag(), kNone, "UINT8 or UINT4 with zero point"),
      custom<A>(
          "type", "static or dynamic", kNone,
          "whether ranges are calibrated; the format decides it",
          [](const YAML::Node& node, const Place& place, A&) {
            (void)choice({"static", "dynamic"}).parse(node, place);
          },
          nothing),
  };
}

Format parse_attributes(const YAML::Node& node, const Place& place) {
  if (node.IsSequence()) {
    // INT4 weights that a device widens to FP8: the first step decides the values kept.
    if (node.size() != 2) {
      place.fail(node, "must be a mapping, or a list of two formats");
    }
    (void)parse_attributes(node[1], place.child("1"));
    return parse_attributes(node[0], place.child("0"));
  }
  if (!node.IsMap()) {
    place.fail(node, "must be a mapping such as {num_bits: 8, axis: 0}");
  }
  QuantizerAttributes attributes;
  read_keys(node, place, attribute_keys(), attributes);
  try {
    return to_format(attributes);
  } catch (const Error& e) {
    throw Error(e.code(), fmt::format("{}: {}", place.subject(), e.message()), place.where(node),
                e.hint());
  }
}

std::string parse_algorithm(const YAML::Node& node, const Place& place) {
  if (node.IsNull()) return "max";
  if (!node.IsMap()) return text().parse(node, place);
  if (!node["method"]) {
    place.child("method").fail(node, "is missing");
  }
  for (const auto& entry : node) {
    const std::string name = key_text(entry.first, place);
    if (name != "method") log_warning(fmt::format("'{}.{}' has no effect", place.path(), name));
  }
  return text().parse(node["method"], place.child("method"));
}

void append(const YAML::Node& node, const Place& place, std::vector<QuantRule>& rules) {
  if (node.IsSequence()) {
    std::size_t index = 0;
    for (const YAML::Node& item : node) append(item, place.child(std::to_string(index++)), rules);
    return;
  }
  if (!node.IsMap()) {
    place.fail(node, "must map selectors to attributes");
  }
  for (const auto& entry : node) {
    const std::string selector = key_text(entry.first, place);
    const Place child = place.child(selector, entry.first.Mark());
    rules.push_back({selector, parse_attributes(entry.second, child)});
  }
}

}  // namespace

QuantConfig parse_rules(const YAML::Node& node, const Place& place) {
  QuantConfig config;
  if (!node.IsMap() || !node["quant_cfg"]) {
    append(node, place, config.rules);
    return config;
  }
  for (const auto& entry : node) {
    const std::string name = key_text(entry.first, place);
    const Place child = place.child(name, entry.first.Mark());
    if (name == "quant_cfg") {
      append(entry.second, child, config.rules);
    } else if (name == "algorithm") {
      config.algorithm = weight_algorithm_name(parse_algorithm(entry.second, child));
    } else if (name != "name" && name != "summary" && name != "needs") {
      fail_unknown_key(entry.first, child, {"algorithm", "quant_cfg", "name", "summary", "needs"});
    }
  }
  return config;
}

YAML::Node format_rules(const std::vector<QuantRule>& rules) {
  YAML::Node node(YAML::NodeType::Sequence);
  for (const QuantRule& rule : rules) {
    YAML::Node item(YAML::NodeType::Map);
    YAML::Node attributes = YAML::Load(attributes_json(rule.format));
    attributes.SetStyle(YAML::EmitterStyle::Flow);
    item[rule.selector] = attributes;
    node.push_back(item);
  }
  return node;
}

std::string from_python(const std::string& text) {
  std::string out, plain;
  const auto flush = [&] {
    out += plain_from_python(plain);
    plain.clear();
  };
  for (std::size_t i = 0; i < text.size();) {
    const char c = text[i];
    if (c != '"' && c != '\'' && c != '#') {
      plain += c;
      ++i;
      continue;
    }
    flush();
    const std::size_t close = text.find(c == '#' ? '\n' : c, i + 1);
    const std::size_t end = close == std::string::npos ? text.size() : close + 1;
    out += text.substr(i, end - i);
    i = end;
  }
  flush();
  return out;
}

}  // namespace qsweep::config
