#include "sweep/plan/families.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <numeric>
#include <set>

#include <fmt/format.h>

#include "src/base/error.h"

namespace qsweep {
namespace {

/// Unranked layers that lead first, then the ranking.
std::vector<LayerId> complete(std::span<const LayerId> ranking, std::span<const LayerId> leaders) {
  const std::size_t layers = leaders.size();
  std::vector<bool> ranked(layers, false);
  for (const LayerId i : ranking) {
    QSWEEP_CHECK(i.index() < layers);
    QSWEEP_CHECK(!ranked[i.index()]);
    ranked[i.index()] = true;
  }
  std::vector<LayerId> order;
  for (const LayerId i : ids<LayerId>(layers)) {
    if (!ranked[i.index()] && leaders[i.index()] == i) order.push_back(i);
  }
  order.insert(order.end(), ranking.begin(), ranking.end());
  return order;
}

}  // namespace

std::vector<Scheme> enumerate_family(const TopKFamily& family,
                                     std::span<const LayerId> ranking,
                                     std::span<const Layer> layers,
                                     const PrecisionSet& precisions,
                                     std::string_view settings,
                                     std::span<const LayerId> leaders) {
  std::vector<LayerId> each(layers.size());
  std::iota(each.begin(), each.end(), LayerId(0));
  if (leaders.empty()) leaders = each;
  QSWEEP_CHECK(leaders.size() == layers.size());
  const std::vector<LayerId> order = complete(ranking, leaders);
  const auto all = static_cast<std::int64_t>(order.size());
  std::vector<std::int64_t> ks = family.k;
  if (family.every) {
    ks.clear();
    for (std::int64_t k = 0; k <= all; ++k) ks.push_back(k);
  }
  std::vector<Scheme> schemes;
  for (std::int64_t wanted : ks) {
    const std::int64_t k = wanted < 0 ? all : std::min(wanted, all);
    const std::set<LayerId> kept(order.begin(), order.begin() + k);
    std::vector<std::uint8_t> precision(layers.size(), family.rest);
    for (std::size_t i = 0; i < layers.size(); ++i) {
      if (kept.contains(leaders[i])) precision[i] = family.keep;
    }
    std::string name = fmt::format("{} keep {} top {}", precisions.at(family.rest).name,
                                   precisions.at(family.keep).name, k);
    schemes.push_back(
        make_scheme(std::move(name), std::move(precision), layers, precisions, settings));
  }
  return schemes;
}

void check_size(const SchemeSpace& space, std::int64_t most) {
  const double count =
      std::pow(static_cast<double>(space.choices.size()), static_cast<double>(space.layers.size()));
  if (count <= static_cast<double>(most)) return;
  throw Error(ErrorCode::config,
              fmt::format("{} precisions on {} layers are {:.6g} schemes, more than {}",
                          space.choices.size(), space.layers.size(), count, most),
              "sweep.search", "Raise budget.schemes, or let fewer 'layers' vary");
}

std::vector<Scheme> enumerate_space(const SchemeSpace& space,
                                    std::span<const Layer> layers,
                                    const PrecisionSet& precisions,
                                    std::string_view settings) {
  QSWEEP_CHECK(!space.choices.empty());
  std::vector<std::uint8_t> precision(layers.size(), space.rest);
  std::vector<std::size_t> digits(space.layers.size(), 0);
  const auto set = [&](std::size_t place, std::size_t digit) {
    digits[place] = digit;
    precision.at(space.layers[place].index()) = space.choices[digit];
  };
  for (std::size_t place = 0; place < digits.size(); ++place) set(place, 0);
  std::vector<Scheme> schemes;
  for (bool more = true; more;) {
    schemes.push_back(make_scheme(fmt::format("exhaustive {}", schemes.size() + 1), precision,
                                  layers, precisions, settings));
    std::size_t place = digits.size();
    while (place > 0 && digits[place - 1] + 1 == space.choices.size()) set(--place, 0);
    more = place > 0;
    if (more) set(place - 1, digits[place - 1] + 1);
  }
  return schemes;
}

std::vector<Scheme> deduplicate(std::vector<Scheme> schemes) {
  std::vector<Scheme> unique;
  std::map<std::string, std::size_t> first;
  for (Scheme& s : schemes) {
    const auto [at, is_new] = first.emplace(s.id, unique.size());
    if (is_new) {
      unique.push_back(std::move(s));
      continue;
    }
    QSWEEP_CHECK(unique[at->second].precision == s.precision);
    if (std::string& name = unique[at->second].name; name != s.name) name += " = " + s.name;
  }
  return unique;
}

std::vector<Scheme> uniform_schemes(std::span<const Layer> layers,
                                    const PrecisionSet& precisions,
                                    std::string_view settings) {
  std::vector<Scheme> schemes;
  for (std::size_t p = 0; p < precisions.all().size(); ++p) {
    const auto index = static_cast<std::uint8_t>(p);
    schemes.push_back(make_scheme(precisions.at(index).name,
                                  std::vector<std::uint8_t>(layers.size(), index), layers,
                                  precisions, settings));
  }
  return schemes;
}

}  // namespace qsweep
