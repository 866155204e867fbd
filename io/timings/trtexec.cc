#include <algorithm>
#include <cmath>
#include <filesystem>
#include <limits>
#include <optional>
#include <regex>

#include <fmt/format.h>

#include "src/base/error.h"
#include "src/base/text.h"

#include "io/timings/detail/readers.h"

namespace qsweep::timings {
namespace {

/// `Latency: min = 1 ms, max = 2 ms, mean = 1.5 ms, median = 1.4 ms, percentile(99%) = 1.9 ms`
std::optional<MeasuredTime> summary(const std::string& line, const std::string& where) {
  const auto figure = [&](const std::string& name) {
    std::smatch found;
    const std::regex form(name + R"( = ([^ ,]+) ms)");
    return std::regex_search(line, found, form) ? parse_time(found[1].str(), where)
                                                : std::numeric_limits<double>::quiet_NaN();
  };
  MeasuredTime time{figure("median"), figure("mean"), figure(R"(percentile\(95%\))"),
                    figure(R"(percentile\(99%\))")};
  if (std::isnan(time.ms)) time.ms = time.mean_ms;
  return std::isnan(time.ms) ? std::nullopt : std::optional(time);
}

/// What is behind says nothing of times, and a regular expression's depth grows with the line.
constexpr std::size_t kLongestLine = 4096;

}  // namespace

bool looks_like_trtexec(std::string_view text) {
  return text.find("trtexec") != std::string_view::npos ||
         text.find("GPU Compute") != std::string_view::npos ||
         text.find("Performance summary") != std::string_view::npos;
}

Timings read_trtexec(std::string_view text, const std::string& model, const std::string& where) {
  Timings out;
  out.source = "TensorRT";
  TimedModel timed{.model = model};
  std::optional<MeasuredTime> compute, latency;
  std::size_t number = 0;
  for (std::string& line : split(text, '\n')) {
    line.resize(std::min(line.size(), kLongestLine));
    const std::string here = fmt::format("{}:{}", where, ++number);
    std::smatch found;
    static const std::regex kModel(R"(--(?:onnx|loadEngine)=(\S+))");
    static const std::regex kVersion(R"(TensorRT [vV]ersion: ?v?([0-9.]+))");
    static const std::regex kDevice(R"((?:Selected Device|Device Name): (.+?)\s*$)");
    if (model.empty() && timed.model.empty() && std::regex_search(line, found, kModel)) {
      // `dir/3fa2b1.engine`: the kit names files after schemes.
      timed.model = std::filesystem::path(found[1].str()).stem().string();
    }
    if (std::regex_search(line, found, kVersion)) out.source = "TensorRT " + found[1].str();
    if (std::regex_search(line, found, kDevice)) out.conditions = found[1].str();
    if (line.find("GPU Compute Time: ") != std::string::npos ||
        line.find("GPU Compute: ") != std::string::npos) {
      compute = summary(line, here);
    } else if (line.find(" Latency: ") != std::string::npos &&
               line.find("H2D") == std::string::npos && line.find("D2H") == std::string::npos &&
               line.find("min = ") != std::string::npos) {
      latency = summary(line, here);
    }
  }
  if (!compute && !latency) {
    throw Error(
        ErrorCode::corrupt_input,
        "trtexec's summary is not in the log: it has no 'GPU Compute Time' and no 'Latency'", where,
        "Look in the log for what failed");
  }
  timed.whole = compute ? compute : latency;
  if (compute && latency) {
    timed.remark = fmt::format("GPU compute time; {:.4g} ms from end to end", latency->ms);
  } else {
    timed.remark = compute ? "GPU compute time" : "from end to end";
  }
  out.models.push_back(std::move(timed));
  return out;
}

}  // namespace qsweep::timings
