#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <unordered_map>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "src/base/error.h"

#include "io/data/detection_data.h"

namespace qsweep {
namespace {

using Json = nlohmann::json;

constexpr std::size_t kMostBytes = std::size_t{1} << 30;
constexpr std::int64_t kMostSide = 1 << 20;
/// Up to it every whole number is a double.
constexpr double kMostExact = 9007199254740992.0;
/// Members that no metric of boxes needs, and that make up most of a COCO file.
constexpr std::array<const char*, 4> kSkipped = {"segmentation", "licenses", "info", "caption"};

/// null is how tables with gaps write what is missing.
bool given(const Json& object, const char* name) {
  const auto found = object.find(name);
  return found != object.end() && !found->is_null();
}

/// Reads members of one document; errors name the place.
class Reader {
 public:
  explicit Reader(std::string where) : where_(std::move(where)) {}

  [[noreturn]] void fail(const std::string& place, const std::string& problem) const {
    throw Error(ErrorCode::corrupt_input, fmt::format("{} {}", place, problem), where_,
                "Give annotations in COCO's instances format");
  }

  [[nodiscard]] const Json& list(const Json& document, const char* name) const {
    const auto found = document.find(name);
    if (found == document.end() || !found->is_array()) fail(name, "is missing or no list");
    return *found;
  }

  [[nodiscard]] std::int64_t integer(const Json& object,
                                     const char* name,
                                     const std::string& place) const {
    const auto found = object.find(name);
    if (found == object.end()) fail(place + "." + name, "is missing");
    if (found->is_number_integer() &&
        !(found->is_number_unsigned() &&
          found->get<std::uint64_t>() > std::numeric_limits<std::int64_t>::max()))
      return found->get<std::int64_t>();
    if (found->is_number_float()) {  // 7.0, as tables with gaps write it
      const auto value = found->get<double>();
      if (value == std::trunc(value) && std::fabs(value) <= kMostExact)
        return static_cast<std::int64_t>(value);
    }
    fail(place + "." + name, "is no whole number");
  }

  [[nodiscard]] std::string text(const Json& object,
                                 const char* name,
                                 const std::string& place) const {
    const auto found = object.find(name);
    if (found == object.end() || !found->is_string()) fail(place + "." + name, "is no text");
    return found->get<std::string>();
  }

  [[nodiscard]] double number(const Json& value, const std::string& place) const {
    if (!value.is_number() || !std::isfinite(value.get<double>())) fail(place, "is no number");
    return value.get<double>();
  }

  [[nodiscard]] Box box(const Json& object, const std::string& place) const {
    const auto found = object.find("bbox");
    if (found == object.end() || !found->is_array() || found->size() != 4)
      fail(place + ".bbox", "is not [left, top, width, height]");
    std::array<double, 4> v{};
    for (std::size_t i = 0; i < 4; ++i) v[i] = number((*found)[i], place + ".bbox");
    if (v[2] < 0.0 || v[3] < 0.0) fail(place + ".bbox", "has a negative extent");
    return {v[0], v[1], v[2], v[3]};
  }

 private:
  std::string where_;
};

/// Sorts a list by id and leaves one of entries that are the same.
/// @return the index of each id. @throws where one id stands for two things
template <class Item>
std::unordered_map<std::int64_t, std::int64_t> sort_by_id(std::vector<Item>& items,
                                                          const Reader& reader,
                                                          const char* name,
                                                          std::vector<std::string>& remarks) {
  std::ranges::stable_sort(items, {}, &Item::id);
  std::vector<std::int64_t> repeated;
  for (std::size_t i = 1; i < items.size(); ++i) {
    if (items[i].id != items[i - 1].id) continue;
    if (items[i] != items[i - 1])
      reader.fail(name, fmt::format("has the id {} twice", items[i].id));
    repeated.push_back(items[i].id);
  }
  if (!repeated.empty()) {
    remarks.push_back(fmt::format("{} has {} {} more than once (such as id {})", name,
                                  repeated.size(), repeated.size() == 1 ? "entry" : "entries",
                                  repeated.front()));
  }
  items.erase(std::unique(items.begin(), items.end()), items.end());
  std::unordered_map<std::int64_t, std::int64_t> index;
  for (const Item& item : items) index.emplace(item.id, static_cast<std::int64_t>(index.size()));
  return index;
}

/// Objects that refer to nothing that is listed.
struct Unlisted {
  const char* what;
  std::int64_t objects = 0, example = 0;

