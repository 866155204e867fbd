#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
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
/// Members that no metric of boxes needs, and that make up most of a COCO file.
constexpr std::array<const char*, 4> kSkipped = {"segmentation", "licenses", "info", "caption"};

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

/// Index of each id in a list sorted by id. @throws on an id given twice
template <class Item>
std::unordered_map<std::int64_t, std::int64_t> sort_by_id(std::vector<Item>& items,
                                                          const Reader& reader,
                                                          const char* name) {
  std::ranges::sort(items, {}, &Item::id);
  std::unordered_map<std::int64_t, std::int64_t> index;
  for (const Item& item : items) {
    if (!index.emplace(item.id, static_cast<std::int64_t>(index.size())).second)
      reader.fail(name, fmt::format("has the id {} twice", item.id));
  }
  return index;
}

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
                           .file = reader.text(item, "file_name", place),
                           .width = reader.integer(item, "width", place),
                           .height = reader.integer(item, "height", place)};
    if (p.width < 1 || p.height < 1 || p.width > kMostSide || p.height > kMostSide)
      reader.fail(place, fmt::format("has the extents {} x {}", p.width, p.height));
    if (p.file.empty()) reader.fail(place + ".file_name", "is empty");
    all.pictures.push_back(std::move(p));
  });
  each("categories", [&](const Json& item, const std::string& place) {
    all.categories.push_back({reader.integer(item, "id", place), reader.text(item, "name", place)});
  });
  if (all.pictures.empty()) reader.fail("images", "is empty");
  if (all.categories.empty()) reader.fail("categories", "is empty");
  const auto pictures = sort_by_id(all.pictures, reader, "images");
  const auto categories = sort_by_id(all.categories, reader, "categories");
  each("annotations", [&](const Json& item, const std::string& place) {
    const auto refer = [&](const char* name, const auto& index) {
      const std::int64_t id = reader.integer(item, name, place);
      const auto found = index.find(id);
      if (found == index.end())
        reader.fail(place + "." + name, fmt::format("is {}, which is not listed", id));
      return found->second;
    };
    TruthBox t{.image = refer("image_id", pictures),
               .category = static_cast<std::int32_t>(refer("category_id", categories)),
               .box = reader.box(item, place)};
    const auto area = item.find("area");
    t.area =
        area == item.end() ? t.box.width * t.box.height : reader.number(*area, place + ".area");
    const auto crowd = item.find("iscrowd");
    if (crowd != item.end() && !crowd->is_number_integer() && !crowd->is_boolean())
      reader.fail(place + ".iscrowd", "is neither 0 nor 1");
    t.crowd = crowd != item.end() && (crowd->is_boolean() ? crowd->get<bool>() : *crowd != 0);
    all.truths.push_back(t);
  });
  return all;
}

}  // namespace qsweep
