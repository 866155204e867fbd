#include <algorithm>
#include <numeric>
#include <unordered_map>

#include <fmt/format.h>

#include "src/base/error.h"
#include "src/base/random.h"
#include "src/base/text.h"

#include "io/data/dataset.h"

namespace qsweep {

namespace {

// Streams of the seed: one for the order of the samples, one for which classes get one more.
constexpr std::uint64_t kSampleStream = 1;
constexpr std::uint64_t kClassStream = 2;

/// How many samples each class gives: in rounds of one each, until `count` are given. A class that
/// ran out takes no part; the last, incomplete round goes to classes in random order.
std::vector<std::int64_t> class_quotas(const std::vector<std::int64_t>& available,
                                       std::int64_t count,
                                       std::uint64_t seed) {
  const auto classes = static_cast<std::int64_t>(available.size());
  const std::vector<std::int64_t> order = permutation(classes, seed, kClassStream);
  std::vector<std::int64_t> quotas(available.size(), 0);
  while (count > 0) {
    for (const std::int64_t c : order) {
      const auto i = static_cast<std::size_t>(c);
      if (count > 0 && quotas[i] < available[i]) {
        ++quotas[i];
        --count;
      }
    }
  }
  return quotas;
}

std::vector<std::int64_t> stratified(const Dataset& data, std::int64_t count, std::uint64_t seed) {
  std::vector<std::int64_t> available(static_cast<std::size_t>(data.classes()), 0);
  for (std::int64_t i = 0; i < data.size(); ++i) {
    ++available[static_cast<std::size_t>(data.label(i))];
  }
  std::vector<std::int64_t> left = class_quotas(available, count, seed);
  std::vector<std::int64_t> ids;
  for (const std::int64_t id : permutation(data.size(), seed, kSampleStream)) {
    std::int64_t& quota = left[static_cast<std::size_t>(data.label(id))];
    if (quota > 0) {
      --quota;
      ids.push_back(id);
    }
  }
  return ids;
}

}  // namespace

Sampling parse_sampling(const std::string& name) {
  const std::vector<std::string> names = {"first", "random", "stratified"};
  const auto found = std::ranges::find(names, name);
  if (found == names.end()) {
    throw Error(ErrorCode::config, fmt::format("unknown sampling '{}'", name), "sampling",
                did_you_mean(name, names));
  }
  return static_cast<Sampling>(found - names.begin());
}

std::vector<std::int64_t> choose_samples(const Dataset& data,
                                         std::int64_t count,
                                         Sampling sampling,
                                         std::uint64_t seed) {
  if (count < 0 || count > data.size()) {
    throw Error(ErrorCode::config,
                fmt::format("{} images are asked for, the data has {}", count, data.size()),
                "images");
  }
  std::vector<std::int64_t> ids;
  switch (data.has_labels() || sampling == Sampling::first ? sampling : Sampling::random) {
    case Sampling::first:
      ids.resize(static_cast<std::size_t>(count));
      std::iota(ids.begin(), ids.end(), 0);
      break;
    case Sampling::stratified:
      ids = stratified(data, count, seed);
      break;
    case Sampling::random:
      ids = permutation(data.size(), seed, kSampleStream);
      ids.resize(static_cast<std::size_t>(count));
      break;
  }
  std::ranges::sort(ids);
  data.require(ids);
  return ids;
}

std::vector<std::int64_t> overlapping_samples(const Dataset& a,
                                              std::span<const std::int64_t> a_ids,
                                              const Dataset& b,
                                              std::span<const std::int64_t> b_ids) {
  std::unordered_multimap<std::uint64_t, std::int64_t> by_hash;
  by_hash.reserve(b_ids.size());
  for (const std::int64_t id : b_ids) {
    by_hash.emplace(b.sample_hash(id), id);
  }
  std::vector<std::int64_t> shared;
  for (const std::int64_t id : a_ids) {
    const auto [first, last] = by_hash.equal_range(a.sample_hash(id));
    const bool is_shared = std::any_of(first, last, [&](const auto& candidate) {
      return a.sample_bytes(id) == b.sample_bytes(candidate.second);
    });
    if (is_shared) {
      shared.push_back(id);
    }
  }
  return shared;
}

}  // namespace qsweep
