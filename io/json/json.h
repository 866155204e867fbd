#pragma once

#include <concepts>
#include <cstdint>
#include <initializer_list>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace qsweep {

/// A JSON value to be written; members keep the order in which they were added. In braces, pairs
/// that begin with a text are an object, everything else is an array: {{"a", 1}, {"b", {2, 3}}}.
/// NaN and infinity are written as null, bytes that are not UTF-8 as U+FFFD.
class Json {
 public:
  // Values convert by themselves: NOLINTBEGIN(google-explicit-constructor)
  Json(std::nullptr_t = nullptr) {}
  Json(bool value) : value_(value) {}
  template <std::signed_integral T>
  Json(T value) : value_(static_cast<std::int64_t>(value)) {}
  template <std::unsigned_integral T>
  requires(!std::same_as<T, bool>) Json(T value) : value_(static_cast<std::uint64_t>(value)) {}
  template <std::floating_point T>
  Json(T value) : value_(static_cast<double>(value)) {}
  template <typename T>
  requires std::convertible_to<const T&, std::string_view> Json(const T& value)
      : value_(std::string(std::string_view(value))) {}
  template <typename T>
  Json(const std::vector<T>& values) : value_(Array(values.begin(), values.end())) {}
  template <typename T>
  Json(const std::map<std::string, T>& members) : value_(Object(members.begin(), members.end())) {}
  Json(std::initializer_list<Json> values);
  // NOLINTEND(google-explicit-constructor)

  [[nodiscard]] static Json array() { return Json(std::in_place, Array()); }
  [[nodiscard]] static Json object() { return Json(std::in_place, Object()); }
  /// @param text is JSON already
  [[nodiscard]] static Json verbatim(std::string text) {
    return Json(std::in_place, Verbatim{std::move(text)});
  }

  /// The member of this name, added when there is none; null becomes an object.
  Json& operator[](std::string_view name);
  /// Adds to an array.
  void push_back(Json value);
  [[nodiscard]] Json& back();  ///< of an array that is not empty
  /// Takes over the members of another object.
  void update(const Json& other);

  /// Indented by two, with a line break at the end.
  [[nodiscard]] std::string text() const;

 private:
  using Array = std::vector<Json>;
  using Object = std::vector<std::pair<std::string, Json>>;
  struct Verbatim {
    std::string text;
  };
  using Value = std::variant<std::nullptr_t,
                             bool,
                             std::int64_t,
                             std::uint64_t,
                             double,
                             std::string,
                             Array,
                             Object,
                             Verbatim>;
  Json(std::in_place_t /*tag*/, Value value) : value_(std::move(value)) {}
  friend struct JsonWriter;

  Value value_;
};

}  // namespace qsweep
