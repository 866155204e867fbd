#include "sweep/stages/latency_csv.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <limits>
#include <map>
#include <optional>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "src/base/error.h"
#include "src/base/text.h"

#include "io/fs/csv.h"

namespace qsweep {
namespace {

constexpr std::string_view kHeader =
    "device,layer,precision,ms,source,kernel,batch,threads,mean_ms,p95_ms,p99_ms";
constexpr std::size_t kLeastColumns = 5;
constexpr std::size_t kMostListed = 8;

/// Empty for NaN, which stands for what is not known.
std::string cell(double value) {
  return std::isnan(value) ? std::string() : fmt::format("{}", value);
}

template <typename T>
std::optional<T> number(const std::string& text) {
  T value{};
  const auto [end, status] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (status != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return value;
}

/// Reads the rows, noting what is wrong with each.
class Reader {
 public:
  explicit Reader(std::int64_t batch) { place_.batch = batch; }

  void row(const CsvRow& row, std::size_t columns) {
    line_ = row.line;
    if (row.cells.size() != columns) {
      return fault(fmt::format("it has {} cells and the header has {}", row.cells.size(), columns));
    }
    const auto text = [&](std::size_t i) {
      return i < row.cells.size() ? row.cells[i] : std::string();
    };
    if (place_.device.empty() && !seen_) place_.device = text(0);
    if (text(0) != place_.device) {
      fault(
          fmt::format("device '{}' is not '{}': a table is of one device", text(0), place_.device));
    }
    seen_ = true;
    if (!text(6).empty()) whole_number<std::int64_t>("batch", text(6), 1, place_.batch);
    if (!text(7).empty()) whole_number("threads", text(7), 0, place_.threads);
    const double ms = time(text(3));
    const auto optional_time = [&](std::size_t i) {
      return text(i).empty() ? std::numeric_limits<double>::quiet_NaN() : time(text(i));
    };
    const TimeSpread spread{optional_time(8), optional_time(9), optional_time(10)};
    const auto [first, is_new] = lines_.emplace(std::pair(text(1), text(2)), std::pair(line_, ms));
    if (!is_new) {
      const auto [line, before] = first->second;
      if (before != ms) {
        fault(
            fmt::format("'{}' at {} takes {} ms here and {} ms in line {}: a duplicate with "
                        "another value",
                        text(1), text(2), ms, before, line));
      }
      return;
    }
    if (text(1) == "*" && text(2) == "*") {
      other_ms_ = ms;
    } else if (text(1) == "*" && text(2) == "boundary") {
      boundary_ms_ = ms;
    } else if (text(1) == "*") {
      schemes_.push_back({text(2), ms, spread});
    } else {
      rows_.push_back({text(1), text(2), ms, text(4), text(5), spread});
    }
  }

  [[nodiscard]] LatencyTable table(const std::string& where) {
    if (faults_.size() == 1) {
      throw Error(ErrorCode::corrupt_input, faults_.front().second,
                  fmt::format("{}:{}", where, faults_.front().first));
    }
    if (!faults_.empty()) {
      std::vector<std::string> texts;
      for (const auto& [line, text] : faults_) {
        if (texts.size() < kMostListed) texts.push_back(fmt::format("line {}: {}", line, text));
      }
      if (faults_.size() > kMostListed)
        texts.push_back(fmt::format("and {} more", faults_.size() - kMostListed));
      throw Error(
          ErrorCode::corrupt_input,
          fmt::format("{} faults in the latency table: {}", faults_.size(), join(texts, "; ")),
          where);
    }
    return {std::move(place_), other_ms_, std::move(rows_), boundary_ms_, std::move(schemes_)};
  }

 private:
  void fault(std::string text) { faults_.emplace_back(line_, std::move(text)); }

  double time(const std::string& text) {
    const std::optional<double> ms = number<double>(text);
    if (!ms || !std::isfinite(*ms) || *ms < 0.0)
      fault(fmt::format("'{}' is no time: it takes a finite number of ms, not negative", text));
    return ms.value_or(0.0);
  }

  /// Of the whole table: every row says the same.
  template <typename T>
  void whole_number(std::string_view name, const std::string& text, T least, T& value) {
    const std::optional<T> read = number<T>(text);
    if (!read || *read < least) {
      fault(fmt::format("'{}' is no number of {}", text, name == "batch" ? "images" : name));
    } else if (const auto [said, is_new] = said_.emplace(name, *read);
               !is_new && said->second != *read) {
      fault(fmt::format("{} is {} here and {} before", name, *read, said->second));
    } else {
      value = *read;
    }
  }

  LatencyPlace place_;
  bool seen_ = false;
  std::size_t line_ = 0;
  double other_ms_ = 0.0, boundary_ms_ = 0.0;
  std::vector<LayerLatency> rows_;
  std::vector<SchemeLatency> schemes_;
  std::map<std::pair<std::string, std::string>, std::pair<std::size_t, double>> lines_;
  std::map<std::string_view, std::int64_t> said_;
  std::vector<std::pair<std::size_t, std::string>> faults_;  ///< (line, what is wrong)
};

}  // namespace

std::string to_csv(const LatencyTable& table) {
  const LatencyPlace& place = table.place();
  std::string csv = std::string(kHeader) + "\n";
  const std::string threads = place.threads > 0 ? fmt::format("{}", place.threads) : std::string();
  const auto row = [&](const LayerLatency& r) {
    csv += fmt::format("{},{},{},{},{},{},{},{},{},{},{}\n", quote_csv(place.device),
                       quote_csv(r.layer), quote_csv(r.precision), r.ms, r.source,
                       quote_csv(r.kernel), place.batch, threads, cell(r.spread.mean_ms),
                       cell(r.spread.p95_ms), cell(r.spread.p99_ms));
  };
  row({"*", "*", table.other_ms(), "measured", "everything outside layers", {}});
  if (table.boundary_ms() > 0.0)
    row({"*", "boundary", table.boundary_ms(), "fitted", "a change of precision", {}});
  for (const SchemeLatency& s : table.schemes())
    row({"*", s.scheme, s.ms, "measured", "whole file", s.spread});
  for (const LayerLatency& r : table.rows()) row(r);
  return csv;
}

LatencyTable parse_latency_csv(std::string_view text,
                               const std::string& where,
                               std::int64_t batch) {
  const std::vector<CsvRow> rows = parse_csv(text, where);
  const std::vector<std::string> names = split(kHeader, ',');
  const auto begins_well = [&](const std::vector<std::string>& header) {
    return header.size() >= kLeastColumns && header.size() <= names.size() &&
           std::equal(header.begin(), header.end(), names.begin());
  };
  if (rows.empty() || !begins_well(rows.front().cells)) {
    throw Error(ErrorCode::corrupt_input,
                fmt::format("a latency table starts with {}; the columns behind 'source' may be "
                            "left out",
                            kHeader),
                where);
  }
  Reader reader(batch);
  for (std::size_t i = 1; i < rows.size(); ++i) reader.row(rows[i], rows.front().cells.size());
  return reader.table(where);
}

}  // namespace qsweep
