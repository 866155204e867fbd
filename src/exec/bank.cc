#include "src/exec/bank.h"

#include <string>

#include "src/base/error.h"
#include "src/base/text.h"

namespace qsweep {
bool uses_integer_kernel(const Precision& precision) {
  return is_integer_arithmetic(precision) &&
         has_integer_kernel(precision.weight, precision.activation);
}

int activation_axis(const Layer& layer, const Format& format) {
  const bool is_convolution = layer.op == "Conv" || layer.op == "ConvTranspose";
  return format.granularity == Granularity::per_block && is_convolution ? 1 : -1;
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
}

QuantizedWeight LayerBank::weight(int layer, int precision) const {
  const Layer& l = program_.layers().at(static_cast<std::size_t>(layer));
  const Format& format = setup_.precisions.at(static_cast<std::size_t>(precision)).weight;
  return quantize_weight(program_.weight(layer), {l.output_axis, l.input_axis}, format,
                         setup_.weight_algorithm);
}

QuantParams LayerBank::activation(int layer, int precision) const {
  const auto at = static_cast<std::size_t>(layer);
  const Format& format = setup_.precisions.at(static_cast<std::size_t>(precision)).activation;
  QuantParams params;
  params.format = format;
  if (needs_range(format)) params = calibrate(setup_.input_stats.at(at), format, setup_.calibrator);
  params.axis = activation_axis(program_.layers().at(at), format);
  return params;
}

std::shared_ptr<LinearKernel> LayerBank::float_kernel(int layer, int precision) {
  const Format& format = setup_.precisions[static_cast<std::size_t>(precision)].weight;
  auto& known = float_kernels_[static_cast<std::size_t>(layer)];
  for (const auto& [weight_format, kernel] : known) {
    if (weight_format == format) return kernel;
  }
  const Tensor weight =
      format.is_quantized() ? this->weight(layer, precision).dequantized() : program_.weight(layer);
  LinearSpec spec = program_.spec(layer);
  spec.blocked_depth = format.is_quantized();
  std::shared_ptr<LinearKernel> kernel = make_float_kernel(spec, weight, program_.bias(layer));
  known.emplace_back(format, kernel);
  return kernel;
}

const PreparedLayer& LayerBank::prepare(int layer, int precision) {
  PreparedLayer prepared;
  prepared.activation = activation(layer, precision);
  prepared.integer = uses_integer_kernel(setup_.precisions[static_cast<std::size_t>(precision)]);
  if (prepared.integer) {
    prepared.kernel = make_integer_kernel(program_.spec(layer), weight(layer, precision),
                                          program_.bias(layer), prepared.activation);
  } else {
    prepared.kernel = float_kernel(layer, precision);
  }
  auto& slot = prepared_[static_cast<std::size_t>(layer)][static_cast<std::size_t>(precision)];
  slot = std::make_unique<PreparedLayer>(std::move(prepared));
  return *slot;
}

}  // namespace qsweep
