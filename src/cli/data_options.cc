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
  command.add_option("--layout", o.layout, "NCHW or NHWC");
  command.add_option("--resize", o.resize,
                     "Fit pictures: MODE:HxW[:OPTION...], MODE stretch, letterbox or crop, OPTION "
                     "center, top_left, bilinear, area, nearest or, before a crop, shorter=PIXELS");
  command.add_option("--task", o.task, "classification, detection or segmentation");
  command.add_option("--head", o.head,
                     "What a detector's outputs are: " + join(head_kinds(), ", "));
  command.add_option("--shape,--shapes", o.shapes, "Pin symbolic extents: input:1x3x32x32");
  command.add_option("--batch", o.batch, "Images per forward pass; 0: chosen from the model")
      ->capture_default_str()
      ->check(at_least(0));
  command.add_option("--seed", o.seed, "Seed of every random choice")->capture_default_str();
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

ResizeSpec parse_resize(const std::string& text) {
  const std::vector<std::string> parts = split(text, ':');
  const auto wrong = [&] {
    return Error(ErrorCode::usage, fmt::format("'{}' is not a way to resize", text), "--resize",
                 "Write it as letterbox:416x416 or stretch:224x224:area");
  };
  ResizeSpec resize;
  resize.mode = parts[0];
  const auto one_of = [](const std::string& part, std::initializer_list<const char*> names) {
    return std::ranges::find(names, part) != names.end();
  };
  if (parts.size() < 2 || !one_of(resize.mode, {"stretch", "letterbox", "crop"})) throw wrong();
  try {
    resize.size = parse_shape("size:" + parts[1]).second;
  } catch (const Error&) {
    throw wrong();
  }
  if (resize.size.size() != 2) throw wrong();
  for (const std::string& part : std::span(parts).subspan(2)) {
    if (part.starts_with("shorter=")) {
      const auto [end, status] =
          std::from_chars(part.data() + 8, part.data() + part.size(), resize.shorter);
      if (status != std::errc{} || end != part.data() + part.size() || resize.shorter < 1 ||
          resize.shorter > 1 << 16)
        throw wrong();
    } else if (one_of(part, {"center", "top_left"})) {
      resize.align = part;
    } else if (one_of(part, {"bilinear", "area", "nearest"})) {
      resize.interpolation = part;
    } else {
      throw wrong();
    }
  }
  return resize;
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
  if (!o.layout.empty()) job.input.layout = o.layout;
  if (!o.resize.empty()) job.input.resize = parse_resize(o.resize);
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

JobFlags add_job_options(CLI::App& command, JobOptions& o) {
  CLI::Option* job = command.add_option("job", o.job, "Job file (YAML)")->required();
  CLI::Option* out =
      command.add_option("-o,--out", o.out, "Run directory; a run found there is continued")
          ->required();
  command
      .add_option("--score", o.score,
                  "Rank layers by this: kl, mse (of the model's outputs), sqnr or drop; default: "
                  "the job's")
      ->check(CLI::IsMember({"kl", "mse", "sqnr", "drop"}));
  command
      .add_option("--set", o.set,
                  "Override a key of the job file: --set data.calibration.images=512")
      ->take_all();
  return {job, out};
}

JobConfig load_job(const JobOptions& o) {
  JobConfig job = load_job(o.job, o.set);
  if (!o.score.empty()) job.sensitivity.score = o.score;
  apply(o.preset, {}, job);
  return job;
}

}  // namespace qsweep
