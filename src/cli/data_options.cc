#include "src/cli/data_options.h"

#include <algorithm>
#include <charconv>
#include <filesystem>

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include "src/base/error.h"
#include "src/base/text.h"

namespace qsweep {
namespace {

using Kind = KeyFlags::Kind;

/// `cifar10:test.bin` as keys of the job.
void add_data(const std::string& text,
              const std::string& section,
              const std::string& flag,
              std::vector<Override>& keys) {
  if (text.empty()) return;
  const std::string typed = flag + " " + text;
  const DataSpec spec = parse_data_spec(text, typed);
  std::vector<std::string> paths;
  for (const std::filesystem::path& path : spec.paths) paths.push_back(path.string());
  keys.push_back({section + ".format", spec.format, flag, typed});
  keys.push_back({section + ".path", yaml_list(paths), flag, typed});
}

/// `letterbox:416x416:top_left`, `crop:224x224:shorter=256` as YAML of `input.resize`.
std::string resize_yaml(const std::string& text) {
  const std::vector<std::string> parts = split(text, ':');
  const auto is_one_of = [](const std::string& part, std::initializer_list<const char*> names) {
    return std::ranges::find(names, part) != names.end();
  };
  bool good = parts.size() >= 2;
  std::string yaml = "{mode: " + yaml_scalar(parts[0]);
  if (good) yaml += ", size: " + yaml_list(split(parts[1], 'x'));
  for (std::size_t i = 2; i < parts.size(); ++i) {
    const std::string& part = parts[i];
    if (part.starts_with("shorter=")) {
      yaml += ", shorter: " + yaml_scalar(part.substr(8));
    } else if (part.starts_with("pad=")) {
      yaml += ", pad: " + yaml_scalar(part.substr(4));
    } else if (is_one_of(part, {"center", "top_left"})) {
      yaml += ", align: " + part;
    } else if (is_one_of(part, {"bilinear", "area", "nearest"})) {
      yaml += ", interpolation: " + part;
    } else {
      good = false;
    }
  }
  if (!good) {
    throw Error(ErrorCode::usage, fmt::format("'{}' is not a way to resize", text), "--resize",
                "Write it as letterbox:416x416 or stretch:224x224:area");
  }
  return yaml + "}";
}

}  // namespace

std::vector<CLI::Option*> add_input_options(CLI::App& command, DataOptions& o) {
  KeyFlags& keys = o.flags;
  keys.name("input.resize", "--resize");
  keys.name("shapes", "--shape");
  return {
      keys.add(command, "--scale", "input.scale",
               "Preprocessing x' = (x / scale - mean) / std, over the YAML beside the model"),
      keys.add(command, "--mean", "input.mean", "One mean per channel: --mean 0.485,0.456,0.406",
               Kind::list),
      keys.add(command, "--std", "input.std", "One standard deviation per channel", Kind::list),
      keys.add(command, "--color", "input.color", "Order of the channels"),
      keys.add(command, "--layout", "input.layout", "Axes of the model's input"),
      command.add_option("--resize", o.resize,
                         "Fit pictures: MODE:HxW[:OPTION...], MODE stretch, letterbox or crop, "
                         "OPTION center, top_left, bilinear, area, nearest, for a letterbox "
                         "pad=VALUE, for a crop shorter=PIXELS"),
      keys.add(command, "--task", "task", "What the model's outputs mean"),
      keys.add(command, "--head", "head.kind", "What a detector's outputs are"),
      command.add_option("--shape,--shapes", o.shapes, "Pin symbolic extents: input:1x3x32x32"),
  };
}

void add_data_options(CLI::App& command, DataOptions& o) {
  KeyFlags& keys = o.flags;
  keys.name("data.evaluation", "--data");
  keys.name("data.evaluation.path", "--data");
  keys.name("data.calibration", "--calib");
  keys.name("data.calibration.path", "--calib");
  command.add_option("model", o.model, "ONNX model")->required();
  command
      .add_option("--data", o.data,
                  "Evaluation data: cifar10:FILE[,FILE...], cifar100:FILE, npy:X.npy,Y.npy, "
                  "images:LIST.txt, folder:DIR, coco:IMAGES_DIR,ANNOTATIONS.json or "
                  "masks:IMAGES_DIR,MASKS_DIR; '\\,' is a comma in a name")
      ->required();
  keys.add(command, "--limit", "data.evaluation.images",
           "Evaluate only the first N images; 0: all");
  command.add_option("--calib", o.calibration,
                     "Calibration data, as --data; needed when activations are quantized");
  keys.add(command, "--calib-images,--calib-samples,--max-calib-samples", "data.calibration.images",
           "Calibration images; 0: 256, or all where there are fewer");
  keys.add(command, "--calib-sampling", "data.calibration.sampling", "Which images");
  keys.add(command, "--calibrator", "quantization.calibrator", "How activation ranges are chosen");
  keys.add(command, "--algorithm", "quantization.algorithm",
           "How weight scales are chosen; without it the preset's");
  keys.add(command, "--smoothquant-alpha", "quantization.smoothquant_alpha",
           "For --algorithm smoothquant: share of an input's range moved into the weight");
  keys.add(command, "--bias-correction", "quantization.bias_correction",
           "Biases make up for what rounding adds to the mean of each output channel", Kind::yes);
  keys.add(command, "--percentile", "quantization.percentile", "For --calibrator percentile");
  keys.add(command, "--bins", "quantization.bins", "For --calibrator entropy");
  keys.add(command, "--cache,--calib-cache", "data.calibration.cache",
           "Calibration statistics are kept in this file and reused while model, images and engine "
           "are the same",
           Kind::path);
  add_input_options(command, o);
  keys.add(command, "--target", "target",
           "The runtime that files are for: which values it rounds, in which form");
  keys.add(command, "--batch", "batch", "Images per forward pass; 0: chosen from the model");
  keys.add(command, "--seed", "seed", "Seed of every random choice");
}

std::pair<std::string, std::vector<std::int64_t>> parse_shape(const std::string& text) {
  const std::size_t colon = text.rfind(':');
  std::vector<std::int64_t> extents;
  bool good = colon != std::string::npos && colon > 0;
  if (good) {
    for (const std::string& part : split(text.substr(colon + 1), 'x')) {
      std::int64_t value = 0;
      const auto [end, status] = std::from_chars(part.data(), part.data() + part.size(), value);
      good = good && status == std::errc{} && end == part.data() + part.size() && value > 0;
      extents.push_back(value);
    }
  }
  if (!good)
    throw Error(ErrorCode::usage, fmt::format("'{}' is not a shape", text), "--shape",
                "Write it as input:1x3x32x32");
  return {text.substr(0, colon), extents};
}

std::vector<Override> overrides_of(const DataOptions& o) {
  std::vector<Override> keys = o.flags.given();
  add_data(o.data, "data.evaluation", "--data", keys);
  add_data(o.calibration, "data.calibration", "--calib", keys);
  if (!o.resize.empty()) {
    keys.push_back({"input.resize", resize_yaml(o.resize), "--resize", "--resize " + o.resize});
  }
  if (!o.shapes.empty()) {
    std::string yaml;
    for (const std::string& text : o.shapes) {
      const auto [name, extents] = parse_shape(text);
      yaml += fmt::format("{}{}: [{}]", yaml.empty() ? "" : ", ", yaml_scalar(name),
                          fmt::join(extents, ", "));
    }
    keys.push_back({"shapes", "{" + yaml + "}", "--shape", "--shape " + join(o.shapes, " ")});
  }
  return keys;
}

JobConfig to_job(const DataOptions& o, std::vector<Override> first) {
  const std::vector<Override> keys = overrides_of(o);
  first.insert(first.end(), keys.begin(), keys.end());
  JobConfig job = compose_job(o.model, first);
  // A missing model is reported together with the other inputs when the job is opened.
  const bool reads_images = !o.data.empty() || !o.calibration.empty();
  std::error_code unknown;
  if (reads_images && std::filesystem::exists(job.model, unknown)) require_input(job);
  return job;
}

JobOptionFlags add_job_options(CLI::App& command, JobOptions& o) {
  CLI::Option* job = command.add_option("job", o.job, "Job file (YAML)")->required();
  CLI::Option* out =
      command.add_option("-o,--out", o.out, "Run directory; a run found there is continued")
          ->required();
  o.flags.add(command, "--score", "sensitivity.score",
              "Rank layers by this, over what the job says; mse is that of the model's outputs");
  command
      .add_option("--set", o.set,
                  "Override a key of the job file: --set data.calibration.images=512")
      ->take_all();
  return {job, out};
}

std::vector<Override> overrides_of(const JobOptions& o) {
  std::vector<Override> keys;
  for (const std::string& text : o.set) keys.push_back(parse_override(text));
  const std::vector<Override> preset = overrides_of(o.preset);
  keys.insert(keys.end(), preset.begin(), preset.end());
  keys.insert(keys.end(), o.flags.given().begin(), o.flags.given().end());
  return keys;
}

JobConfig load_job(const JobOptions& o) {
  JobConfig job = load_job(o.job, {}, overrides_of(o));
  check_preset(o.preset, job);
  return job;
}

}  // namespace qsweep
