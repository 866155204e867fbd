#include "sweep/plan/scheme.h"

#include <algorithm>
#include <array>

#include <fmt/format.h>

#include "src/base/error.h"
#include "src/base/hash.h"
#include "src/base/text.h"

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
  for (std::size_t i = 0; i < precisions_.size(); ++i) {
    if (precisions_[i].name == name) return static_cast<std::uint8_t>(i);
  }
  throw Error(ErrorCode::internal, fmt::format("precision '{}' is not in the run's set", name));
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

std::string to_text(std::span<const std::uint8_t> precision,
                    std::span<const Layer> layers,
                    const PrecisionSet& precisions) {
  std::array<std::size_t, 256> uses{};
  for (std::uint8_t p : precision) ++uses[p];
  const auto common =
      static_cast<std::uint8_t>(std::max_element(uses.begin(), uses.end()) - uses.begin());
  std::string text = "*=" + precisions.at(common).name;
  for (std::size_t i = 0; i < layers.size(); ++i) {
    if (precision[i] != common)
      text += "; " + layers[i].name + "=" + precisions.at(precision[i]).name;
  }
  return text;
}

std::vector<std::uint8_t> parse_scheme(std::string_view text,
                                       std::span<const Layer> layers,
                                       PrecisionSet& precisions) {
  std::vector<std::uint8_t> precision(layers.size(), 0);
  bool any = false;
  // Rules may stand on lines of a file as well as between semicolons.
  for (const std::string& line : split(text, '\n')) {
    for (const std::string& part : split(line, ';')) {
      const std::string_view rule = trim(part);
      if (rule.empty() || rule.front() == '#') continue;
      const std::size_t equals = rule.rfind('=');
      if (equals == std::string_view::npos || equals == 0) {
        throw Error(ErrorCode::config, fmt::format("'{}' is not a rule", rule), "scheme",
                    "Write rules as SELECTOR=PRECISION; e.g. '*=W8A8; conv1=FP16'");
      }
      const std::uint8_t p = precisions.add(trim(rule.substr(equals + 1)));
      for (int layer : select_layers(trim(rule.substr(0, equals)), layers))
        precision[static_cast<std::size_t>(layer)] = p;
      any = true;
    }
  }
  if (!any)
    throw Error(ErrorCode::config, "the scheme is empty", "scheme",
                "Write rules as SELECTOR=PRECISION; e.g. '*=W8A8; conv1=FP16'");
  return precision;
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
