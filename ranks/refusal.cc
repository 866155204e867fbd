#include "ranks/refusal.h"

#include <algorithm>

#include <fmt/format.h>
#include <fmt/ranges.h>

namespace qsweep {
namespace {

constexpr std::size_t kMostRanges = 8;
constexpr std::size_t kMostHosts = 4;
constexpr std::size_t kMostTexts = 5;

/// The ranks and hosts of which one thing is said.
struct Group {
  std::string text;
  std::vector<int> ranks{};
  std::vector<std::string> hosts{};
};

std::vector<Group> group(std::span<const Remark> remarks) {
  std::vector<Group> groups;
  for (const Remark& remark : remarks) {
    auto at = std::ranges::find(groups, remark.text, &Group::text);
    if (at == groups.end()) at = groups.insert(groups.end(), Group{.text = remark.text});
    at->ranks.push_back(remark.rank);
    if (!remark.host.empty() && std::ranges::find(at->hosts, remark.host) == at->hosts.end())
      at->hosts.push_back(remark.host);
  }
  return groups;
}

/// ` on node1, node2 and 3 more`, or nothing where no host is known.
std::string name_hosts(std::span<const std::string> hosts) {
  if (hosts.empty()) return {};
  const std::size_t named = std::min(hosts.size(), kMostHosts);
  std::string text = fmt::format(" on {}", fmt::join(hosts.first(named), ", "));
  if (named < hosts.size()) text += fmt::format(" and {} more", hosts.size() - named);
  return text;
}

}  // namespace

std::string name_ranks(std::span<const int> ranks) {
  std::vector<std::string> ranges;
  std::size_t at = 0;
  while (at < ranks.size() && ranges.size() < kMostRanges) {
    std::size_t end = at + 1;
    while (end < ranks.size() && ranks[end] == ranks[end - 1] + 1) ++end;
    ranges.push_back(end == at + 1 ? fmt::format("{}", ranks[at])
                                   : fmt::format("{}-{}", ranks[at], ranks[end - 1]));
    at = end;
  }
  std::string text =
      fmt::format("{} {}", ranks.size() == 1 ? "rank" : "ranks", fmt::join(ranges, ", "));
  if (at < ranks.size()) text += fmt::format(" and {} more", ranks.size() - at);
  return text;
}

std::string list_remarks(std::span<const Remark> remarks) {
  const std::vector<Group> groups = group(remarks);
  const std::size_t named = std::min(groups.size(), kMostTexts);
  std::vector<std::string> parts;
  for (const Group& g : std::span(groups).first(named))
    parts.push_back(fmt::format("{}{}: {}", name_ranks(g.ranks), name_hosts(g.hosts), g.text));
  if (named < groups.size()) {
    std::size_t ranks = 0;
    for (const Group& g : std::span(groups).subspan(named)) ranks += g.ranks.size();
    parts.push_back(fmt::format("{} more rank{} with {} other reason{}", ranks,
                                ranks == 1 ? "" : "s", groups.size() - named,
                                groups.size() - named == 1 ? "" : "s"));
  }
  return fmt::format("{}", fmt::join(parts, "; "));
}

}  // namespace qsweep
