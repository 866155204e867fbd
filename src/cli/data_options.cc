#include "src/cli/data_options.h"

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <span>

#include <fmt/format.h>

#include "src/base/error.h"
#include "src/base/text.h"

namespace qsweep {
namespace {

/// CLI11's own range messages spell out the largest double.
CLI::Validator at_least(std::int64_t least) {
  return CLI::Validator(
      [least](std::string& text) {
        std::int64_t value = 0;
        const auto [end, status] = std::from_chars(text.data(), text.data() + text.size(), value);
        const bool good = status == std::errc{} && end == text.data() + text.size();
        return good && value >= least
                   ? std::string{}
                   : fmt::format("'{}' is not a whole number of at least {}", text, least);
      },
      "");
}

void set_alpha(const std::string& text, JobConfig::Quantization& q) {
  if (text.empty()) return;
  q.smoothquant_alpha_auto = text == "auto";
  if (q.smoothquant_alpha_auto) return;
  const auto [end, status] =
      std::from_chars(text.data(), text.data() + text.size(), q.smoothquant_alpha);
  const bool good = status == std::errc{} && end == text.data() + text.size() &&
                    q.smoothquant_alpha >= 0.0 && q.smoothquant_alpha <= 1.0;
  if (!good) {
    throw Error(ErrorCode::usage, fmt::format("'{}' is not a number from 0 to 1, or auto", text),
                "--smoothquant-alpha");
  }
}

}  // namespace

void add_data_options(CLI::App& command, DataOptions& o) {
  command.add_option("model", o.model, "ONNX model")->required();
  command
      .add_option("--data", o.data,
                  "Evaluation data: cifar10:FILE[,FILE...], cifar100:FILE, npy:X.npy,Y.npy, "
                  "images:LIST.txt, folder:DIR, coco:IMAGES_DIR,ANNOTATIONS.json or "
                  "masks:IMAGES_DIR,MASKS_DIR")
      ->required();
  command.add_option("--limit", o.limit, "Evaluate only the first N images (0 = all)")
      ->capture_default_str()
      ->check(at_least(0));
  command.add_option("--calib", o.calibration,
                     "Calibration data, as --data; needed when activations are quantized");
  command
      .add_option("--calib-images,--calib-samples,--max-calib-samples", o.calibration_images,
                  "Calibration images")
      ->capture_default_str()
      ->check(at_least(1));
  command.add_option("--calib-sampling", o.sampling, "first, random or stratified")
      ->capture_default_str();
  command
      .add_option("--calibrator", o.calibrator,
                  "minmax, percentile, entropy, mse or moving_average")
      ->capture_default_str();
  command.add_option("--algorithm", o.algorithm,
                     "Weights: rtn, mse, awq_lite, awq_clip, awq_full or smoothquant (default: the "
                     "preset's, else rtn)");
  command.add_option("--smoothquant-alpha", o.smoothquant_alpha,
                     "For --algorithm smoothquant: 0 to 1, or auto (default: 0.5)");
  command.add_flag("--bias-correction", o.bias_correction,
                   "Biases make up for what rounding adds to the mean of each output channel");
  command.add_option("--percentile", o.percentile, "For --calibrator percentile")
      ->capture_default_str();
  command.add_option("--bins", o.bins, "For --calibrator entropy: 128 to 4096")
      ->capture_default_str();
  command.add_option("--cache,--calib-cache", o.cache,
                     "Calibration statistics are kept in this file and reused while model, images "
                     "and engine are the same");
  command
      .add_option("--scale", o.scale,
                  "Preprocessing x' = (x / scale - mean) / std; default: the YAML beside the model")
      ->expected(1);
  command.add_option("--mean", o.mean, "One mean per channel: --mean 0.485,0.456,0.406")
      ->delimiter(',');
  command.add_option("--std", o.std, "One standard deviation per channel")->delimiter(',');
  command.add_option("--color", o.color, "RGB or BGR");
  command.add_option(
      "--resize", o.resize,
      "How pictures are fitted: MODE:HxW[:KEY=VALUE...], as stretch:224x224, "
      "crop:224x224:shorter=256:interpolation=area, letterbox:640x640:align=top_left");
  command.add_option("--layout", o.layout, "NCHW or NHWC");
  command.add_option("--task", o.task, "classification, detection or segmentation");
  command.add_option("--head", o.head,
                     "What a detector's outputs are: " + join(head_kinds(), ", "));
  command.add_option("--shape,--shapes", o.shapes, "Pin symbolic extents: input:1x3x32x32");
  command.add_option("--batch", o.batch, "Images per forward pass")
      ->capture_default_str()
      ->check(at_least(1));
  command.add_option("--seed", o.seed, "Seed of every random choice")->capture_default_str();
}

ResizeSpec parse_resize(const std::string& text) {
  const auto fail = [&](const std::string& problem) -> Error {
    return {ErrorCode::usage, problem, "--resize " + text,
            "Write MODE:HxW[:KEY=VALUE...] with the mode stretch, letterbox or crop and the keys "
            "interpolation (bilinear, area, nearest), pad, align (center, top_left) and shorter"};
  };
  const auto number = [&](std::string_view word) {
    std::int64_t value = 0;
    const auto [end, status] = std::from_chars(word.data(), word.data() + word.size(), value);
    if (status != std::errc{} || end != word.data() + word.size() || value < 0 || value > 1 << 16)
      throw fail(fmt::format("'{}' is not a number of pixels", word));
    return value;
  };
  const auto one_of = [&](const std::string& word, std::initializer_list<const char*> allowed) {
    for (const char* name : allowed) {
      if (word == name) return word;
    }
    throw fail(fmt::format("unknown '{}'", word));
  };
  const std::vector<std::string> parts = split(text, ':');
  if (parts.size() < 2) throw fail("the size is missing");
  ResizeSpec spec;
  spec.mode = one_of(parts[0], {"stretch", "letterbox", "crop"});
  for (const std::string& extent : split(parts[1], 'x')) spec.size.push_back(number(extent));
  if (spec.size.size() != 2 || spec.size[0] == 0 || spec.size[1] == 0)
    throw fail("the size is not HEIGHTxWIDTH");
  for (std::size_t i = 2; i < parts.size(); ++i) {
    const std::size_t equals = std::min(parts[i].find('='), parts[i].size());
    const std::string key = parts[i].substr(0, equals);
    const std::string value = equals < parts[i].size() ? parts[i].substr(equals + 1) : "";
    if (key == "interpolation")
      spec.interpolation = one_of(value, {"bilinear", "area", "nearest"});
    else if (key == "align")
      spec.align = one_of(value, {"center", "top_left"});
    else if (key == "pad")
      spec.pad = static_cast<int>(std::min<std::int64_t>(number(value), 255));
    else if (key == "shorter")
      spec.shorter = number(value);
    else
      throw fail(fmt::format("unknown key '{}'", key));
  }
  return spec;
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

JobConfig to_job(const DataOptions& o) {
  JobConfig job;
  job.model = std::filesystem::absolute(o.model);
  load_model_card(job.model, job);
  if (!o.scale.empty() || !o.mean.empty() || !o.std.empty()) job.has_input = true;
  if (!o.scale.empty()) job.input.scale = o.scale.front();
  if (!o.mean.empty()) job.input.mean = o.mean;
  if (!o.std.empty()) job.input.std = o.std;
  if (!o.color.empty()) job.input.color = o.color;
  if (!o.resize.empty()) job.input.resize = parse_resize(o.resize);
  if (!o.layout.empty()) job.input.layout = o.layout;
  if (!o.task.empty()) job.task = o.task;
  if (!o.head.empty()) job.head.kind = o.head;
  const auto set = [](const std::string& text, JobConfig::Data& data) {
    const DataSpec spec = parse_data_spec(text);
    data.format = spec.format;
    std::string paths;
    for (const auto& path : spec.paths)
      paths += (paths.empty() ? "" : ",") + std::filesystem::absolute(path).string();
    data.path = paths;
  };
  if (!o.data.empty()) set(o.data, job.evaluation);
  job.evaluation.images = o.limit;
  if (!o.calibration.empty()) set(o.calibration, job.calibration);
  job.calibration.images = o.calibration_images;
  job.calibration.sampling = o.sampling;
  if (!o.cache.empty()) job.calibration.cache = std::filesystem::absolute(o.cache);
  job.quantization.calibrator = o.calibrator;
  if (!o.algorithm.empty()) job.quantization.algorithm = o.algorithm;
  set_alpha(o.smoothquant_alpha, job.quantization);
  job.quantization.bias_correction = o.bias_correction;
  job.quantization.percentile = o.percentile;
  job.quantization.bins = o.bins;
  for (const std::string& shape : o.shapes) job.shapes.insert(parse_shape(shape));
  job.batch = o.batch;
  job.seed = o.seed;
  // A missing model is reported together with the other inputs when the job is opened.
  const bool reads_images = !o.data.empty() || !o.calibration.empty();
  if (reads_images && std::filesystem::exists(job.model)) require_input(job);
  return job;
}

void add_job_options(CLI::App& command, JobOptions& o) {
  command.add_option("job", o.job, "Job file (YAML)")->required();
  command.add_option("-o,--out", o.out, "Run directory; a run found there is continued")
      ->required();
  command
      .add_option("--set", o.set,
                  "Override a key of the job file: --set data.calibration.images=512")
      ->take_all();
}

JobConfig load_job(const JobOptions& o) {
  JobConfig job = load_job(o.job, o.set);
  apply(o.preset, {}, job);
  return job;
}

}  // namespace qsweep
