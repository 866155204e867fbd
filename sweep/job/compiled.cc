#include "sweep/job/compiled.h"

#include <algorithm>
#include <cmath>
#include <set>
#include <utility>

#include <fmt/format.h>

#include "src/base/error.h"

#include "src/quant/presets.h"
#include "src/quant/rounding.h"

#include "src/kernels/ops.h"

#include "sweep/plan/latency.h"
#include "sweep/plan/rules.h"
#include "sweep/plan/ties.h"

namespace qsweep {
namespace {

WeightSettings weight_settings(const JobConfig::Quantization& q) {
  WeightSettings settings{.algorithm = parse_weight_algorithm(q.algorithm),
                          .smoothquant_alpha = q.smoothquant_alpha,
                          .bias_correction = q.bias_correction};
  if (q.smoothquant_alpha_auto) settings.smoothquant_alpha.reset();
  return settings;
}

/// Settles what single-layer runs try, and what they leave at the other layers.
void compile_sensitivity(const JobConfig::Sensitivity& s, CompiledJob& c) {
  c.score = parse_score(s.score);
  if (s.precisions.empty()) return;
  for (const std::string& mode : s.modes) c.modes.push_back(parse_sensitivity_mode(mode));
  c.base = c.precisions.add(s.base);
  for (const std::string& name : s.precisions) {
    const std::uint8_t p = c.precisions.add(name);
    if (p != c.base) c.probed.push_back(p);
  }
  const std::string& base = c.precisions.at(c.base).name;
  if (c.probed.empty()) {
    throw Error(ErrorCode::config,
                fmt::format("nothing is left to try on a layer: {} is the base", base),
                "sensitivity.precisions", "Name another precision, or another sensitivity.base");
  }
  if (c.base != 0 && c.score == Score::sqnr) {
    throw Error(ErrorCode::config,
                fmt::format("score sqnr is of a layer quantized alone, the others are at {}", base),
                "sensitivity.score", "Use kl, mse or drop, or sensitivity.base FP32");
  }
}

std::vector<LayerId> tied_leaders(const Program& program, const JobConfig& job) {
  std::vector<LayerId> untied;
  for (const std::string& selector : job.untie) {
    const std::vector<LayerId> selected = select_layers(selector, program.layers());
    untied.insert(untied.end(), selected.begin(), selected.end());
  }
  std::vector<std::vector<LayerId>> ties;
  if (job.tie == "auto") ties = find_ties(program.graph(), program.layers());
  return leaders_of(ties, program.layers().size(), untied);
}

void compile_families(const JobConfig& job, CompiledJob& c) {
  const auto choices = std::ssize(std::set<LayerId>(c.leaders.begin(), c.leaders.end()));
  for (const JobConfig::Family& family : job.families) {
    for (const std::int64_t k : family.k) {
      if (k > choices)
        c.warnings.push_back(
            fmt::format("a family keeps {} layers, the model has only {} to choose "
                        "from: all of them are kept",
                        k, choices));
    }
    c.families.push_back({.rest = c.precisions.add(family.rest),
                          .keep = c.precisions.add(family.keep),
                          .k = family.k,
                          .every = family.every});
  }
}

void compile_space(const JobConfig::Search& search, const OpenModel& model, CompiledJob& c) {
  if (search.method.empty()) return;
  SchemeSpace space;
  for (const std::string& name : search.precisions) {
    const std::uint8_t p = c.precisions.add(name);
    if (std::ranges::find(space.choices, p) == space.choices.end()) space.choices.push_back(p);
  }
  space.rest = c.precisions.add(search.rest);
  std::set<LayerId> varying;
  for (const std::string& selector : search.layers) {
    const auto matched = select_layers(selector == "all" ? "*" : selector, model.layers());
    varying.insert(matched.begin(), matched.end());
  }
  space.layers.assign(varying.begin(), varying.end());
  c.most_schemes = search.schemes;
  check_size(space, c.most_schemes);
  c.space = std::move(space);
}

/// Every operator type a model may hold: those of this one and those with kernels.
std::vector<std::string> operator_types(const Graph& graph) {
  std::vector<std::string> types = supported_ops();
  for (const Node& node : graph.nodes) types.push_back(node.op);
  return types;
}

/// Adds the scheme that the job's preset, rules and exclusions mean.
void compile_rules(const JobConfig::Quantization& q, const OpenModel& model, CompiledJob& c) {
  if (!q.has_rules()) return;
  const auto& layers = model.layers();
  const auto add = [&](const std::vector<QuantRule>& rules) {
    c.rules.insert(c.rules.end(), rules.begin(), rules.end());
  };
  if (!q.preset.empty()) add(find_preset(q.preset).rules);
  add(q.rules);
  add(skip_rules(q.skip));
  add(exclude_nodes(q.exclude_nodes, layers));
  add(exclude_types(q.exclude_types, layers, operator_types(model.program->graph())));
  std::vector<std::uint8_t> precision = apply_rules(c.rules, layers, c.precisions);
  const bool quantizes = std::ranges::any_of(precision, [&](std::uint8_t p) {
    return has_scale(c.precisions.at(p).weight) || has_scale(c.precisions.at(p).activation);
  });
  if (!quantizes)
    c.warnings.emplace_back(
        "the preset and rules quantize no layer: all are kept in high precision");
  const std::string name = q.preset.empty() ? "rules"
                           : c.rules.size() == find_preset(q.preset).rules.size()
                               ? q.preset
                               : q.preset + " with rules";
  c.listed.push_back({name, std::move(precision)});
}

/// Refuses an algorithm that has nothing to do, or ranges that it cannot take (R110).
void check_weights(const CompiledJob& c) {
  const std::string_view name = name_of(c.weights.algorithm);
  const WeightSettings plain{.algorithm = c.weights.algorithm};
  const bool looks_at_inputs =
      c.weights.algorithm != WeightAlgorithm::rtn && c.weights.algorithm != WeightAlgorithm::mse;
  const auto all = c.precisions.all();
  if (looks_at_inputs &&
      std::ranges::none_of(all, [&](const Precision& p) { return adapts(plain, p); })) {
    const bool smooths = c.weights.algorithm == WeightAlgorithm::smoothquant;
    throw Error(ErrorCode::config,
                fmt::format("{} has nothing to do: no precision of the job has {}", name,
                            smooths ? "scaled weights and integer activations" : "scaled weights"),
                "quantization.algorithm",
                smooths ? "Use W8A8, or another algorithm" : "Use W4A16:g32, or another algorithm");
  }
  if (c.calibrator.kind == CalibratorKind::minmax) return;
  const auto clash = std::ranges::find_if(all, [&](const Precision& p) {
    return scales_input(c.weights, p) && needs_range(p.activation);
  });
  if (clash != all.end()) {
    throw Error(ErrorCode::config,
                fmt::format("calibrator {} does not fit {}: inputs that {} scales at {} take the "
                            "range of their channels",
                            name_of(c.calibrator.kind), name, name, clash->name),
                "quantization.calibrator", "Use minmax, awq_clip or rtn");
  }
}

void warn_of_unusual(CompiledJob& c) {
  for (const Precision& p : c.precisions.all()) {
    if (p.weight.dtype == DType::u8 || p.weight.dtype == DType::u4) {
      c.warnings.push_back(fmt::format(
          "{} has unsigned weights, which is not typical: few runtimes multiply them", p.name));
    }
  }
}

/// Names of layers whose weights FP16 cannot hold, where a precision of the job has FP16 weights.
void warn_of_half_weights(const OpenModel& model, CompiledJob& c) {
  const auto all = c.precisions.all();
  if (std::ranges::none_of(all, [](const Precision& p) { return p.weight.dtype == DType::f16; }))
    return;
  std::string names;
  for (const LayerId layer : ids<LayerId>(model.layers().size())) {
    const Tensor& weight = model.program->weight(layer);
    const bool exceeds = std::ranges::any_of(
        weight.data<float>(), [](float v) { return std::fabs(v) > rounding::kHalf.largest; });
    if (exceeds) names += (names.empty() ? "'" : ", '") + model.program->layer(layer).name + "'";
  }
  if (names.empty()) return;
  c.warnings.push_back(fmt::format(
      "weights of {} exceed {}, the largest FP16 number: they overflow to infinity at FP16", names,
      rounding::kHalf.largest));
}

}  // namespace

bool CompiledJob::needs_calibration() const {
  return needs_inputs() || std::ranges::any_of(precisions.all(), [](const Precision& p) {
           return p.activation.is_quantized() && p.activation.dtype != DType::f16 &&
                  p.activation.dtype != DType::bf16;
         });
}

bool CompiledJob::needs_inputs() const {
  return std::ranges::any_of(precisions.all(),
                             [this](const Precision& p) { return adapts(weights, p); });
}

bool CompiledJob::is_adapted(const Layer& layer, const Precision& precision) const {
  return layer.op != "ConvTranspose" && adapts(weights, precision);
}

QuantDefaults quant_defaults(const JobConfig& job) {
  const auto& q = job.quantization;
  QuantDefaults d;
  d.weight_granularity =
      q.weight_axis == "tensor" ? Granularity::per_tensor : Granularity::per_channel;
  d.weight_symmetric = q.weight_symmetric;
  d.weight_narrow_range = q.weight_narrow_range;
  d.weight_reduce_range = q.weight_reduce_range;
  d.weight_unsigned = q.weight_type == "uint8";
  d.activation_symmetric = q.activation_symmetric;
  d.activation_int8 = q.activation_type == "int8" ? DType::i8 : DType::u8;
  d.activation_narrow_range = !find_target(job.target).full_range;
  return d;
}

CompiledJob compile(const JobConfig& job, const OpenModel& model) {
  CompiledJob c;
  c.precisions = PrecisionSet{quant_defaults(job)};
  c.calibrator = {parse_calibrator(job.quantization.calibrator), job.quantization.percentile,
                  static_cast<int>(job.quantization.bins)};
  c.weights = weight_settings(job.quantization);
  c.leaders = tied_leaders(*model.program, job);
  compile_sensitivity(job.sensitivity, c);
  compile_families(job, c);
  compile_space(job.search, model, c);
  for (const std::string& text : job.schemes)
    c.listed.push_back({text, parse_scheme(text, model.layers(), c.precisions)});
  compile_rules(job.quantization, model, c);
  if (job.latency.source == "roofline") (void)find_device(job.latency.device);
  check_weights(c);
  warn_of_unusual(c);
  warn_of_half_weights(model, c);
  return c;
}

}  // namespace qsweep
