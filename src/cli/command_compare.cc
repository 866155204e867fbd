#include <memory>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "src/cli/command.h"
#include "src/cli/data_options.h"
#include "src/cli/progress_line.h"
#include "src/cli/table.h"

#include "io/json/json.h"

#include "sweep/run/compare.h"

namespace qsweep {
namespace {

struct Options {
  DataOptions data;
  std::string other;
};

Json json_of(const ErrorSums& e) {
  // JSON has no infinity: an exact tensor has a null SQNR.
  return {{"sqnr_db", e.sqnr_db()}, {"mse", e.mse()}, {"cosine", e.cosine()}};
}

Json json_of(const TensorSummary& s) {
  return {{"min", s.min}, {"max", s.max}, {"mean", s.mean}, {"std", s.std}};
}

std::string to_json(const ModelComparison& c) {
  Json tensors = Json::array();
  for (const TensorComparison& t : c.tensors) {
    Json row{{"tensor", t.tensor}, {"quantized", t.quantized}};
    if (t.quantized) row["qdq_err"] = json_of(t.local);
    row["xmodel_err"] = json_of(t.accumulated);
    row["float"] = json_of(t.in_float);
    row["other"] = json_of(t.in_other);
    tensors.push_back(std::move(row));
  }
  Json json{
      {"float_sha256", c.float_sha256}, {"other_sha256", c.other_sha256}, {"images", c.images}};
  if (c.metrics.empty()) {
    json["unscored"] = c.unscored;
  } else {
    const std::string& metric = c.metrics.front().name;
    json.update({{"float_" + metric, c.float_summary.metrics.front()},
                 {"other_" + metric, c.other_summary.metrics.front()},
                 {"same_" + metric, c.drop.agreement},
                 {"drop", c.drop.drop},
                 {"drop_low", c.drop.interval.low},
                 {"drop_high", c.drop.interval.high}});
  }
  json.update({{"matched", c.tensors.size()}, {"unmatched", c.unmatched}, {"tensors", tensors}});
  return json.text();
}

std::string to_text(const ModelComparison& c) {
  std::vector<std::vector<std::string>> rows = {{"tensor", "local SQNR dB", "accumulated SQNR dB",
                                                 "cosine", "MSE", "float range", "other range"}};
  for (const TensorComparison& t : c.tensors) {
    rows.push_back({t.tensor, t.quantized ? fmt::format("{:.2f}", t.local.sqnr_db()) : "",
                    fmt::format("{:.2f}", t.accumulated.sqnr_db()),
                    fmt::format("{:.6f}", t.accumulated.cosine()),
                    fmt::format("{:.3g}", t.accumulated.mse()),
                    fmt::format("{:.3g} .. {:.3g}", t.in_float.min, t.in_float.max),
                    fmt::format("{:.3g} .. {:.3g}", t.in_other.min, t.in_other.max)});
  }
  std::string text = render_table(rows);
  text += fmt::format("\n{} tensors matched by name", c.tensors.size());
  for (std::size_t i = 0; i < c.unmatched.size(); ++i)
    text += (i == 0 ? "; quantized, but not in the float model: " : ", ") + c.unmatched[i];
  if (c.metrics.empty()) return text + fmt::format("\nno task metric: {}\n", c.unscored);
  const double before = c.float_summary.metrics.front();
  const auto figure = [&](const ScoreSummary& summary) {
    const std::string count =
        summary.correct.empty() ? ""
                                : fmt::format("{}/{} = ", summary.correct.front(), summary.images);
    return fmt::format("{}{:.2f} %", count, 100 * summary.metrics.front());
  };
  text += fmt::format("\nfloat {} {}, other {}, the same prediction in {:.2f} %\n",
                      c.metrics.front().title, figure(c.float_summary), figure(c.other_summary),
                      100 * c.drop.agreement);
  return text + fmt::format("Accuracy drop: {:.4f} ({:.2f}%), 95 % interval {:+.4f} .. {:+.4f}\n",
                            c.drop.drop, before > 0 ? 100.0 * c.drop.drop / before : 0.0,
                            c.drop.interval.low, c.drop.interval.high);
}

}  // namespace

void add_compare_command(CLI::App& app, Invocation& invocation) {
  auto options = std::make_shared<Options>();
  CLI::App* command = app.add_subcommand(
      "compare", "Tensor-by-tensor errors between a float model and a quantized one");
  add_data_options(*command, options->data);
  command->add_option("other", options->other, "QDQ, QOperator or FP16 model made from it")
      ->required();
  command->footer(
      "Local: what one Q/DQ pair does to its tensor. Accumulated: against the float model.\n"
      "Example:\n"
      "  qsweep compare model.onnx model_int8_qdq.onnx --data cifar10:test.bin --limit 256");
  command->callback([options, &invocation] {
    invocation.flags = options->data.flags.names();
    invocation.action = [options, &invocation] {
      ProgressLine progress;
      const ModelComparison c = compare_models(to_job(options->data), options->other, progress);
      print(invocation.json ? to_json(c) : to_text(c));
      return kExitOk;
    };
  });
}

}  // namespace qsweep
