#include <memory>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "src/base/hash.h"

#include "src/cli/command.h"
#include "src/cli/crew_launch.h"
#include "src/cli/data_options.h"
#include "src/cli/progress_line.h"
#include "src/cli/table.h"

#include "io/data/npy.h"
#include "io/fs/file_system.h"

#include "sweep/run/export_scheme.h"

namespace qsweep {
namespace {

struct Options {
  DataOptions data;
  std::string run;
  std::string scheme;
  ExportPlaces places;
  ExportOptions file;
};

std::string to_json(const SchemeFile& f, const std::string& path) {
  return nlohmann::ordered_json{{"file", path},
                                {"sha256", sha256_hex(ByteView(f.model.bytes))},
                                {"bytes", f.model.bytes.size()},
                                {"opset", f.model.opset},
                                {"ir_version", f.model.ir_version},
                                {"quantize_nodes", f.model.quantize_nodes},
                                {"dequantize_nodes", f.model.dequantize_nodes},
                                {"cast_nodes", f.model.cast_nodes},
                                {"initializer_bytes", f.model.initializer_bytes},
                                {"weight_bytes", f.weight_bytes},
                                {"scheme", f.scheme_text},
                                {"scheme_id", f.scheme_id}}
             .dump(2) +
         "\n";
}

std::string to_text(const SchemeFile& f, const std::string& path) {
  return fmt::format(
      "{}  {}\nopset {}, {} QuantizeLinear, {} DequantizeLinear, {} Cast\n{} bytes, {} of them "
      "constants; sha256 {}\n",
      path, f.scheme_text, f.model.opset, f.model.quantize_nodes, f.model.dequantize_nodes,
      f.model.cast_nodes, f.model.bytes.size(), f.model.initializer_bytes,
      sha256_hex(ByteView(f.model.bytes)));
}

void write(const SchemeFile& f, const ExportPlaces& places) {
  FileSystem& files = real_file_system();
  files.replace(places.model, ByteView(f.model.bytes));
  if (!f.scripts) return;
  files.create_directories(places.scripts);
  files.replace(places.scripts / "model_fp32.onnx", ByteView(f.scripts->float_model.bytes));
  if (!f.scripts->calibration.empty())
    write_npy(places.scripts / "calibration_data.npy", f.scripts->calibration);
  for (const HandoffFile& script : f.scripts->scripts)
    files.replace(places.scripts / script.name, script.text);
}

void check_source(const Options& o) {
  if (o.run.empty() == o.data.model.empty()) {
    throw Error(ErrorCode::usage, "name either a model or a run directory", "qsweep export",
                "See `qsweep export --help`");
  }
  if (!o.run.empty() && o.scheme.empty()) {
    throw Error(ErrorCode::usage, "a run has many schemes", "--run",
                "Choose one with --scheme; `qsweep pareto DIR --json` lists their ids");
  }
}

}  // namespace

void add_export_command(CLI::App& app, Invocation& invocation) {
  auto options = std::make_shared<Options>();
  CLI::App* command =
      app.add_subcommand("export", "Write a scheme as an ONNX file with Q/DQ nodes");
  add_data_options(*command, options->data);
  command->get_option("model")->required(false);
  command->get_option("--data")->required(false)->description(
      "Checked against the calibration images for overlap; not needed");
  command->add_option("--run", options->run,
                      "Take model, settings and calibration from this run directory");
  command->add_option("--scheme", options->scheme,
                      "Precisions by layer: '*=W8A8; conv1=FP16'; with --run also a scheme id "
                      "(default: float)");
  command->add_option("-o,--out", options->places.model, "The ONNX file to write")->required();
  command
      ->add_option_function<std::string>(
          "--format",
          [options](const std::string& format) {
            options->file.integer_operators = format == "qoperator";
          },
          "qdq, or qoperator: INT8 layers as ConvInteger and MatMulInteger, bit for bit the "
          "engine's arithmetic (default: qdq)")
      ->check(CLI::IsMember({"qdq", "qoperator"}));
  command->add_option("--opset", options->file.opset,
                      "Write exactly this opset (default: the least that the formats need)");
  command->add_flag("--int4-as-int8", options->file.int4_as_int8,
                    "Store INT4 codes in INT8 tensors, for runtimes without opset 21");
  command->add_option("--scripts", options->places.scripts,
                      "Also write this folder: scripts for trtexec, ModelOpt and ONNX Runtime, the "
                      "float model and calibration images they start from");
  command->footer(
      "INT8 needs opset 13, FP8 19 (21 unless asked), INT4 and blocks 21. The file\n"
      "computes what `qsweep eval --scheme` with the same options simulates.\n"
      "Examples:\n"
      "  qsweep export net.onnx --scheme '*=W8A8; conv1=FP16' --calib cifar10:train.bin --out "
      "net_int8.onnx\n"
      "  qsweep export net.onnx --scheme '*=W4A16:g32' --out net_int4.onnx\n"
      "  qsweep export --run runs/r8 --scheme 3f2a9c41d07e --out best.onnx");
  command->callback([options, &invocation] {
    invocation.action = [options, &invocation] {
      check_source(*options);
      return with_ranks([&](Transport& transport, const std::atomic<bool>& stop) {
        ProgressLine progress;
        const Options& o = *options;
        const SchemeFile file = o.run.empty() ? export_scheme(to_job(o.data), o.scheme, o.file,
                                                              o.places, transport, progress, stop)
                                              : export_from_run(o.run, o.scheme, o.file, o.places);
        write(file, o.places);
        const std::string path = o.places.model.string();
        print(invocation.json ? to_json(file, path) : to_text(file, path));
        return kExitOk;
      });
    };
  });
}

}  // namespace qsweep
