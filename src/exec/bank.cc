#include "src/exec/bank.h"

#include <string>

#include "src/base/error.h"
#include "src/base/text.h"

#include "src/quant/bias.h"

namespace qsweep {
bool uses_integer_kernel(const Precision& precision) {
  return is_integer_arithmetic(precision) &&
         has_integer_kernel(precision.weight, precision.activation);
}

int channel_axis(const Layer& layer) {
  return layer.op == "Conv" || layer.op == "ConvTranspose" ? 1 : -1;
}

int activation_axis(const Layer& layer, const Format& format) {
  return format.granularity == Granularity::per_block ? channel_axis(layer) : -1;
}

LayerBank::LayerBank(const Program& program, const QuantSetup& setup)
    : program_(program),
      setup_(setup),
      prepared_(program.layers().size()),
      float_kernels_(program.layers().size()) {
  QSWEEP_CHECK(!setup.precisions.empty());
  QSWEEP_CHECK(!setup.precisions[0].weight.is_quantized() &&
               !setup.precisions[0].activation.is_quantized());
  for (auto& row : prepared_) row.resize(setup.precisions.size());
  for (const Precision& precision : setup.precisions) {
    if (!needs_range(precision.activation)) continue;
    std::vector<std::string> without;
    for (std::size_t i = 0; i < program.layers().size(); ++i) {
      const bool known = i < setup.input_stats.size() && setup.input_stats[i].images() > 0;
      if (!known) without.push_back(program.layers()[i].name);
    }
    if (!without.empty()) {
      throw Error(ErrorCode::config,
                  precision.name + " needs activation ranges, and there are none for " +
                      join(without, ", "),
                  program.graph().name, "Calibrate first");
    }
  }
  if (setup.placement != nullptr && !setup.point_stats.empty()) find_roundings();
}

void LayerBank::find_roundings() {
  const Chain chain(program_, *setup_.placement, setup_.precisions);
  for (const Format& format : chain.formats()) {
    auto& by_step = roundings_.emplace_back();
    std::size_t point = 0;
    for (const StepId id : ids<StepId>(program_.steps().size())) {
      if (!setup_.placement->role(id).rounds) continue;
      by_step[id] = calibrate(setup_.point_stats.at(point++), format, setup_.calibrator);
    }
  }
}

QuantizedWeight LayerBank::weight(LayerId layer, int precision) const {
  const Layer& l = program_.layer(layer);
  const Format& format = setup_.precisions.at(static_cast<std::size_t>(precision)).weight;
  QuantizedWeight weight = quantize_adapted(program_.weight(layer), {l.output_axis, l.input_axis},
                                            program_.spec(layer).group, format,
                                            adaptation(layer, precision), setup_.weight_algorithm);
  if (uses_integer_kernel(setup_.precisions[static_cast<std::size_t>(precision)])) {
    const Tensor bias = this->bias(layer, precision);
    if (!bias.empty())
      widen_for_bias(weight, bias.data<float>(), activation(layer, precision).scale.at(0));
  }
  return weight;
}

const Adaptation& LayerBank::adaptation(LayerId layer, int precision) const {
  static const Adaptation none;
  return setup_.adaptations.empty()
             ? none
             : setup_.adaptations.at(layer.index()).at(static_cast<std::size_t>(precision));
}

Tensor LayerBank::bias(LayerId layer, int precision) const {
  Tensor own = program_.bias(layer);
  const std::vector<float>& delta = adaptation(layer, precision).bias;
  if (delta.empty()) return own;
  Tensor sum = Tensor::of<float>(DType::f32, {static_cast<std::int64_t>(delta.size())}, delta);
  if (own.empty()) return sum;
  const auto values = sum.mutable_data<float>();
  for (std::size_t o = 0; o < values.size(); ++o) values[o] += own.data<float>()[o];
  return sum;
}

QuantParams LayerBank::activation(LayerId layer, int precision) const {
  const Format& format = setup_.precisions.at(static_cast<std::size_t>(precision)).activation;
  QuantParams params;
  params.format = format;
  const Adaptation& adapted = adaptation(layer, precision);
  if (needs_range(format)) {
    params = adapted.scale.empty()
                 ? calibrate(setup_.input_stats.at(layer.index()), format, setup_.calibrator)
                 : params_from_range(adapted.low, adapted.high, format);
  }
  params.axis = activation_axis(program_.layer(layer), format);
  return params;
}

LinearSpec LayerBank::spec(LayerId layer) const {
  LinearSpec spec = program_.spec(layer);
  spec.keep = setup_.keep;
  return spec;
}

std::shared_ptr<LinearKernel> LayerBank::float_kernel(LayerId layer, int precision) {
  const Format& format = setup_.precisions[static_cast<std::size_t>(precision)].weight;
  const Adaptation& adapted = adaptation(layer, precision);
  auto& known = float_kernels_[layer.index()];
  for (const FloatKernel& k : known) {
    const bool same_weight = k.weight == format && k.adaptation->scale == adapted.scale &&
                             k.adaptation->clip == adapted.clip &&
                             k.adaptation->bias == adapted.bias;
    if (same_weight) return k.kernel;
  }
  const bool is_own = !format.is_quantized() && !adapted.changes_weight();
  LinearSpec spec = this->spec(layer);
  const Tensor weight =
      is_own ? program_.weight(layer) : spec.kept(this->weight(layer, precision).dequantized());
  spec.blocked_depth = format.is_quantized();
  std::shared_ptr<LinearKernel> kernel = make_float_kernel(spec, weight, bias(layer, precision));
  known.push_back({format, &adapted, kernel});
  return kernel;
}

LinearKernel& LayerBank::requantizing(LayerId layer,
                                      int precision,
                                      LayerId next_layer,
                                      int next_precision) {
  auto& kernel = requantizing_[{layer, precision, next_layer, next_precision}];
  if (!kernel) {
    const QuantParams next = activation(next_layer, next_precision);
    kernel = make_integer_kernel(spec(layer), weight(layer, precision), bias(layer, precision),
                                 activation(layer, precision), IntegerBackend::automatic, &next);
  }
  return *kernel;
}

const PreparedLayer& LayerBank::prepare(LayerId layer, int precision) {
  PreparedLayer prepared;
  prepared.input_factor = adaptation(layer, precision).input_factor();
  prepared.channel_axis = channel_axis(program_.layer(layer));
  prepared.activation = activation(layer, precision);
  prepared.integer = uses_integer_kernel(setup_.precisions[static_cast<std::size_t>(precision)]);
  if (prepared.integer) {
    prepared.kernel = make_integer_kernel(spec(layer), weight(layer, precision),
                                          bias(layer, precision), prepared.activation);
  } else {
    prepared.kernel = float_kernel(layer, precision);
  }
  auto& slot = prepared_[layer.index()][static_cast<std::size_t>(precision)];
  slot = std::make_unique<PreparedLayer>(std::move(prepared));
  return *slot;
}

}  // namespace qsweep
