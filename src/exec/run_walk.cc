#include <utility>

#include "src/exec/walk.h"

namespace qsweep {
namespace {

Tensor scaled(const Tensor& x, const PreparedLayer& layer, const std::vector<float>& factor) {
  if (factor.empty()) return x;
  const bool is_image = layer.channel_axis == 1;
  return scale_channels(is_image ? x : x.to_layout(Layout::row_major), layer.channel_axis, factor);
}

/// What the layer's kernel reads.
Tensor operand(const PreparedLayer& layer, const Tensor& input) {
  const Tensor x = scaled(input, layer, layer.input_factor);
  return layer.integer ? quantize(x, layer.activation) : fake_quantize(x, layer.activation);
}

/// The input that such an operand stands for.
Tensor real_input(const PreparedLayer& layer, const Tensor& operand) {
  const Tensor x = layer.integer ? dequantize(operand, layer.activation) : operand;
  std::vector<float> back;
  for (const float f : layer.input_factor) back.push_back(1.0f / f);
  return scaled(x, layer, back);
}

}  // namespace

void run_walk(const Walk& walk, LayerBank& bank, const Tensor& batch, WalkSink& sink) {
  const Program& program = bank.program();
  const Graph& graph = program.graph();
  std::vector<Tensor> registers(static_cast<std::size_t>(walk.registers));
  std::vector<const Tensor*> operands;
  std::vector<Tensor> outputs;
  const auto reg = [&](std::int32_t id) -> Tensor& {
    return registers[static_cast<std::size_t>(id)];
  };

  for (const Instruction& instruction : walk.instructions) {
    const std::span<const std::int32_t> sources = walk.sources(instruction);
    const std::span<const std::int32_t> targets = walk.targets(instruction);
    switch (instruction.kind) {
      case Instruction::Kind::input:
        reg(targets[0]) = batch;
        break;
      case Instruction::Kind::compute: {
        if (instruction.layer) {
          const PreparedLayer& layer = bank.at(instruction.layer, instruction.precision);
          reg(targets[0]) = layer.kernel->run(reg(sources[0]));
          break;
        }
        operands.clear();
        for (const std::int32_t id : sources) operands.push_back(&reg(id));
        const Step& step = program.step(instruction.step);
        outputs = run_operator(graph, step, operands);
        for (std::size_t i = 0; i < targets.size(); ++i) {
          if (targets[i] >= 0) reg(targets[i]) = std::move(outputs[i]);
        }
        outputs.clear();
        break;
      }
      case Instruction::Kind::compute_codes:
        reg(targets[0]) = bank.requantizing(instruction.layer, instruction.precision,
                                            instruction.next_layer, instruction.next_precision)
                              .run(reg(sources[0]));
        break;
      case Instruction::Kind::compute_sum: {
        const bool relu = program.step(instruction.step).epilogue == Epilogue::relu;
        reg(targets[0]) = bank.at(instruction.layer, instruction.precision)
                              .kernel->run_added(reg(sources[0]), reg(sources[1]), relu);
        break;
      }
      case Instruction::Kind::quantize: {
        reg(targets[0]) =
            operand(bank.at(instruction.layer, instruction.precision), reg(sources[0]));
        break;
      }
      case Instruction::Kind::round:
        reg(targets[0]) =
            fake_quantize(reg(sources[0]), bank.rounding(instruction.step, instruction.precision));
        break;
      case Instruction::Kind::probe: {
        const PreparedLayer& layer = bank.at(instruction.layer, instruction.precision);
        const std::function<Tensor()> quantized_input = [&] {
          const Tensor& quantized = reg(sources[1]);
          return sources[1] != sources[0] ? real_input(layer, quantized) : quantized;
        };
        sink.probe({instruction.scheme, instruction.layer, instruction.twin, reg(sources[0]),
                    quantized_input, reg(sources[2]), reg(sources[3])});
        break;
      }
      case Instruction::Kind::emit: {
        auto next = sources.begin();
        for (const ValueId id : graph.outputs) {
          const Tensor& value = graph.is_constant(id) ? *graph.value(id).constant : reg(*next++);
          outputs.push_back(value.to_layout(Layout::row_major));
        }
        sink.output(instruction.scheme, outputs);
        outputs.clear();
        break;
      }
      case Instruction::Kind::release:
        for (const std::int32_t id : sources) reg(id) = Tensor();
        break;
    }
  }
}

}  // namespace qsweep
