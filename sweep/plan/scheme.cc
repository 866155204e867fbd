#include "sweep/plan/scheme.h"

#include <algorithm>

#include <fmt/format.h>

#include "src/base/error.h"
#include "src/base/hash.h"

namespace qsweep {
namespace {

constexpr std::size_t kIdDigits = 12;
constexpr std::size_t kMostPrecisions = 255;

}  // namespace

PrecisionSet::PrecisionSet(QuantDefaults defaults) : defaults_(defaults) {
  precisions_.push_back(parse_precision("FP32"));
}

std::uint8_t PrecisionSet::add(std::string_view name) {
  Precision p = parse_precision(name, defaults_);
  const auto at = std::find(precisions_.begin(), precisions_.end(), p);
  if (at == precisions_.end() && precisions_.size() == kMostPrecisions) {
    throw Error(ErrorCode::config,
                fmt::format("more than {} precisions in one run", kMostPrecisions));
  }
  if (at != precisions_.end()) return static_cast<std::uint8_t>(at - precisions_.begin());
  precisions_.push_back(std::move(p));
  return static_cast<std::uint8_t>(precisions_.size() - 1);
}

std::uint8_t PrecisionSet::index(std::string_view name) const {
  const auto at =
      std::find(precisions_.begin(), precisions_.end(), parse_precision(name, defaults_));
  if (at == precisions_.end())
    throw Error(ErrorCode::internal, fmt::format("precision '{}' is not in the run's set", name));
  return static_cast<std::uint8_t>(at - precisions_.begin());
}

Scheme make_scheme(std::string name,
                   std::vector<std::uint8_t> precision,
                   std::span<const Layer> layers,
                   const PrecisionSet& precisions,
                   std::string_view settings) {
  QSWEEP_CHECK(precision.size() == layers.size());
  Sha256 hash;
  hash.update(settings);
  for (std::size_t i = 0; i < layers.size(); ++i)
    hash.update(layers[i].name + "=" + precisions.at(precision[i]).name + "\n");
  return {.id = hash.hex().substr(0, kIdDigits),
          .name = std::move(name),
          .precision = std::move(precision)};
}

SchemeSize scheme_size(std::span<const std::uint8_t> precision,
                       std::span<const WeightExtent> layers,
                       const PrecisionSet& precisions) {
  QSWEEP_CHECK(precision.size() == layers.size());
  SchemeSize size;
  double bits = 0.0;
  std::int64_t weights = 0;
  for (std::size_t i = 0; i < layers.size(); ++i) {
    const Precision& p = precisions.at(precision[i]);
    const std::int64_t elements = element_count(layers[i].shape);
    size.bytes += stored_weight_bytes(layers[i].shape, layers[i].axes, p.weight) +
                  4 * layers[i].bias_elements;
    if (!layers[i].input_factors.empty())
      size.bytes += 4 * layers[i].input_factors.at(precision[i]);
    bits += static_cast<double>(elements) * weight_bits(p);
    weights += elements;
  }
  size.effective_bits = weights == 0 ? 0.0 : bits / static_cast<double>(weights);
  return size;
}

double bit_operations(std::span<const std::uint8_t> precision,
                      std::span<const std::int64_t> macs,
                      const PrecisionSet& precisions) {
  QSWEEP_CHECK(precision.size() == macs.size());
  double bops = 0.0;
  for (std::size_t i = 0; i < macs.size(); ++i) {
    const Precision& p = precisions.at(precision[i]);
    bops += static_cast<double>(macs[i]) * weight_bits(p) * activation_bits(p);
  }
  return bops;
}

}  // namespace qsweep