  void add(std::int64_t id) {
    if (objects++ == 0) example = id;
  }
  void note(const std::string& where, std::vector<std::string>& remarks) const {
    if (objects == 0) return;
    remarks.push_back(fmt::format("{} {} of {} left out: the {} is not listed (such as {})",
                                  objects, objects == 1 ? "object" : "objects",
                                  where + (objects == 1 ? " is" : " are"), what, example));
  }
};

Json parse(ByteView json, const Reader& reader, const std::string& where) {
  if (json.size() > kMostBytes) {
    throw Error(ErrorCode::corrupt_input,
                fmt::format("annotations of {} bytes, more than 1 GiB", json.size()), where);
  }
  const auto keep = [](int, Json::parse_event_t event, Json& parsed) {
    return event != Json::parse_event_t::key ||
           std::ranges::none_of(kSkipped, [&](const char* name) { return parsed == name; });
  };
  const std::string_view text = as_text(json);
  try {
    Json document = Json::parse(text.begin(), text.end(), keep);
    if (!document.is_object()) reader.fail("the document", "is no object");
    return document;
  } catch (const Json::exception& e) {
    throw Error(ErrorCode::corrupt_input, fmt::format("not sound JSON: {}", e.what()), where,
                "Check that the file is complete");
  }
}

}  // namespace

Annotations parse_annotations(ByteView json, const std::string& where) {
  const Reader reader(where);
  const Json document = parse(json, reader, where);
  Annotations all;
  const auto each = [&](const char* name, auto&& read) {
    const Json& items = reader.list(document, name);
    for (std::size_t i = 0; i < items.size(); ++i) {
      const std::string place = fmt::format("{}[{}]", name, i);
      if (!items[i].is_object()) reader.fail(place, "is no object");
      read(items[i], place);
    }
  };
  each("images", [&](const Json& item, const std::string& place) {
    Annotations::Picture p{.id = reader.integer(item, "id", place),
                           .file = reader.text(item, "file_name", place)};
    if (p.file.empty()) reader.fail(place + ".file_name", "is empty");
    if (given(item, "width") || given(item, "height")) {
      p.width = reader.integer(item, "width", place);
      p.height = reader.integer(item, "height", place);
      if (p.width < 1 || p.height < 1 || p.width > kMostSide || p.height > kMostSide)
        reader.fail(place, fmt::format("has the extents {} x {}", p.width, p.height));
    }
    all.pictures.push_back(std::move(p));
  });
  each("categories", [&](const Json& item, const std::string& place) {
    const std::int64_t id = reader.integer(item, "id", place);
    all.categories.push_back(
        {id, given(item, "name") ? reader.text(item, "name", place) : std::to_string(id)});
  });
  if (all.pictures.empty()) reader.fail("images", "is empty");
  if (all.categories.empty()) reader.fail("categories", "is empty");
  const auto pictures = sort_by_id(all.pictures, reader, "images", all.remarks);
  const auto categories = sort_by_id(all.categories, reader, "categories", all.remarks);
  Unlisted without_picture{"picture"}, without_category{"category"};
  each("annotations", [&](const Json& item, const std::string& place) {
    const std::int64_t image = reader.integer(item, "image_id", place);
    const std::int64_t category = reader.integer(item, "category_id", place);
    const auto picture = pictures.find(image);
    if (picture == pictures.end()) return without_picture.add(image);
    const auto kind = categories.find(category);
    if (kind == categories.end()) return without_category.add(category);
    TruthBox t{.image = picture->second,
               .category = static_cast<std::int32_t>(kind->second),
               .box = reader.box(item, place)};
    t.area = given(item, "area") ? reader.number(item["area"], place + ".area")
                                 : t.box.width * t.box.height;
    if (given(item, "iscrowd")) {
      const Json& crowd = item["iscrowd"];
      if (!crowd.is_number() && !crowd.is_boolean())
        reader.fail(place + ".iscrowd", "is neither 0 nor 1");
      t.crowd = crowd.is_boolean() ? crowd.get<bool>() : crowd.get<double>() != 0.0;
    }
    all.truths.push_back(t);
  });
  without_picture.note(where, all.remarks);
  without_category.note(where, all.remarks);
  return all;
}

}  // namespace qsweep
