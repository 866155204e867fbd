#include <algorithm>
#include <map>
#include <memory>
#include <numeric>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "src/base/text.h"

#include "src/quant/weight_risk.h"

#include "src/cli/command.h"
#include "src/cli/data_options.h"
#include "src/cli/table.h"
#include "src/exec/program.h"
#include "src/graph/passes.h"
#include "src/graph/qdq.h"

#include "io/json/json.h"
#include "io/onnx/import.h"

#include "sweep/plan/ties.h"

namespace qsweep {
namespace {

struct Options {
  std::string model;
  std::vector<std::string> shapes;
};

struct LayerRow {
  std::string name, op, group, weight, output;
  std::int64_t macs = 0, parameters = 0;
  bool depthwise = false;
  WeightRisk risk;
};

struct Inspection {
  std::string sha256, producer, input, output;
  int opset = 0, batch_norms_folded = 0;
  std::int64_t file_bytes = 0, macs = 0, parameters = 0;
  bool batchable = false;
  std::map<std::string, int> operators;
  std::vector<LayerRow> layers;
  std::vector<std::vector<std::string>> ties;
  QdqSummary qdq;
};

Inspection inspect(const Options& o) {
  ImportedModel model = import_onnx(o.model);
  Inspection r;
  r.sha256 = model.sha256;
  r.producer = model.producer;
  r.opset = model.graph.opset;
  r.file_bytes = model.file_bytes;
  for (const Node& node : model.graph.nodes) ++r.operators[node.op];
  name_nodes(model.graph);
  expand_qoperators(model.graph);
  r.qdq = summarize_qdq(model.graph);
  const Program program(std::move(model.graph));
  std::map<std::string, std::vector<std::int64_t>> pinned;
  for (const std::string& shape : o.shapes) pinned.insert(parse_shape(shape));
  const std::string& input = program.graph().value(program.input()).name;
  const Shape shape = program.image_shape(pinned.contains(input) ? pinned.at(input) : Shape{});
  const Trace trace = program.trace(shape);
  r.input = fmt::format("{} {}", input, to_string(shape));
  const ValueId output = program.graph().outputs.at(0);
  r.output = fmt::format("{} {}", program.graph().value(output).name,
                         to_string(trace.shapes.at(static_cast<std::size_t>(output))));
  r.batch_norms_folded = program.batch_norms_folded();
  r.batchable = program.batchable();
  r.macs = std::accumulate(trace.macs.begin(), trace.macs.end(), std::int64_t{0});
  for (std::size_t s = 0; s < program.steps().size(); ++s) {
    const Step& step = program.steps()[s];
    if (!step.layer) continue;
    const Layer& layer = program.layer(step.layer);
    r.parameters += layer.parameters;
    r.layers.push_back(
        {.name = layer.name,
         .op = layer.op,
         .group = layer.group,
         .weight = to_string(program.graph().value(layer.weight).constant->shape()),
         .output = to_string(trace.shapes.at(static_cast<std::size_t>(step.outputs.at(0)))),
         .macs = trace.macs[s],
         .parameters = layer.parameters,
         .depthwise = layer.is_depthwise,
         .risk = weight_risk(program.weight(step.layer), {layer.output_axis, layer.input_axis})});
  }
  for (const std::vector<LayerId>& members : find_ties(program.graph(), program.layers())) {
    std::vector<std::string>& names = r.ties.emplace_back();
    for (const LayerId i : members) names.push_back(program.layer(i).name);
  }
  return r;
}

/// What to mind before the layer's weight is rounded.
std::string describe(const WeightRisk& risk) {
  std::string text;
  if (risk.outliers()) text = fmt::format("outliers x{:.1f}", risk.outlier_ratio);
  if (risk.uneven_channels()) {
    if (!text.empty()) text += ", ";
    text += fmt::format("channels x{:.3g}", risk.channel_ratio);
  }
  return text;
}

/// `int8 axis 0`, `uint8`, `int4 axis 1 block 32`; `-` for an operand without Q/DQ.
std::string describe(const QdqOperand& o) {
  if (!o.quantized) return "-";
  std::string text(name_of(o.codes));
  if (o.axis >= 0 || o.scales > 1) text += fmt::format(" axis {}", o.axis);
  if (o.block_size > 0) text += fmt::format(" block {}", o.block_size);
  return text;
}

Json json_of(const QdqOperand& o) {
  if (!o.quantized) return nullptr;
  Json json{{"dtype", name_of(o.codes)}, {"scales", o.scales}};
  json["axis"] = o.axis >= 0 || o.scales > 1 ? Json(o.axis) : nullptr;
  json["block_size"] = o.block_size;
  return json;
}

Json json_of(const QdqSummary& q) {
  Json layers = Json::array();
  for (const QdqLayer& l : q.layers) {
    layers.push_back({{"name", l.name},
                      {"op", l.op},
                      {"input", json_of(l.input)},
                      {"weight", json_of(l.weight)},
                      {"bias", json_of(l.bias)},
                      {"left_out", l.left_out}});
  }
  return {{"quantize_linear", q.quantize},
          {"dequantize_linear", q.dequantize},
          {"qdq_pairs", q.pairs.size()},
          {"redundant_qdq", q.redundant},
          {"layers", layers}};
}

std::string to_text(const QdqSummary& q) {
  std::string text = fmt::format(
      "\nquantization in the file: {} QuantizeLinear, {} DequantizeLinear, {} pairs on "
      "activations, redundant: {}\n",
      q.quantize, q.dequantize, q.pairs.size(),
      q.redundant.empty() ? "none" : join(q.redundant, ", "));
  std::vector<std::vector<std::string>> rows = {
      {"layer", "op", "input", "weight", "bias", "left out"}};
  for (const QdqLayer& l : q.layers) {
    rows.push_back(
        {l.name, l.op, describe(l.input), describe(l.weight), describe(l.bias), l.left_out});
  }
  return text + render_table(rows);
}

std::string to_json(const Inspection& r) {
  Json layers = Json::array();
  for (const LayerRow& l : r.layers) {
    layers.push_back({{"name", l.name},
                      {"op", l.op},
                      {"group", l.group},
                      {"weight", l.weight},
                      {"output", l.output},
                      {"macs", l.macs},
                      {"parameters", l.parameters},
                      {"depthwise", l.depthwise},
                      {"weight_kurtosis", l.risk.kurtosis},
                      {"weight_outlier_ratio", l.risk.outlier_ratio},
                      {"weight_channel_ratio", l.risk.channel_ratio}});
  }
  Json json{{"sha256", r.sha256},
            {"producer", r.producer},
            {"opset", r.opset},
            {"file_bytes", r.file_bytes},
            {"input", r.input},
            {"output", r.output},
            {"batchable", r.batchable},
            {"bn_folded", r.batch_norms_folded},
            {"macs", r.macs},
            {"parameters", r.parameters},
            {"operators", r.operators},
            {"layers", layers},
            {"ties", r.ties}};
  if (r.qdq.any()) json["qdq"] = json_of(r.qdq);
  return json.text();
}

std::string to_text(const Inspection& r) {
  std::string text = fmt::format("sha256 {}\nopset {}, {}, from {}\n", r.sha256, r.opset,
                                 human_bytes(static_cast<std::uint64_t>(r.file_bytes)),
                                 r.producer.empty() ? "an unnamed producer" : r.producer);
  text += fmt::format("input {}, output {}, {}\n", r.input, r.output,
                      r.batchable ? "any batch" : "evaluated one image at a time");
  text += fmt::format("{} layers, {:.3f} M parameters, {:.3f} M MACs per image, bn_folded: {}\n",
                      r.layers.size(), static_cast<double>(r.parameters) / 1e6,
                      static_cast<double>(r.macs) / 1e6, r.batch_norms_folded);
  text += "operators:";
  for (const auto& [op, count] : r.operators) text += fmt::format(" {} x{}", op, count);
  std::vector<std::vector<std::string>> rows = {
      {"layer", "op", "group", "weight", "output", "MACs", "params", "weights"}};
  for (const LayerRow& l : r.layers) {
    rows.push_back({l.name, l.depthwise ? l.op + " (depthwise)" : l.op, l.group, l.weight, l.output,
                    std::to_string(l.macs), std::to_string(l.parameters), describe(l.risk)});
  }
  text += "\n\n" + render_table(rows);
  const auto any = [&](auto&& holds) { return std::ranges::any_of(r.layers, holds); };
  if (any([](const LayerRow& l) { return l.risk.outliers(); }))
    text +=
        "outliers xN: the largest weight is N times the 99.9th percentile; clip (--algorithm "
        "mse)\n";
  if (any([](const LayerRow& l) { return l.risk.uneven_channels(); })) {
    text +=
        "channels xN: the widest output channel is N times the median one; scale per channel, not "
        "per tensor\n";
  }
  if (any([](const LayerRow& l) { return l.depthwise; }))
    text += "depthwise: scale per channel; INT8 may be no faster, time it\n";
  if (!r.ties.empty()) {
    text +=
        "\nlayers that meet in a sum or a concatenation (`sweep.tie: auto` makes each line one):\n";
    for (const auto& names : r.ties) text += "  " + join(names, ", ") + "\n";
  }
  return r.qdq.any() ? text + to_text(r.qdq) : text;
}

}  // namespace

void add_inspect_command(CLI::App& app, Invocation& invocation) {
  auto options = std::make_shared<Options>();
  CLI::App* command = app.add_subcommand(
      "inspect", "Layers, shapes, MACs, parameters and groups of a model; what is not supported");
  command->add_option("model", options->model, "ONNX model")->required();
  command->add_option("--shape,--shapes", options->shapes,
                      "Pin symbolic extents: input:1x3x640x640");
  command->footer(
      "Examples:\n  qsweep inspect model.onnx\n  qsweep inspect model.onnx --shape "
      "input:1x3x640x640 --json");
  command->callback([options, &invocation] {
    invocation.action = [options, &invocation] {
      const Inspection r = inspect(*options);
      print(invocation.json ? to_json(r) : to_text(r));
      return kExitOk;
    };
  });
}

}  // namespace qsweep
