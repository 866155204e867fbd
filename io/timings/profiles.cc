#include <algorithm>
#include <cmath>
#include <map>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "src/base/error.h"

#include "io/timings/detail/readers.h"

namespace qsweep::timings {
namespace {

using Json = nlohmann::json;

[[noreturn]] void refuse(const std::string& what, const std::string& where) {
  throw Error(ErrorCode::corrupt_input, what, where);
}

double time_of(const Json& value, const std::string& what, const std::string& where) {
  if (!value.is_number()) refuse(fmt::format("{} is no number", what), where);
  const auto ms = value.get<double>();
  if (!std::isfinite(ms) || ms < 0.0)
    refuse(fmt::format("{} is {}: it takes a finite number of ms, not negative", what, ms), where);
  return ms;
}

std::string text_of(const Json& object, const char* name) {
  const auto at = object.find(name);
  return at != object.end() && at->is_string() ? at->get<std::string>() : std::string();
}

double median(std::vector<double> values) {
  std::ranges::sort(values);
  const std::size_t middle = values.size() / 2;
  return values.size() % 2 == 1 ? values[middle] : (values[middle - 1] + values[middle]) / 2.0;
}

MeasuredTime spread_of(const Json& times, const std::string& what, const std::string& where) {
  const auto figure = [&](const char* name) {
    return times.contains(name) ? time_of(times[name], what + ": " + name, where)
                                : std::numeric_limits<double>::quiet_NaN();
  };
  if (!times.is_object() || !times.contains("median_ms"))
    refuse(what + " has no times.median_ms", where);
  return {figure("median_ms"), figure("mean_ms"), figure("p95_ms"), figure("p99_ms")};
}

/// measure.py of a kit.
Timings kit(const Json& json, const std::string& where) {
  if (json["qsweep_kit"] != 1)
    refuse("this kit's measurements are of another version than 1", where);
  Timings out;
  out.source = text_of(json, "runtime");
  out.conditions = text_of(json, "conditions");
  out.batch = json.value("batch", std::int64_t{0});
  out.threads = json.value("threads", 0);
  if (out.batch < 0 || out.threads < 0) refuse("batch and threads are not negative", where);
  const auto models = json.find("models");
  if (models == json.end() || !models->is_array()) refuse("the file has no list 'models'", where);
  for (const Json& entry : *models) {
    TimedModel model{.model = text_of(entry, "scheme_id")};
    if (model.model.empty()) refuse("a model has no scheme_id", where);
    const std::string what = "model " + model.model;
    if (const std::string error = text_of(entry, "error"); !error.empty()) {
      model.remark = "did not run: " + error;
      out.models.push_back(std::move(model));
      continue;
    }
    if (!entry.contains("times")) refuse(what + " has no times", where);
    model.whole = spread_of(entry["times"], what, where);
    for (const Json& kernel : entry.value("kernels", Json::array())) {
      const std::string name = text_of(kernel, "name");
      model.kernels.push_back(
          {name, split_kernel_name(name), text_of(kernel, "op"),
           time_of(kernel.value("ms", Json()), what + ": '" + name + "'", where)});
    }
    if (const auto check = entry.find("check"); check != entry.end() && check->is_object()) {
      model.check = {check->value("images", std::int64_t{0}), check->value("agreement", 1.0),
                     check->value("largest_difference", 0.0)};
    }
    out.models.push_back(std::move(model));
  }
  if (out.models.empty()) refuse("the file has no models", where);
  return out;
}

/// trtexec --exportLayerInfo, with --profilingVerbosity=detailed or not.
Timings layer_info(const Json& json, const std::string& model, const std::string& where) {
  TimedModel timed{.model = model};
  for (const Json& layer : json["Layers"]) {
    KernelTime kernel;
    kernel.name = layer.is_string() ? layer.get<std::string>() : text_of(layer, "Name");
    if (kernel.name.empty()) refuse("a layer has no name", where);
    kernel.made_from = split_kernel_name(kernel.name);
    if (layer.is_object()) {
      for (std::string& name : split_kernel_name(text_of(layer, "Metadata")))
        kernel.made_from.push_back(std::move(name));
      kernel.ran_at = text_of(layer, "Precision");
      // Newer engines say it of the tensors only.
      const auto inputs = layer.find("Inputs");
      if (kernel.ran_at.empty() && inputs != layer.end() && inputs->is_array() && !inputs->empty())
        kernel.ran_at = text_of(inputs->front(), "Format/Datatype");
    }
    timed.kernels.push_back(std::move(kernel));
  }
  if (timed.kernels.empty()) refuse("the file has no layers", where);
  Timings out;
  out.source = "TensorRT";
  out.models.push_back(std::move(timed));
  return out;
}

/// trtexec --exportProfile: [{count}, {name, timeMs, averageMs, medianMs?, percentage}, ...]
Timings trt_profile(const Json& json, const std::string& model, const std::string& where) {
  TimedModel timed{.model = model};
  double count = 0.0;
  for (const Json& entry : json) {
    if (entry.contains("count") && !entry.contains("name")) {
      count = time_of(entry["count"], "count", where);
      continue;
    }
    const std::string name = text_of(entry, "name");
    if (name.empty()) refuse("an entry has no name", where);
    const char* figure = entry.contains("medianMs")    ? "medianMs"
                         : entry.contains("averageMs") ? "averageMs"
                                                       : "timeMs";
    if (!entry.contains(figure)) refuse(fmt::format("'{}' has no time", name), where);
    double ms = time_of(entry[figure], fmt::format("{} of '{}'", figure, name), where);
    if (std::string_view(figure) == "timeMs") {
      if (!(count > 0.0)) refuse("the profile does not say of how many runs it is", where);
      ms /= count;
    }
    timed.kernels.push_back({name, split_kernel_name(name), "", ms});
  }
  if (timed.kernels.empty()) refuse("the profile has no layers", where);
  Timings out;
  out.source = "TensorRT";
  out.models.push_back(std::move(timed));
  return out;
}

/// ONNX Runtime: events in the form of Chrome's tracing; nodes are `<name>_kernel_time`.
Timings ort_profile(const Json& json, const std::string& model, const std::string& where) {
  constexpr std::string_view kSuffix = "_kernel_time";
  struct Kernel {
    std::string op;
    std::vector<double> ms;
  };
  std::vector<std::string> order;
  std::map<std::string, Kernel> kernels;
  std::size_t runs = 0;
  for (const Json& event : json) {
    const std::string name = text_of(event, "name");
    if (name == "model_run") ++runs;
    if (text_of(event, "cat") != "Node" || !std::string_view(name).ends_with(kSuffix)) continue;
    const std::string node = name.substr(0, name.size() - kSuffix.size());
    const auto [at, is_new] = kernels.try_emplace(node);
    if (is_new) order.push_back(node);
    const auto args = event.find("args");
    if (args != event.end()) at->second.op = text_of(*args, "op_name");
    at->second.ms.push_back(
        time_of(event.value("dur", Json()), fmt::format("dur of '{}'", node), where) / 1000.0);
  }
  if (runs == 0 || order.empty()) refuse("the profile has no run of a model", where);
  TimedModel timed{.model = model};
  for (const std::string& node : order) {
    const Kernel& kernel = kernels[node];
    // A node inside a loop runs several times in a call.
    const double times = std::max(
        1.0, std::round(static_cast<double>(kernel.ms.size()) / static_cast<double>(runs)));
    timed.kernels.push_back({node, split_kernel_name(node), kernel.op, median(kernel.ms) * times});
  }
  Timings out;
  out.source = "ONNX Runtime";
  out.models.push_back(std::move(timed));
  return out;
}

}  // namespace

bool looks_like_json(std::string_view text) {
  // trtexec's lines begin with a date in brackets.
  const std::size_t next = text.find_first_not_of(" \t\r\n", 1);
  return next != std::string_view::npos && (text[next] == '{' || text[next] == ']');
}

Timings read_json(std::string_view text, const std::string& model, const std::string& where) {
  Json json;
  try {
    json = Json::parse(text);
  } catch (const Json::parse_error& e) {
    const auto line = std::ranges::count(text.substr(0, std::min(e.byte, text.size())), '\n') + 1;
    throw Error(ErrorCode::corrupt_input, "this is not sound JSON",
                fmt::format("{}:{}", where, line));
  }
  try {
    if (json.is_object() && json.contains("qsweep_kit")) return kit(json, where);
    if (json.is_object() && json.contains("Layers")) return layer_info(json, model, where);
    const auto has = [&](const char* member) {
      return json.is_array() && std::ranges::any_of(json, [&](const Json& entry) {
               return entry.is_object() && entry.contains(member);
             });
    };
    if (has("ph")) return ort_profile(json, model, where);
    if (has("averageMs") || has("timeMs")) return trt_profile(json, model, where);
  } catch (const Json::exception&) {
    throw Error(ErrorCode::corrupt_input, "a value is of another kind than it should be", where);
  }
  throw Error(ErrorCode::corrupt_input, "this JSON is no file of times that qsweep knows", where,
              "Give a kit's JSON, trtexec's --exportProfile or --exportLayerInfo, or an ONNX "
              "Runtime profile");
}

}  // namespace qsweep::timings
