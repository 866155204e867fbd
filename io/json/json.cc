#include "io/json/json.h"

#include <algorithm>

#include <nlohmann/json.hpp>

#include "src/base/error.h"

namespace qsweep {

/// A value as the library's.
struct JsonWriter {
  using Library = nlohmann::ordered_json;

  static Library of(const Json& json) { return std::visit(JsonWriter{}, json.value_); }

  template <typename T>
  Library operator()(const T& scalar) const {
    return scalar;
  }
  Library operator()(const Json::Array& values) const {
    Library array = Library::array();
    for (const Json& value : values) array.push_back(of(value));
    return array;
  }
  Library operator()(const Json::Object& members) const {
    Library object = Library::object();
    for (const auto& [name, value] : members) object[name] = of(value);
    return object;
  }
  Library operator()(const Json::Verbatim& verbatim) const { return Library::parse(verbatim.text); }
};

Json::Json(std::initializer_list<Json> values) {
  const bool is_object = std::ranges::all_of(values, [](const Json& value) {
    const auto* pair = std::get_if<Array>(&value.value_);
    return pair != nullptr && pair->size() == 2 &&
           std::holds_alternative<std::string>(pair->front().value_);
  });
  if (!is_object) {
    value_ = Array(values);
    return;
  }
  Object members;
  for (const Json& value : values) {
    const Array& pair = std::get<Array>(value.value_);
    members.emplace_back(std::get<std::string>(pair[0].value_), pair[1]);
  }
  value_ = std::move(members);
}

Json& Json::operator[](std::string_view name) {
  if (std::holds_alternative<std::nullptr_t>(value_)) value_ = Object();
  auto* members = std::get_if<Object>(&value_);
  QSWEEP_CHECK(members != nullptr);
  const auto found = std::ranges::find_if(*members, [&](const auto& m) { return m.first == name; });
  if (found != members->end()) return found->second;
  return members->emplace_back(std::string(name), nullptr).second;
}

void Json::push_back(Json value) {
  auto* values = std::get_if<Array>(&value_);
  QSWEEP_CHECK(values != nullptr);
  values->push_back(std::move(value));
}

Json& Json::back() {
  auto* values = std::get_if<Array>(&value_);
  QSWEEP_CHECK(values != nullptr && !values->empty());
  return values->back();
}

void Json::update(const Json& other) {
  const auto* members = std::get_if<Object>(&other.value_);
  QSWEEP_CHECK(members != nullptr);
  for (const auto& [name, value] : *members) (*this)[name] = value;
}

std::string Json::text() const {
  return JsonWriter::of(*this).dump(2, ' ', false, JsonWriter::Library::error_handler_t::replace) +
         "\n";
}

}  // namespace qsweep
