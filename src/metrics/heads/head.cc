#include "src/metrics/heads/head.h"

#include <algorithm>
#include <array>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "src/base/error.h"
#include "src/base/text.h"

#include "src/metrics/heads/detail/grid.h"

namespace qsweep {
namespace {

struct Kind {
  const char* name;
  std::unique_ptr<Head> (*make)(const HeadSpec&, const HeadContext&);
};
constexpr std::array<Kind, 6> kKinds{{
    {"yolox", heads::make_yolox},
    {"yolov5", heads::make_yolov5},
    {"yolov8", heads::make_yolov8},
    {"dfl", heads::make_dfl},
    {"dfl_levels", heads::make_dfl_levels},
    {"end_to_end", heads::make_end_to_end},
}};

/// Only shapes that one kind alone has tell it: yolox and yolov5 look alike.
std::string kind_by_shape(const HeadContext& context) {
  if (context.outputs.size() == 1 && context.outputs[0].size() == 3) {
    const std::int64_t values = context.outputs[0][1], last = context.outputs[0][2];
    if (last == 6 && context.classes > 1) return "end_to_end";
    if (values == 4 + context.classes) return "yolov8";
    if (values > 4 + context.classes && values < last && (values - context.classes) % 4 == 0)
      return "dfl";
  }
  throw Error(ErrorCode::config, "the shapes of the outputs do not tell the detector's head",
              "head.kind",
              fmt::format("Give one of {} as head.kind", fmt::join(head_kinds(), ", ")));
}

}  // namespace

const std::vector<std::string>& head_kinds() {
  static const std::vector<std::string> names = [] {
    std::vector<std::string> all;
    for (const Kind& kind : kKinds) all.emplace_back(kind.name);
    return all;
  }();
  return names;
}

std::unique_ptr<Head> make_head(const HeadSpec& spec, const HeadContext& context) {
  HeadSpec full = spec;
  if (full.strides.empty()) full.strides = {8, 16, 32};
  QSWEEP_CHECK(std::ranges::all_of(full.strides, [](std::int64_t s) { return s > 0; }));
  if (full.kind.empty()) full.kind = kind_by_shape(context);
  const auto* kind =
      std::ranges::find_if(kKinds, [&](const Kind& k) { return full.kind == k.name; });
  if (kind == kKinds.end()) {
    throw Error(ErrorCode::config, fmt::format("unknown head '{}'", full.kind), "head.kind",
                did_you_mean(full.kind, head_kinds()));
  }
  return kind->make(full, context);
}

}  // namespace qsweep
