#pragma once

#include <algorithm>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include <yaml-cpp/yaml.h>

#include "io/config/detail/codec.h"
#include "io/config/detail/place.h"
#include "io/config/job.h"

namespace qsweep::config {

/// One key of a mapping that fills a T. The list of a mapping's keys is all there is to know about
/// it: reading, writing, the reference and the hints for misspelt keys follow from it.
template <class T>
struct Key {
  std::string name;
  bool is_required = false;
  std::function<void(const YAML::Node&, const Place&, T&)> read;
  /// The value as YAML; nothing when the composed configuration leaves the key out.
  std::function<std::optional<YAML::Node>(const T&)> write;
  std::function<void(const std::string& path, const T& defaults, std::vector<JobKey>&)> describe;
  /// Appends the value, also one that is not written; those below for a mapping.
  std::function<void(const std::string& path, const T&, std::vector<JobValue>&)> list;
};

template <class T>
using Keys = std::vector<Key<T>>;

/// Throws Error(config) naming the nearest of `known`.
[[noreturn]] void fail_unknown_key(const YAML::Node& key,
                                   const Place& place,
                                   const std::vector<std::string>& known);
/// The scalar text of a key. Throws for keys that are not plain text.
[[nodiscard]] std::string key_text(const YAML::Node& key, const Place& place);

template <class T>
void read_keys(const YAML::Node& node, const Place& place, const Keys<T>& keys, T& value) {
  if (!node.IsMap() && !node.IsNull()) {
    place.fail(node, "must be a mapping of keys to values");
  }
  std::vector<std::string> known, seen;
  for (const Key<T>& key : keys) {
    known.push_back(key.name);
  }
  for (const auto& entry : node) {
    const std::string name = key_text(entry.first, place);
    const Place child = place.child(name, entry.first.Mark());
    const auto key = std::ranges::find(keys, name, &Key<T>::name);
    if (key == keys.end()) {
      fail_unknown_key(entry.first, child, known);
    }
    if (std::ranges::find(seen, name) != seen.end()) {
      child.fail(entry.first, "is given twice");
    }
    seen.push_back(name);
    key->read(entry.second, child, value);
  }
  for (const Key<T>& key : keys) {
    if (key.is_required && std::ranges::find(seen, key.name) == seen.end()) {
      place.child(key.name).fail(node, "is missing");
    }
  }
}

template <class T>
[[nodiscard]] YAML::Node write_keys(const Keys<T>& keys, const T& value) {
  YAML::Node node(YAML::NodeType::Map);
  for (const Key<T>& key : keys) {
    if (std::optional<YAML::Node> written = key.write(value)) {
      node[key.name] = *written;
    }
  }
  return node;
}

template <class T>
void describe_keys(const Keys<T>& keys,
                   const std::string& path,
                   const T& defaults,
                   std::vector<JobKey>& out) {
  for (const Key<T>& key : keys) {
    key.describe(path.empty() ? key.name : path + "." + key.name, defaults, out);
  }
}

template <class T>
void list_values(const Keys<T>& keys,
                 const std::string& path,
                 const T& value,
                 std::vector<JobValue>& out) {
  for (const Key<T>& key : keys) {
    key.list(path.empty() ? key.name : path + "." + key.name, value, out);
  }
}

/// The text of a value in a list of values; `~` for nothing.
[[nodiscard]] std::string value_text(std::optional<YAML::Node> value);

/// Key<T>::list of a key with one value, as `write` gives it.
template <class T>
[[nodiscard]] auto list_one(std::function<std::optional<YAML::Node>(const T&)> write,
                            Decides decides) {
  return [=](const std::string& path, const T& value, std::vector<JobValue>& out) {
    out.push_back({path, value_text(write(value)), decides});
  };
}

/// A key with one value. An empty text or path means "not given" and is not written.
template <class T, class V>
[[nodiscard]] Key<T> key(const std::string& name,
                         V T::*member,
                         Codec<V> codec,
                         Decides decides,
                         const std::string& meaning) {
  Key<T> result;
  result.name = name;
  result.read = [=](const YAML::Node& node, const Place& place, T& value) {
    value.*member = codec.parse(node, place);
  };
  result.write = [=](const T& value) -> std::optional<YAML::Node> {
    if constexpr (std::is_same_v<V, std::string> || std::is_same_v<V, std::filesystem::path>) {
      if ((value.*member).empty()) {
        return std::nullopt;
      }
    }
    return codec.format(value.*member);
  };
  result.describe = [=, write = result.write](const std::string& path, const T& defaults,
                                              std::vector<JobKey>& out) {
    const std::optional<YAML::Node> fallback = write(defaults);
    out.push_back({path, codec.type, fallback ? YAML::Dump(*fallback) : "", meaning});
  };
  result.list = list_one(result.write, decides);
  return result;
}

template <class T>
[[nodiscard]] Key<T> required(Key<T> key) {
  key.is_required = true;
  key.describe = [describe = key.describe](const std::string& path, const T& defaults,
                                           std::vector<JobKey>& out) {
    const std::size_t first = out.size();
    describe(path, defaults, out);
    if (out.size() == first + 1) {
      out.back().fallback = "(required)";
    }
  };
  return key;
}

/// A mapping of its own that fills the same T.
template <class T>
[[nodiscard]] Key<T> group(const std::string& name, Keys<T> keys_here) {
  // Shared: copies of a key would copy all keys below it once for each of its functions.
  const auto keys = std::make_shared<const Keys<T>>(std::move(keys_here));
  Key<T> result;
  result.name = name;
  result.read = [=](const YAML::Node& node, const Place& place, T& value) {
    read_keys(node, place, *keys, value);
  };
  result.write = [=](const T& value) -> std::optional<YAML::Node> {
    YAML::Node node = write_keys(*keys, value);
    return node.size() == 0 ? std::nullopt : std::optional(node);
  };
  result.describe = [=](const std::string& path, const T& defaults, std::vector<JobKey>& out) {
    describe_keys(*keys, path, defaults, out);
  };
  result.list = [=](const std::string& path, const T& value, std::vector<JobValue>& out) {
    list_values(*keys, path, value, out);
  };
  return result;
}

/// A mapping that fills the part of T at `member`.
template <class T, class V>
[[nodiscard]] Key<T> section(const std::string& name, V T::*member, Keys<V> keys) {
  const Key<V> inner = group(name, std::move(keys));
  Key<T> result;
  result.name = name;
  result.read = [=](const YAML::Node& node, const Place& place, T& value) {
    inner.read(node, place, value.*member);
  };
  result.write = [=](const T& value) { return inner.write(value.*member); };
  result.describe = [=](const std::string& path, const T& defaults, std::vector<JobKey>& out) {
    inner.describe(path, defaults.*member, out);
  };
  result.list = [=](const std::string& path, const T& value, std::vector<JobValue>& out) {
    inner.list(path, value.*member, out);
  };
  return result;
}

/// A section that may be absent; `~` says so.
template <class T, class V>
[[nodiscard]] Key<T> section(const std::string& name, std::optional<V> T::*member, Keys<V> keys) {
  const Key<V> inner = group(name, std::move(keys));
  Key<T> result;
  result.name = name;
  result.read = [=](const YAML::Node& node, const Place& place, T& value) {
    if (node.IsNull()) {
      (value.*member).reset();
      return;
    }
    inner.read(node, place, (value.*member).emplace());
  };
  result.write = [=](const T& value) -> std::optional<YAML::Node> {
    return value.*member ? inner.write(*(value.*member)) : YAML::Node(YAML::NodeType::Null);
  };
  result.describe = [=](const std::string& path, const T&, std::vector<JobKey>& out) {
    inner.describe(path, V{}, out);
  };
  result.list = [=](const std::string& path, const T& value, std::vector<JobValue>& out) {
    const std::size_t first = out.size();
    inner.list(path, (value.*member).value_or(V{}), out);
    if (value.*member) return;
    for (std::size_t i = first; i < out.size(); ++i) out[i].value = value_text(std::nullopt);
  };
  return result;
}

/// A list of mappings, each filling a V.
template <class T, class V>
[[nodiscard]] Key<T> sections(const std::string& name,
                              std::vector<V> T::*member,
                              Keys<V> keys_here) {
  const auto keys = std::make_shared<const Keys<V>>(std::move(keys_here));
  Key<T> result;
  result.name = name;
  result.read = [=](const YAML::Node& node, const Place& place, T& value) {
    if (!node.IsSequence() && !node.IsNull()) {
      place.fail(node, "must be a list");
    }
    (value.*member).clear();
    for (const YAML::Node& element : node) {
      V item{};
      read_keys(element, place.child(std::to_string((value.*member).size())), *keys, item);
      (value.*member).push_back(std::move(item));
    }
  };
  result.write = [=](const T& value) -> std::optional<YAML::Node> {
    YAML::Node node(YAML::NodeType::Sequence);
    for (const V& item : value.*member) {
      YAML::Node written = write_keys(*keys, item);
      written.SetStyle(YAML::EmitterStyle::Flow);
      node.push_back(written);
    }
    return node.size() == 0 ? std::nullopt : std::optional(node);
  };
  result.describe = [=](const std::string& path, const T&, std::vector<JobKey>& out) {
    describe_keys(*keys, path + "[]", V{}, out);
  };
  result.list = [=](const std::string& path, const T& value, std::vector<JobValue>& out) {
    for (std::size_t i = 0; i < (value.*member).size(); ++i) {
      list_values(*keys, path + "." + std::to_string(i), (value.*member)[i], out);
    }
  };
  return result;
}

/// Writes the key only while `holds`.
template <class T>
[[nodiscard]] Key<T> written_if(std::function<bool(const T&)> holds, Key<T> key) {
  key.write = [=, write = key.write](const T& value) -> std::optional<YAML::Node> {
    return holds(value) ? write(value) : std::nullopt;
  };
  return key;
}

/// Runs `after` once the key was read.
template <class T>
[[nodiscard]] Key<T> and_then(std::function<void(const YAML::Node&, const Place&, T&)> after,
                              Key<T> key) {
  key.read = [=, read = key.read](const YAML::Node& node, const Place& place, T& value) {
    read(node, place, value);
    after(node, place, value);
  };
  return key;
}

/// A key with its own way of reading and writing.
template <class T>
[[nodiscard]] Key<T> custom(const std::string& name,
                            const std::string& type,
                            Decides decides,
                            const std::string& meaning,
                            std::function<void(const YAML::Node&, const Place&, T&)> read,
                            std::function<std::optional<YAML::Node>(const T&)> write) {
  Key<T> result;
  result.name = name;
  result.read = std::move(read);
  result.write = std::move(write);
  result.describe = [=](const std::string& path, const T&, std::vector<JobKey>& out) {
    out.push_back({path, type, "", meaning});
  };
  result.list = list_one(result.write, decides);
  return result;
}

/// A key that only sets other keys, which are written and listed in its place.
template <class T>
[[nodiscard]] Key<T> shorthand(const std::string& name,
                               const std::string& type,
                               const std::string& meaning,
                               std::function<void(const YAML::Node&, const Place&, T&)> read) {
  Key<T> result = custom<T>(name, type, Decides::nothing, meaning, std::move(read),
                            [](const T&) { return std::nullopt; });
  result.list = [](const std::string&, const T&, std::vector<JobValue>&) {};
  return result;
}

/// A key that is part of the language but not served.
template <class T>
[[nodiscard]] Key<T> unavailable(const std::string& name, const std::string& hint) {
  Key<T> result;
  result.name = name;
  result.read = [=](const YAML::Node& node, const Place& place, T&) {
    throw Error(ErrorCode::unsupported, place.subject() + " is not available in this version",
                place.where(node), hint);
  };
  result.write = [](const T&) { return std::nullopt; };
  result.describe = [](const std::string&, const T&, std::vector<JobKey>&) {};
  result.list = [](const std::string&, const T&, std::vector<JobValue>&) {};
  return result;
}

/// A key that people may look for, refused with the reason; `tensor` and null say what is done
/// anyway.
template <class T>
[[nodiscard]] Key<T> refused(const std::string& name,
                             const std::string& reason,
                             const std::string& hint) {
  Key<T> result = unavailable<T>(name, hint);
  result.read = [=](const YAML::Node& node, const Place& place, T&) {
    if (node.IsNull() || (node.IsScalar() && node.Scalar() == "tensor")) return;
    throw Error(ErrorCode::unsupported, place.subject() + ": " + reason, place.where(node), hint);
  };
  return result;
}

}  // namespace qsweep::config
