#include "sweep/plan/sensitivity.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <numeric>

#include <fmt/format.h>

#include "src/base/error.h"
#include "src/base/text.h"

namespace qsweep {
namespace {

constexpr std::array<std::string_view, 4> kScoreNames = {"kl", "mse", "sqnr", "drop"};

bool has_nan(std::span<const double> values) {
  return std::any_of(values.begin(), values.end(), [](double v) { return std::isnan(v); });
}

/// Ranks from 1, ties get their mean rank.
std::vector<double> mean_ranks(std::span<const double> values) {
  std::vector<std::size_t> order(values.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::sort(order.begin(), order.end(),
            [&](std::size_t a, std::size_t b) { return values[a] < values[b]; });
  std::vector<double> ranks(values.size());
  for (std::size_t i = 0; i < order.size();) {
    std::size_t j = i;
    while (j < order.size() && values[order[j]] == values[order[i]]) ++j;
    for (std::size_t k = i; k < j; ++k) ranks[order[k]] = static_cast<double>(i + j + 1) / 2.0;
    i = j;
  }
  return ranks;
}

double pearson(std::span<const double> a, std::span<const double> b) {
  const auto n = static_cast<double>(a.size());
  const double ma = std::accumulate(a.begin(), a.end(), 0.0) / n;
  const double mb = std::accumulate(b.begin(), b.end(), 0.0) / n;
  double ab = 0.0, aa = 0.0, bb = 0.0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    ab += (a[i] - ma) * (b[i] - mb);
    aa += (a[i] - ma) * (a[i] - ma);
    bb += (b[i] - mb) * (b[i] - mb);
  }
  return aa > 0.0 && bb > 0.0 ? ab / std::sqrt(aa * bb) : std::numeric_limits<double>::quiet_NaN();
}

}  // namespace

SensitivityMode parse_sensitivity_mode(std::string_view name) {
  for (const SensitivityMode mode : {SensitivityMode::only, SensitivityMode::all_but}) {
    if (name_of(mode) == name) return mode;
  }
  throw Error(ErrorCode::config, fmt::format("unknown mode '{}'", name), "sensitivity.modes",
              "Use only or all_but");
}

std::string_view name_of(SensitivityMode mode) {
  return mode == SensitivityMode::only ? "only" : "all_but";
}

Score parse_score(std::string_view name) {
  for (std::size_t i = 0; i < kScoreNames.size(); ++i) {
    if (kScoreNames[i] == name) return static_cast<Score>(i);
  }
  const std::vector<std::string> names(kScoreNames.begin(), kScoreNames.end());
  throw Error(ErrorCode::config, fmt::format("unknown score '{}'", name), "sensitivity.score",
              "Use kl, mse, sqnr or drop");
}

std::string_view name_of(Score score) {
  return kScoreNames.at(static_cast<std::size_t>(score));
}

double score_of(const SensitivityRecord& record, Score score) {
  switch (score) {
    case Score::kl:
      return record.kl;
    case Score::mse:
      return record.output_mse;
    case Score::sqnr:
      return -record.sqnr_db;
    case Score::drop:
      return record.metric_drop;
  }
  return 0.0;
}

std::vector<LayerId> rank_layers(std::span<const SensitivityRecord> records,
                                 std::uint8_t precision,
                                 Score score) {
  const bool has_only = std::any_of(records.begin(), records.end(), [&](const auto& r) {
    return r.precision == precision && r.mode == SensitivityMode::only;
  });
  std::vector<std::pair<double, LayerId>> ranked;
  for (const SensitivityRecord& r : records) {
    if (r.precision != precision || (r.mode == SensitivityMode::only) != has_only) continue;
    const double s = score_of(r, score);
    ranked.emplace_back(std::isnan(s) ? std::numeric_limits<double>::infinity() : s, r.layer);
  }
  std::stable_sort(ranked.begin(), ranked.end(), [](const auto& a, const auto& b) {
    return a.first != b.first ? a.first > b.first : a.second < b.second;
  });
  std::vector<LayerId> layers;
  for (const auto& [value, layer] : ranked) layers.push_back(layer);
  return layers;
}

SensitivityClass classify(const SensitivityRecord& record, double high_drop) {
  if (record.has_nonfinite || (record.drop_low > 0.0 && record.metric_drop >= high_drop))
    return SensitivityClass::high;
  if (record.drop_low > 0.0 || record.metric_drop >= high_drop / 2.0)
    return SensitivityClass::medium;
  return SensitivityClass::low;
}

std::string_view name_of(SensitivityClass c) {
  switch (c) {
    case SensitivityClass::low:
      return "Low";
    case SensitivityClass::medium:
      return "Medium";
    case SensitivityClass::high:
      return "High";
  }
  return "Low";
}

double spearman(std::span<const double> a, std::span<const double> b) {
  QSWEEP_CHECK(a.size() == b.size());
  if (a.empty() || has_nan(a) || has_nan(b)) return std::numeric_limits<double>::quiet_NaN();
  return pearson(mean_ranks(a), mean_ranks(b));
}

double kendall(std::span<const double> a, std::span<const double> b) {
  QSWEEP_CHECK(a.size() == b.size());
  if (a.empty() || has_nan(a) || has_nan(b)) return std::numeric_limits<double>::quiet_NaN();
  double score = 0.0, pairs_a = 0.0, pairs_b = 0.0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    for (std::size_t j = i + 1; j < a.size(); ++j) {
      // By comparison, not by difference: infinite scores are ties of each other.
      const int da = (a[i] > a[j]) - (a[i] < a[j]), db = (b[i] > b[j]) - (b[i] < b[j]);
      pairs_a += da != 0 ? 1.0 : 0.0;
      pairs_b += db != 0 ? 1.0 : 0.0;
      score += da * db;
    }
  }
  return pairs_a > 0.0 && pairs_b > 0.0 ? score / std::sqrt(pairs_a * pairs_b)
                                        : std::numeric_limits<double>::quiet_NaN();
}

}  // namespace qsweep
