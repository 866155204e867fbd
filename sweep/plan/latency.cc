#include "sweep/plan/latency.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "src/base/error.h"

namespace qsweep {
namespace {

/// The arithmetic a device would use for a precision: the wider of the two operands, in the
/// device's terms.
std::string arithmetic(const Precision& p) {
  const DType w = p.weight.dtype, a = p.activation.dtype;
  if (is_integer_arithmetic(p)) return stored_bits(w) == 4 && stored_bits(a) == 4 ? "int4" : "int8";
  if (w == DType::f4e2m1 && a == DType::f4e2m1) return "fp4";
  if (a == DType::f8e4m3fn || a == DType::f8e5m2) return "fp8";
  if (!p.weight.is_quantized() && !p.activation.is_quantized()) return "fp32";
  return a == DType::bf16 ? "bf16" : "fp16";  // weight-only formats multiply in 16-bit floats
}

double peak(const Device& device, const std::string& type) {
  static const std::map<std::string, std::string> wider = {{"int4", "int8"}, {"fp4", "fp8"},
                                                           {"int8", "fp16"}, {"fp8", "fp16"},
                                                           {"bf16", "fp16"}, {"fp16", "fp32"}};
  const auto at = device.peak_gops.find(type);
  if (at != device.peak_gops.end()) return at->second;
  const auto next = wider.find(type);
  if (next == wider.end())
    throw Error(ErrorCode::internal, fmt::format("device '{}' has no fp32 peak", device.name));
  return peak(device, next->second);
}

}  // namespace

double roofline_ms(const Device& device, const LayerWork& work, const Precision& precision) {
  const double compute_s =
      2.0 * static_cast<double>(work.macs) / (peak(device, arithmetic(precision)) * 1e9);
  const double activation_bytes = activation_bits(precision) / 8.0;
  const double bytes =
      static_cast<double>(work.weight_elements) * weight_bits(precision) / 8.0 +
      static_cast<double>(work.input_elements + work.output_elements) * activation_bytes;
  const double memory_s = bytes / (device.bandwidth_gb_s * 1e9);
  return 1e3 * std::max(compute_s, memory_s) + 1e-3 * device.overhead_us;
}

std::string_view name_of(LatencyOrigin origin) {
  switch (origin) {
    case LatencyOrigin::kernels:
      return "measured";
    case LatencyOrigin::roofline:
      return "roofline";
    case LatencyOrigin::table:
      return "table";
    case LatencyOrigin::imported:
      return "imported";
  }
  return "";
}

double count_boundaries(std::span<const std::uint8_t> precision) {
  double count = 0.0;
  for (std::size_t i = 1; i < precision.size(); ++i)
    count += precision[i] != precision[i - 1] ? 1.0 : 0.0;
  return count;
}

LatencyTable::LatencyTable(LatencyPlace place,
                           double other_ms,
                           std::vector<LayerLatency> rows,
                           double boundary_ms,
                           std::vector<SchemeLatency> schemes)
    : place_(std::move(place)),
      other_ms_(other_ms),
      boundary_ms_(boundary_ms),
      rows_(std::move(rows)),
      schemes_(std::move(schemes)) {
  for (std::size_t i = 0; i < rows_.size(); ++i) index_[{rows_[i].layer, rows_[i].precision}] = i;
}

LatencyTable::Estimate LatencyTable::scheme_ms(std::span<const std::uint8_t> precision,
                                               std::span<const Layer> layers,
                                               const PrecisionSet& precisions) const {
  if (!schemes_.empty()) {
    const std::string text = to_text(precision, layers, precisions);
    const auto whole = std::ranges::find(schemes_, text, &SchemeLatency::scheme);
    if (whole != schemes_.end()) return {.ms = whole->ms, .source = "whole file", .complete = true};
  }
  Estimate e{
      .ms = other_ms_ + boundary_ms_ * count_boundaries(precision), .source = {}, .complete = true};
  std::map<std::string, int> sources;
  for (std::size_t i = 0; i < layers.size(); ++i) {
    const auto at = index_.find({layers[i].name, precisions.at(precision[i]).name});
    if (at == index_.end()) return {.ms = 0.0, .source = {}, .complete = false};
    const LayerLatency& row = rows_[at->second];
    e.ms += row.ms;
    ++sources[row.source];
  }
  for (const auto& [source, count] : sources) {
    if (!e.source.empty()) e.source += ", ";
    e.source +=
        sources.size() == 1 ? source : fmt::format("{} {}/{}", source, count, layers.size());
  }
  return e;
}

std::vector<std::string> LatencyTable::missing(std::span<const Layer> layers,
                                               const PrecisionSet& precisions) const {
  std::vector<std::string> lacks;
  for (const Precision& p : precisions.all()) {
    std::vector<std::string> here;
    for (const Layer& layer : layers) {
      if (!index_.contains({layer.name, p.name}))
        here.push_back(fmt::format("'{}' at {}", layer.name, p.name));
    }
    if (here.size() == layers.size() && here.size() > 1) here.assign(1, "every layer at " + p.name);
    lacks.insert(lacks.end(), here.begin(), here.end());
  }
  return lacks;
}

}  // namespace qsweep
