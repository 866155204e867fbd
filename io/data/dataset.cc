#include "io/data/dataset.h"

#include <algorithm>
#include <array>

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

std::vector<std::string> container_names() {
  std::vector<std::string> names;
  for (const Container& container : kContainers) {
    names.emplace_back(container.name);
  }
  return names;
}

const Container& find_container(const std::string& name, const std::string& where) {
  const auto* found = std::ranges::find_if(
      kContainers, [&](const Container& container) { return name == container.name; });
  if (found == kContainers.end()) {
    const std::vector<std::string> known = container_names();
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

DataSpec parse_data_spec(const std::string& text) {
  const std::size_t colon = text.find(':');
  if (colon == std::string::npos) {
    throw Error(ErrorCode::config, "a data specification has no format", text,
                "Write FORMAT:PATH, as in cifar10:test.bin");
  }
  DataSpec spec{text.substr(0, colon), {}};
  static_cast<void>(find_container(spec.format, text));
  for (const std::string& part : split(text.substr(colon + 1), ',')) {
    const std::string_view path = trim(part);
    if (path.empty()) {
      throw Error(ErrorCode::config, "a data specification holds an empty path", text);
    }
    spec.paths.emplace_back(path);
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
