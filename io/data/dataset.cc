#include "io/data/dataset.h"

#include <algorithm>
#include <array>
#include <cstring>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "src/base/error.h"
#include "src/base/hash.h"
#include "src/base/text.h"

#include "io/data/detail/containers.h"

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

std::uint64_t Dataset::sample_hash(std::int64_t sample) const {
  const ByteView bytes = sample_bytes(sample);
  std::uint64_t hash = bytes.size();
  for (std::size_t at = 0; at < bytes.size(); at += sizeof(std::uint64_t)) {
    std::uint64_t word = 0;
    std::memcpy(&word, bytes.data() + at, std::min(sizeof(word), bytes.size() - at));
    hash = mix64(hash, word);
  }
  return hash;
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
