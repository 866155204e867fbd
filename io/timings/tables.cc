#include <algorithm>
#include <charconv>
#include <cmath>
#include <map>
#include <optional>

#include <fmt/format.h>

#include "src/base/error.h"
#include "src/base/text.h"

#include "io/fs/csv.h"
#include "io/timings/detail/readers.h"

namespace qsweep::timings {
namespace {

/// Columns by the names that tables give them; of several in a table the first counts.
class Columns {
 public:
  explicit Columns(const std::vector<std::string>& header) {
    for (std::size_t i = 0; i < header.size(); ++i) at_.emplace(std::string(trim(header[i])), i);
  }
  [[nodiscard]] std::optional<std::size_t> find(
      std::initializer_list<std::string_view> names) const {
    for (const std::string_view name : names) {
      const auto found = at_.find(name);
      if (found != at_.end()) return found->second;
    }
    return std::nullopt;
  }

 private:
  std::map<std::string, std::size_t, std::less<>> at_;
};

int whole_number(const std::string& text, const std::string& where) {
  int value = 0;
  const auto [end, status] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (status != std::errc{} || end != text.data() + text.size() || value < 0)
    throw Error(ErrorCode::corrupt_input, fmt::format("'{}' is no whole number", text), where);
  return value;
}

}  // namespace

double parse_time(std::string_view text, const std::string& where) {
  text = trim(text);
  double value = 0.0;
  const auto [end, status] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (status != std::errc{} || end != text.data() + text.size() || !std::isfinite(value) ||
      value < 0.0) {
    throw Error(ErrorCode::corrupt_input,
                fmt::format("'{}' is no time: it takes a finite number of ms, not negative", text),
                where);
  }
  return value;
}

Timings read_csv(std::string_view text, const std::string& where) {
  const std::vector<CsvRow> rows = parse_csv(text, where);
  const std::vector<std::string> header = rows.empty() ? std::vector<std::string>() : rows[0].cells;
  const Columns columns(header);
  const auto ms = columns.find({"ms", "latency_ms", "median_ms", "mean_ms"});
  const auto layer = columns.find({"layer"});
  const auto precision = columns.find({"format", "precision"});
  const auto scheme = columns.find({"scheme", "mode", "config", "model", "scheme_id"});
  if (!ms || !(layer ? precision : scheme)) {
    throw Error(
        ErrorCode::corrupt_input, "this is no file of times that qsweep knows", where,
        "Give a kit's JSON, what trtexec prints or exports, an ONNX Runtime profile, or CSV "
        "that begins with layer,format,ms or scheme,ms");
  }
  Timings out;
  std::map<std::pair<std::string, std::string>, std::pair<double, std::size_t>> seen;
  for (std::size_t i = 1; i < rows.size(); ++i) {
    const std::vector<std::string>& cells = rows[i].cells;
    const std::string line = fmt::format("{}:{}", where, rows[i].line);
    if (cells.size() != header.size()) {
      throw Error(ErrorCode::corrupt_input,
                  fmt::format("it has {} cells and the header has {}", cells.size(), header.size()),
                  line);
    }
    const auto optional_time = [&](std::string_view name) {
      const auto at = columns.find({name});
      return at && !cells[*at].empty() ? parse_time(cells[*at], line)
                                       : std::numeric_limits<double>::quiet_NaN();
    };
    const auto number = [&](std::string_view name) {
      const auto at = columns.find({name});
      return at && !cells[*at].empty() ? whole_number(cells[*at], line) : 0;
    };
    const MeasuredTime time{parse_time(cells[*ms], line), optional_time("mean_ms"),
                            optional_time("p95_ms"), optional_time("p99_ms")};
    out.batch = std::max<std::int64_t>(out.batch, number("batch"));
    out.threads = std::max(out.threads, number("threads"));
    if (const auto device = columns.find({"device"})) out.conditions = cells[*device];
    const std::pair<std::string, std::string> key = {layer ? cells[*layer] : std::string(),
                                                     layer ? cells[*precision] : cells[*scheme]};
    const auto [first, is_new] = seen.emplace(key, std::pair(time.ms, rows[i].line));
    if (!is_new && first->second.first != time.ms) {
      throw Error(ErrorCode::corrupt_input,
                  fmt::format("{} ms here and {} ms in line {}: a duplicate with another value",
                              time.ms, first->second.first, first->second.second),
                  line);
    }
    if (!is_new) continue;
    if (!layer) {
      out.models.push_back({.model = key.second, .whole = time});
    } else if (key.first == "*" && key.second == "*") {
      out.other_ms = time.ms;
    } else {
      out.layers.push_back({key.first, key.second, time});
    }
  }
  if (out.models.empty() && out.layers.empty())
    throw Error(ErrorCode::corrupt_input, "the table has no rows", where);
  return out;
}

}  // namespace qsweep::timings
