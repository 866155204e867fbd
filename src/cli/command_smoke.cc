#include <chrono>
#include <cmath>
#include <filesystem>
#include <limits>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "src/base/random.h"

#include "src/cli/command.h"
#include "src/cli/data_options.h"
#include "src/cli/outputs.h"
#include "src/cli/table.h"
#include "src/exec/program.h"

#include "io/data/npy.h"
#include "io/fs/file_system.h"
#include "io/json/json.h"
#include "io/onnx/import.h"

namespace qsweep {
namespace {

struct Options {
  std::string model;
  std::vector<std::string> inputs;
  std::vector<std::string> shapes;
  std::string out;
  std::uint64_t seed = 42;
  int repeat = 0;
};

struct Summary {
  std::string name, shape;
  double min = 0, max = 0, mean = 0, std = 0;
  std::int64_t nonfinite = 0;
};

Summary summarize(const std::string& name, const Tensor& tensor) {
  Summary s{.name = name, .shape = to_string(tensor.shape())};
  if (tensor.dtype() != DType::f32 || tensor.size() == 0) return s;
  double sum = 0, squares = 0;
  std::int64_t finite = 0;
  for (float v : tensor.data<float>()) {
    if (!std::isfinite(v)) {
      ++s.nonfinite;
      continue;
    }
    const auto x = static_cast<double>(v);
    s.min = finite == 0 ? x : std::min(s.min, x);
    s.max = finite == 0 ? x : std::max(s.max, x);
    sum += x;
    squares += x * x;
    ++finite;
  }
  if (finite > 0) {
    s.mean = sum / static_cast<double>(finite);
    s.std = std::sqrt(std::max(0.0, squares / static_cast<double>(finite) - s.mean * s.mean));
  }
  return s;
}

/// NAME=FILE.npy, or FILE.npy for a model with one input.
std::map<std::string, std::filesystem::path> given_inputs(const Options& o, const Graph& graph) {
  std::map<std::string, std::filesystem::path> given;
  for (const std::string& text : o.inputs) {
    const std::size_t equals = text.find('=');
    const std::string name =
        equals == std::string::npos ? graph.value(graph.inputs.at(0)).name : text.substr(0, equals);
    given[name] = equals == std::string::npos ? text : text.substr(equals + 1);
  }
  return given;
}

Tensor random_tensor(const Shape& shape, std::uint64_t seed, std::uint64_t stream) {
  Tensor t(DType::f32, shape);
  Random random(seed, stream);
  for (float& v : t.mutable_data<float>()) v = static_cast<float>(random.normal());
  return t;
}

std::filesystem::path place_of(const Options& o, std::string output) {
  std::replace(output.begin(), output.end(), '/', '_');
  return std::filesystem::path(o.out) / (output + ".npy");
}

void check_places(const Options& o,
                  const Graph& graph,
                  const std::map<std::string, std::filesystem::path>& given) {
  Outputs outputs{.files = {std::filesystem::path(o.out) / "smoke.json"}, .folders = {o.out}};
  for (const ValueId id : graph.outputs) outputs.files.push_back(place_of(o, graph.value(id).name));
  std::vector<std::filesystem::path> inputs;
  for (const auto& [_, path] : given) inputs.push_back(path);
  JobConfig job;
  job.model = o.model;
  check_outputs(std::move(outputs), job, std::move(inputs));
}

ExitCode smoke(const Options& o, bool json) {
  const Program program(import_onnx(o.model).graph);
  const Graph& graph = program.graph();
  const auto given = given_inputs(o, graph);
  std::map<std::string, std::vector<std::int64_t>> pinned;
  for (const std::string& shape : o.shapes) pinned.insert(parse_shape(shape));
  std::vector<Tensor> inputs;
  for (std::size_t i = 0; i < graph.inputs.size(); ++i) {
    const Value& value = graph.value(graph.inputs[i]);
    if (given.contains(value.name)) {
      inputs.push_back(read_npy(given.at(value.name)));
    } else if (i == 0) {
      inputs.push_back(random_tensor(
          program.image_shape(pinned.contains(value.name) ? pinned.at(value.name) : Shape{}),
          o.seed, i));
    } else {
      if (!pinned.contains(value.name))
        throw Error(ErrorCode::usage, fmt::format("input '{}' has no value", value.name), "--input",
                    "Give --input NAME=FILE.npy or --shape NAME:1x2x3");
      inputs.push_back(random_tensor(pinned.at(value.name), o.seed, i));
    }
  }
  if (!o.out.empty()) check_places(o, graph, given);
  FloatRunner runner(program);
  const auto timed_run = [&](std::vector<Tensor>& result) {
    const auto start = std::chrono::steady_clock::now();
    result = runner.run(inputs);
    return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start)
        .count();
  };
  std::vector<Tensor> outputs;
  const double ms = timed_run(outputs);
  std::vector<double> again;
  for (int i = 0; i < o.repeat; ++i) again.push_back(timed_run(outputs));
  std::ranges::sort(again);
  std::vector<Summary> summaries;
  if (!o.out.empty()) real_file_system().create_directories(o.out);
  for (std::size_t i = 0; i < outputs.size(); ++i) {
    const std::string& name = graph.value(graph.outputs[i]).name;
    const Tensor output = outputs[i].to_layout(Layout::row_major);
    summaries.push_back(summarize(name, output));
    if (o.out.empty()) continue;
    const std::filesystem::path place = place_of(o, name);
    real_file_system().replace(place, ByteView(encode_npy(output, place.string())));
  }
  Json document{{"model", std::filesystem::path(o.model).filename().string()},
                {"ms", ms},
                {"outputs", Json::array()}};
  if (!again.empty()) document["median_ms"] = again[again.size() / 2];
  std::vector<std::vector<std::string>> rows = {
      {"output", "shape", "min", "max", "mean", "std", "not finite"}};
  for (const Summary& s : summaries) {
    document["outputs"].push_back({{"name", s.name},
                                   {"shape", s.shape},
                                   {"min", s.min},
                                   {"max", s.max},
                                   {"mean", s.mean},
                                   {"std", s.std},
                                   {"nan_count", s.nonfinite}});
    rows.push_back({s.name, s.shape, fmt::format("{:.5g}", s.min), fmt::format("{:.5g}", s.max),
                    fmt::format("{:.5g}", s.mean), fmt::format("{:.5g}", s.std),
                    std::to_string(s.nonfinite)});
  }
  if (!o.out.empty())
    real_file_system().replace(std::filesystem::path(o.out) / "smoke.json", document.text());
  std::string text = render_table(rows) + fmt::format("{:.2f} ms\n", ms);
  if (!again.empty())
    text += fmt::format("{:.2f} ms, the median of {} more runs\n", again[again.size() / 2],
                        again.size());
  print(json ? document.text() : text);
  return kExitOk;
}

}  // namespace

