#include <string>
#include <vector>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "src/quant/format.h"

#include "src/cli/command.h"
#include "src/cli/table.h"
#include "src/target/target.h"

#include "io/json/json.h"

namespace qsweep {
namespace {

std::string_view name_of(Arithmetic arithmetic) {
  switch (arithmetic) {
    case Arithmetic::integer:
      return "integer kernel";
    case Arithmetic::floating:
      return "float kernel";
    case Arithmetic::none:
      return "not deployable";
    case Arithmetic::open:
      return "open";
  }
  return {};
}

/// Operators of layers whose kernels differ.
constexpr std::string_view kLayerOps[] = {"Conv", "ConvTranspose", "Gemm", "MatMul"};

std::string to_json() {
  Json all = Json::array();
  for (const Target& target : targets()) {
    Json rows = Json::array();
    for (const std::string& name : known_precisions()) {
      for (const std::string_view op : kLayerOps) {
        const Deployment d = target.deployment(parse_precision(name), op);
        rows.push_back({{"precision", name},
                        {"layer", op},
                        {"becomes", name_of(d.arithmetic)},
                        {"reason", d.reason},
                        {"source", d.source}});
      }
    }
    all.push_back({{"name", target.name},
                   {"runtime", target.runtime},
                   {"least_opset", target.least_opset},
                   {"rounds_outputs", target.rounds_outputs()},
                   {"precisions", rows}});
  }
  return Json{{"targets", all}}.text();
}

/// Layers that share a fate stand in one row.
std::string to_text() {
  std::string text;
  for (const Target& target : targets()) {
    text += fmt::format("{}: {}; opset {} or newer; {}\n", target.name, target.runtime,
                        target.least_opset,
                        target.rounds_outputs()
                            ? "rounds the outputs of integer layers, sums and concatenations too"
                            : "rounds the weights and inputs of layers alone");
    std::vector<std::vector<std::string>> rows = {{"precision", "layers", "becomes", "which"}};
    for (const std::string& name : known_precisions()) {
      for (const std::string_view op : kLayerOps) {
        const Deployment d = target.deployment(parse_precision(name), op);
        if (rows.size() > 1 && rows.back()[0] == name && rows.back()[3] == d.reason) {
          rows.back()[1] += fmt::format(", {}", op);
        } else {
          rows.push_back(
              {name, std::string(op), std::string(name_of(d.arithmetic)), std::string(d.reason)});
        }
      }
    }
    text += render_table(rows) + "\n";
  }
  return text + "`target:` of a job, or --target, chooses one. --json gives the sources too.\n";
}

}  // namespace

void add_targets_command(CLI::App& app, Invocation& invocation) {
  CLI::App* command = app.add_subcommand(
      "targets", "Runtimes that files can be for, and what each precision becomes there");
  command->footer("Example:\n  qsweep targets --json");
  command->callback([&invocation] {
    invocation.action = [&invocation] {
      print(invocation.json ? to_json() : to_text());
      return kExitOk;
    };
  });
}

}  // namespace qsweep
