#include <memory>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "src/base/hash.h"

#include "src/cli/command.h"
#include "src/cli/crew_launch.h"
#include "src/cli/outputs.h"
#include "src/cli/progress_line.h"
#include "src/cli/scheme_source.h"
#include "src/cli/table.h"

#include "io/fs/file_system.h"
#include "io/json/json.h"

namespace qsweep {
namespace {

struct Options {
  SchemeSource source;
  ExportPlaces places;
  ExportOptions file;
};

std::string to_json(const SchemeFile& f, const std::string& path) {
  return Json{{"file", path},
              {"sha256", sha256_hex(ByteView(f.model.bytes))},
              {"bytes", f.model.bytes.size()},
              {"opset", f.model.opset},
              {"ir_version", f.model.ir_version},
              {"quantize_nodes", f.model.quantize_nodes},
              {"dequantize_nodes", f.model.dequantize_nodes},
              {"cast_nodes", f.model.cast_nodes},
              {"initializer_bytes", f.model.initializer_bytes},
              {"external_bytes", f.model.external.size()},
              {"weight_bytes", f.weight_bytes},
              {"scheme", f.scheme_text},
              {"scheme_id", f.scheme_id}}
      .text();
}

std::string to_text(const SchemeFile& f, const std::string& path) {
  return fmt::format(
      "{}  {}\nopset {}, {} QuantizeLinear, {} DequantizeLinear, {} Cast\n{} bytes, {} of them "
      "constants; sha256 {}\n",
      path, f.scheme_text, f.model.opset, f.model.quantize_nodes, f.model.dequantize_nodes,
      f.model.cast_nodes, f.model.bytes.size(), f.model.initializer_bytes,
      sha256_hex(ByteView(f.model.bytes)));
}

/// What the export reads: the job that it is made from, and files of the run directory.
void check_places(const Options& o) {
  const std::filesystem::path run = o.source.run;
  std::vector<std::filesystem::path> inputs;
  if (const auto rules = rules_file(o.source.preset); !rules.empty()) inputs.push_back(rules);
  if (!run.empty()) {
    for (const char* name : {"run_config.yaml", "journal.qsj", "sweep.h5"})
      inputs.push_back(run / name);
  }
  Outputs outputs{.files = scheme_file_places(o.places, o.file), .folders = {}};
  if (!o.places.scripts.empty()) outputs.folders.push_back(o.places.scripts);
  check_outputs(std::move(outputs),
                run.empty() ? to_job(o.source.data) : load_job(run / "run_config.yaml"),
                std::move(inputs));
}

}  // namespace

void add_export_command(CLI::App& app, Invocation& invocation) {
  auto options = std::make_shared<Options>();
  CLI::App* command =
      app.add_subcommand("export", "Write a scheme as an ONNX file with Q/DQ nodes");
  add_scheme_source(*command, options->source,
                    "Checked against the calibration images for overlap; not needed");
  command->add_option("-o,--out", options->places.model, "The ONNX file to write")->required();
  command
      ->add_option_function<std::string>(
          "--format",
          [options](const std::string& format) {
            options->file.integer_operators = format == "qoperator";
            options->file.half_graph = format == "fp16";
          },
          "qdq; qoperator: INT8 layers as ConvInteger and MatMulInteger, bit for bit the engine's "
          "arithmetic; fp16: the whole model in FP16, half the size (default: qdq)")
      ->check(CLI::IsMember({"qdq", "qoperator", "fp16"}));
  command->add_flag("--external-data", options->file.external_data,
                    "Keep larger constants in OUT.data; always so over 2 GiB");
  command->add_option("--opset", options->file.opset,
                      "Write exactly this opset (default: the least that the formats need)");
  command->add_flag("--int4-as-int8", options->file.int4_as_int8,
                    "Store INT4 codes in INT8 tensors, for runtimes without opset 21");
  command->add_option("--scripts", options->places.scripts,
                      "Also write this folder: scripts for trtexec, ModelOpt and ONNX Runtime, the "
                      "float model and calibration images they start from");
  command->footer(
      "A YAML beside the file keeps what evaluation needs: task, preprocessing, head.\n"
      "INT8 needs opset 13, FP8 19 (21 unless asked), INT4 and blocks 21. The file\n"
      "computes what `qsweep eval --scheme` with the same options simulates.\n"
      "Examples:\n"
      "  qsweep export net.onnx --scheme '*=W8A8; conv1=FP16' --calib cifar10:train.bin --out "
      "net_int8.onnx\n"
      "  qsweep export net.onnx --scheme '*=W4A16:g32' --out net_int4.onnx\n"
      "  qsweep export net.onnx --preset INT8_DEFAULT_CFG --skip vit-skip --calib "
      "cifar10:train.bin "
      "--out net_int8.onnx\n"
      "  qsweep export net.onnx --format fp16 --out net_fp16.onnx\n"
      "  qsweep export --run runs/r8 --scheme recommended --out best.onnx");
  command->callback([options, &invocation] {
    invocation.flags = options->source.data.flags.names();
    invocation.action = [options, &invocation] {
      const Options& o = *options;
      check_source(o.source, "export");
      return with_ranks([&](Session& session) {
        check_places(o);
        ProgressLine progress;
        ExportOptions as = o.file;
        as.external_name = external_place(o.places).filename().string();
        const SchemeFile file = make_scheme_file(o.source, as, o.places, session, progress);
        write_scheme_file(real_file_system(), file, o.places);
        const std::string path = o.places.model.string();
        print(invocation.json ? to_json(file, path) : to_text(file, path));
        return kExitOk;
      });
    };
  });
}

}  // namespace qsweep
