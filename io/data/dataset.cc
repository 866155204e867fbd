#include "io/data/dataset.h"

#include <algorithm>
#include <array>
#include <span>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "src/base/error.h"
#include "src/base/hash.h"
#include "src/base/text.h"

#include "io/data/detail/containers.h"
#include "io/data/detail/data_file.h"

namespace qsweep {

namespace {

/// The list of containers.
struct Container {
  const char* name;
  std::unique_ptr<Dataset> (*open)(const DataSpec&, const InputSpec&);
};
constexpr std::array<Container, 7> kContainers{{
    {"cifar10", open_cifar10},
    {"cifar100", open_cifar100},
    {"npy", open_npy},
    {"coco", open_coco},
    {"masks", open_masks},
    {"images", open_image_list},
    {"folder", open_picture_folder},
}};

const Container& find_container(const std::string& name, const std::string& where) {
  const auto* found = std::ranges::find_if(
      kContainers, [&](const Container& container) { return name == container.name; });
  if (found == kContainers.end()) {
    const std::vector<std::string> known = data_formats();
    std::string hint = did_you_mean(name, known);
    throw Error(ErrorCode::config, fmt::format("unknown data format '{}'", name), where,
                hint.empty() ? fmt::format("Use {}", fmt::join(known, ", ")) : std::move(hint));
  }
  return *found;
}

}  // namespace

std::string Dataset::sample_name(std::int64_t sample) const {
  return fmt::format("image {}", sample);
}

std::uint64_t Dataset::sample_hash(std::int64_t sample) const {
  return content_hash(sample_bytes(sample));
}

std::string Dataset::truth_text(std::int64_t sample) const {
  return has_labels() ? std::to_string(label(sample)) : std::string();
}

std::string Dataset::digest(std::span<const std::int64_t> ids) const {
  Sha256 hash;
  hash.update(fmt::format("{} classes\n", classes()));
  for (const std::int64_t id : ids)
    hash.update(fmt::format("{} {:016x} {}\n", id, sample_hash(id), truth_text(id)));
  return hash.hex();
}

std::vector<std::string> data_formats() {
  std::vector<std::string> names;
  for (const Container& container : kContainers) {
    names.emplace_back(container.name);
  }
  return names;
}

std::vector<std::string> split_paths(const std::string& text, const std::filesystem::path& folder) {
  const auto exists = [&](const std::string& path) {
    std::error_code code;
    return !path.empty() && std::filesystem::exists(folder / path, code);
  };
  if (exists(text)) return {text};
  std::vector<std::string> pieces(1);
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == ',') {
      pieces.emplace_back();
    } else {
      if (text.substr(i, 2) == "\\,") ++i;
      pieces.back() += text[i];
    }
  }
  std::vector<std::string> paths;
  for (std::size_t begin = 0; begin < pieces.size();) {
    // The longest run of pieces that names something; else the piece alone.
    std::size_t end = pieces.size();
    std::string path;
    for (; end > begin; --end) {
      path = join(std::span(pieces).subspan(begin, end - begin), ",");
      if (exists(path)) break;
      path = trim(path);
      if (exists(path) || end == begin + 1) break;
    }
    paths.push_back(path);
    begin = end;
  }
  return paths;
}

DataSpec parse_data_spec(const std::string& text, const std::string& where) {
  const std::string& place = where.empty() ? text : where;
  const std::size_t colon = text.find(':');
  if (colon == std::string::npos) {
    throw Error(ErrorCode::config, "a data specification has no format", place,
                "Write FORMAT:PATH, as in cifar10:test.bin");
  }
  DataSpec spec{text.substr(0, colon), {}};
  static_cast<void>(find_container(spec.format, place));
  const std::filesystem::path folder = std::filesystem::current_path();
  const std::vector<std::string> paths = split_paths(text.substr(colon + 1), folder);
  if (std::ranges::find(paths, "") != paths.end()) {
    throw Error(ErrorCode::config, "a data specification holds an empty path", place);
  }
  for (const std::string& path : paths) {
    std::error_code code;
    if ((paths.size() > 1 || path.starts_with("~/")) &&
        !std::filesystem::exists(folder / path, code)) {
      throw Error(ErrorCode::not_found, fmt::format("there is no file or folder '{}'", path), place,
                  path.starts_with("~/")
                      ? "Write the path in full: '~' is expanded at the start of a word only"
                      : "A comma separates paths: write '\\,' for a comma in a name");
    }
    spec.paths.push_back(folder / path);
  }
  return spec;
}

std::unique_ptr<Dataset> open_dataset(const DataSpec& spec,
                                      const InputSpec& input,
                                      const NodeShare& share) {
  if (spec.paths.empty()) {
    throw Error(ErrorCode::config, "a data specification names no file", spec.format);
  }
  std::unique_ptr<Dataset> data = find_container(spec.format, spec.format).open(spec, input);
  data->share(share);
  return data;
}

}  // namespace qsweep