void add_smoke_command(CLI::App& app, Invocation& invocation) {
  auto options = std::make_shared<Options>();
  CLI::App* command = app.add_subcommand(
      "smoke", "Run a model once on given or random tensors and write its outputs");
  command->add_option("model", options->model, "ONNX model")->required();
  command->add_option("--input", options->inputs, "NAME=FILE.npy; random normal values otherwise")
      ->take_all();
  command
      ->add_option("--shape,--shapes", options->shapes, "Pin symbolic extents: input:1x3x640x640")
      ->take_all();
  command->add_option("-o,--out", options->out,
                      "Write each output as DIR/<name>.npy ('/' becomes '_') and smoke.json");
  command->add_option("--seed", options->seed, "Seed of the random input")
      ->capture_default_str()
      ->check(CLI::Range(std::int64_t{0}, std::numeric_limits<std::int64_t>::max()));
  command->add_option("--repeat", options->repeat, "Run so often again and report the median time")
      ->capture_default_str()
      ->check(CLI::Range(0, 100'000));
  command->footer("Example:\n  qsweep smoke model.onnx --input images=x.npy --out out/");
  command->callback([options, &invocation] {
    invocation.action = [options, &invocation] { return smoke(*options, invocation.json); };
  });
}

}  // namespace qsweep
