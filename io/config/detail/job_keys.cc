#include "io/config/detail/job_keys.h"

#include <charconv>
#include <cmath>

#include "src/quant/observer.h"
#include "src/quant/presets.h"

#include "src/target/target.h"

#include "io/config/detail/rule_keys.h"

namespace qsweep::config {

namespace {

// The arithmetic is in f32: beyond these it has no number.
constexpr NumberRange kAny{"from -1e+30 to 1e+30", [](double x) { return std::abs(x) <= 1e30; }};
constexpr NumberRange kPositive{"above 0 (1e-30 to 1e+30)",
                                [](double x) { return x >= 1e-30 && x <= 1e30; }};
constexpr NumberRange kMilliseconds{"from 0 to 3600000",
                                    [](double x) { return x >= 0 && x <= 3.6e6; }};
constexpr NumberRange kPercentile{"above 50, at most 100",
                                  [](double x) { return x > 50 && x <= 100; }};
constexpr NumberRange kShare{"from 0 to 1", [](double x) { return x >= 0 && x <= 1; }};
constexpr NumberRange kProbability{"between 0 and 1, both excluded",
                                   [](double x) { return x > 0 && x < 1; }};
constexpr std::int64_t kMostImages = 1'000'000'000;
constexpr std::int64_t kMostClasses = 1'000'000;
constexpr std::int64_t kMostLayers = 1'000'000;
constexpr std::int64_t kMostElements = std::int64_t{1} << 40;

Codec<std::vector<std::int64_t>> height_and_width() {
  Codec<std::vector<std::int64_t>> codec = list(integer(1, 1 << 16));
  codec.type = "[height, width], integers from 1 to 65536";
  codec.parse = [plain = codec.parse](const YAML::Node& node, const Place& place) {
    std::vector<std::int64_t> size = plain(node, place);
    if (size.size() != 2) place.fail(node, "must be [height, width]");
    return size;
  };
  return codec;
}

/// Bins of a histogram.
Codec<std::int64_t> bin_count() {
  Codec<std::int64_t> codec = integer(128, 4096);
  codec.type = "integer, a power of two from 128 to 4096";
  codec.parse = [](const YAML::Node& node, const Place& place) {
    // Any integer first, so that the message names what is wanted and not a part of it.
    const std::string text = place.scalar(node);
    std::int64_t value = 0;
    const auto [stop, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc() || stop != text.data() + text.size() || !is_bin_count(value)) {
      place.fail_value(node, "must be a power of two from 128 to 4096");
    }
    return value;
  };
  return codec;
}

Keys<InputSpec::Resize> resize_keys() {
  using R = InputSpec::Resize;
  return {
      required(key("mode", &R::mode, choice({"stretch", "letterbox", "crop"}), Decides::statistics,
                   "how the picture is fitted into `size`")),
      required(key("size", &R::size, height_and_width(), Decides::statistics,
                   "height and width in pixels")),
      key("interpolation", &R::interpolation, choice({"bilinear", "area", "nearest"}),
          Decides::statistics, "how pixels between pixels are made"),
      key("pad", &R::pad, small_integer(0, 255), Decides::statistics,
          "letterbox: value of the border"),
      key("align", &R::align, choice({"center", "top_left"}), Decides::statistics,
          "letterbox: place of the picture"),
      written_if<R>([](const R& r) { return r.shorter > 0; },
                    key("shorter", &R::shorter, integer(0, 1 << 16), Decides::statistics,
                        "crop: length of the shorter side before; 0: as `size` needs")),
  };
}

Key<JobConfig> input_key() {
  using I = InputSpec;
  const Keys<I> keys = {
      key("layout", &I::layout, choice({"NCHW", "NHWC"}), Decides::statistics,
          "axes of the model's input"),
      key("color", &I::color, choice({"RGB", "BGR"}), Decides::statistics, "order of the channels"),
      key("scale", &I::scale, number(kPositive), Decides::statistics,
          "x' = (x / scale - mean) / std"),
      key("mean", &I::mean, list(number(kAny)), Decides::statistics,
          "one per channel, in `color` order"),
      key("std", &I::std, list(number(kPositive)), Decides::statistics,
          "one per channel, in `color` order"),
      section("resize", &I::resize, resize_keys()),
  };
  return written_if<JobConfig>([](const JobConfig& job) { return job.has_input; },
                               and_then<JobConfig>([](const YAML::Node&, const Place&,
                                                      JobConfig& job) { job.has_input = true; },
                                                   section("input", &JobConfig::input, keys)));
}

Key<JobConfig> target_key() {
  std::vector<std::string> names;
  for (const Target& t : targets()) names.emplace_back(t.name);
  return key("target", &JobConfig::target, choice(std::move(names)), Decides::statistics,
             "the runtime that the files are for: which values it rounds, in which form");
}

Key<JobConfig> task_key() {
  return key("task", &JobConfig::task, choice({"classification", "detection", "segmentation"}),
             Decides::outcomes, "what the model's outputs mean");
}

Key<JobConfig> classes_key() {
  return key("classes", &JobConfig::classes, integer(0, kMostClasses), Decides::outcomes,
             "classes; 0: as many as the data has");
}

Key<JobConfig> head_key() {
  using H = HeadSpec;
  const Keys<H> keys = {
      written_if<H>([](const H& head) { return !head.kind.empty(); },
                    key("kind", &H::kind, choice(head_kinds()), Decides::outcomes,
                        "decoder of the outputs; without one the shapes tell it, if they can")),
      written_if<H>([](const H& head) { return !head.strides.empty(); },
                    key("strides", &H::strides, list(integer(1, 1 << 12)), Decides::outcomes,
                        "input pixels per cell of each level; without them 8, 16, 32")),
      written_if<H>([](const H& head) { return !head.scores.empty(); },
                    key("scores", &H::scores, choice({"probabilities", "logits"}),
                        Decides::outcomes, "dfl kinds: what the class values are")),
      key("confidence", &H::confidence, number(kProbability), Decides::outcomes,
          "least score of a detection"),
      key("nms_iou", &H::nms_iou, number(kProbability), Decides::outcomes,
          "detections of one class overlap at most so much"),
      key("max_detections", &H::max_detections, integer(1, 100'000), Decides::outcomes,
          "per picture"),
  };
  return written_if<JobConfig>(
      [](const JobConfig& job) { return job.task == "detection" || job.head != HeadSpec{}; },
      section("head", &JobConfig::head, keys));
}

Key<JobConfig> shapes_key() {
  const auto extents = list(integer(1, 1 << 24));
  return custom<JobConfig>(
      "shapes", "mapping of input name to list of extents", Decides::statistics,
      "fixes dynamic dimensions: `{input: [1, 3, 32, 32]}`",
      [=](const YAML::Node& node, const Place& place, JobConfig& job) {
        if (!node.IsMap()) {
          place.fail(node, "must be a mapping of input names to lists of extents");
        }
        for (const auto& entry : node) {
          const std::string name = key_text(entry.first, place);
          const Place child = place.child(name, entry.first.Mark());
          std::vector<std::int64_t> shape = extents.parse(entry.second, child);
          std::int64_t elements = 1;
          for (const std::int64_t extent : shape) {
            if (elements > kMostElements / extent)
              child.fail(entry.second, "has over 2^40 elements");
            elements *= extent;
          }
          job.shapes[name] = std::move(shape);
        }
      },
      [=](const JobConfig& job) -> std::optional<YAML::Node> {
        if (job.shapes.empty()) {
          return std::nullopt;
        }
        YAML::Node node(YAML::NodeType::Map);
        for (const auto& [name, shape] : job.shapes) {
          node[name] = extents.format(shape);
        }
        return node;
      });
}

Key<JobConfig> data_key(Completeness completeness) {
  using D = JobConfig::Data;
  const bool is_partial = completeness == Completeness::partial;
  const auto needed = [&](Key<D> key) { return is_partial ? key : required(std::move(key)); };
  // Digests of the contents do not say how the files are read.
  const auto format = [&](Decides decides) {
    return needed(
        key("format", &D::format, choice(data_formats()), decides, "container of the images"));
  };
  const auto path = needed(key("path", &D::paths, file_paths(), Decides::nothing,
                               "the file or files; npy: images, then labels; coco: folder, then "
                               "annotations; masks: pictures, then masks"));
  const Keys<D> calibration = {
      format(Decides::statistics),
      path,
      key("images", &D::images, integer(0, kMostImages), Decides::statistics,
          "images that activation ranges are taken from; 0: 256, or all where there are fewer"),
      key("sampling", &D::sampling, choice({"first", "random", "stratified"}), Decides::statistics,
          "which images; stratified: equally many of each class"),
      written_if<D>([](const D& d) { return !d.cache.empty(); },
                    key("cache", &D::cache, file_path(), Decides::nothing,
                        "keeps the statistics between runs; written anew when model, images or "
                        "engine differ")),
  };
  const Keys<D> evaluation = {
      format(Decides::outcomes),
      path,
      key("images", &D::images, integer(0, kMostImages), Decides::outcomes,
          "the first so many images; 0: all"),
      key("shard", &D::shard, integer(1, kMostImages), Decides::outcomes, "images per task"),
  };
  const auto images =
      written_if<JobConfig>([](const JobConfig& job) { return !job.evaluation.format.empty(); },
                            section("evaluation", &JobConfig::evaluation, evaluation));
  const auto all = group<JobConfig>(
      "data",
      {written_if<JobConfig>([](const JobConfig& job) { return !job.calibration.format.empty(); },
                             section("calibration", &JobConfig::calibration, calibration)),
       is_partial ? images : required(images)});
  return is_partial ? all : required(all);
}

/// int8 or uint8; ONNX Runtime's names for them too.
Codec<std::string> integer_type() {
  Codec<std::string> codec = choice({"uint8", "int8"});
  codec.parse = [plain = codec.parse](const YAML::Node& node, const Place& place) {
    if (node.IsScalar() && node.Scalar() == "QUInt8") return std::string("uint8");
    if (node.IsScalar() && node.Scalar() == "QInt8") return std::string("int8");
    return plain(node, place);
  };
  return codec;
}

Key<JobConfig::Quantization> rules_key() {
  using Q = JobConfig::Quantization;
  return custom<Q>(
      "rules", "mapping of selectors to attributes, list of those, or a file of them",
      Decides::nothing, "ordered rules after the preset's; the last match wins",
      [](const YAML::Node& node, const Place& place, Q& q) {
        const QuantConfig config =
            node.IsScalar() ? load_rules(file_path().parse(node, place)) : parse_rules(node, place);
        q.rules = config.rules;
        if (!config.algorithm.empty()) q.algorithm = config.algorithm;
      },
      [](const Q& q) -> std::optional<YAML::Node> {
        return q.rules.empty() ? std::nullopt : std::optional(format_rules(q.rules));
      });
}

/// The algorithm is the one that is written, else that of the rules (max is none), else the
/// preset's.
void settle_algorithm(const YAML::Node& node, const Place& place, JobConfig& job) {
  auto& q = job.quantization;
  if (!q.preset.empty()) {
    try {
      const Preset& preset = find_preset(q.preset);
      q.preset = preset.name;
      if (q.rules.empty() || q.algorithm == JobConfig::Quantization{}.algorithm)
        q.algorithm = weight_algorithm_name(preset.algorithm);
    } catch (const Error& e) {
      throw Error(ErrorCode::config, e.message(), place.child("preset").where(node["preset"]),
                  e.hint());
    }
  }
  if (node.IsMap() && node["algorithm"]) q.algorithm = node["algorithm"].as<std::string>();
}

Key<JobConfig::Quantization> alpha_key() {
  using Q = JobConfig::Quantization;
  return custom<Q>(
      "smoothquant_alpha", "number from 0 to 1, or `auto`", Decides::schemes,
      "share of an input's range that smoothquant moves into the weight (default 0.5); auto: by "
      "layer",
      [](const YAML::Node& node, const Place& place, Q& q) {
        q.smoothquant_alpha_auto = node.IsScalar() && node.Scalar() == "auto";
        if (!q.smoothquant_alpha_auto) q.smoothquant_alpha = number(kShare).parse(node, place);
      },
      [](const Q& q) -> std::optional<YAML::Node> {
        return q.smoothquant_alpha_auto ? YAML::Node("auto")
                                        : number(kShare).format(q.smoothquant_alpha);
      });
}

Key<JobConfig> quantization_key() {
  using Q = JobConfig::Quantization;
  const Keys<Q> weights = {
      key("axis", &Q::weight_axis, choice({"channel", "tensor"}), Decides::schemes,
          "a scale per output channel, or one for the tensor"),
      key("symmetric", &Q::weight_symmetric, flag(), Decides::schemes, "zero point 0"),
      key("narrow_range", &Q::weight_narrow_range, flag(), Decides::schemes,
          "INT8 in [-127, 127], INT4 in [-7, 7]"),
      key("reduce_range", &Q::weight_reduce_range, flag(), Decides::schemes, "one bit less"),
      key("type", &Q::weight_type, integer_type(), Decides::schemes,
          "type of 8-bit weights; uint8 is not typical"),
  };
  const Keys<Q> activations = {
      key("symmetric", &Q::activation_symmetric, flag(), Decides::schemes, "zero point 0"),
      key("type", &Q::activation_type, integer_type(), Decides::schemes,
          "type of 8-bit activations"),
      refused<Q>("axis",
                 "activations take one scale per tensor: no matrix product can apply a "
                 "scale per input channel to its sum",
                 "Use `algorithm: smoothquant` to move channel scales into the weights"),
  };
  return and_then<JobConfig>(
      settle_algorithm,
      section("quantization", &JobConfig::quantization,
              Keys<Q>{
                  key("calibrator", &Q::calibrator,
                      choice({"minmax", "percentile", "entropy", "mse", "moving_average"}),
                      Decides::schemes, "how activation ranges are chosen"),
                  key("percentile", &Q::percentile, number(kPercentile), Decides::schemes,
                      "calibrator percentile: per cent of the values inside the range"),
                  key("bins", &Q::bins, bin_count(), Decides::schemes,
                      "calibrator entropy: bins of its histogram"),
                  group("weights", weights),
                  group("activations", activations),
                  key("algorithm", &Q::algorithm,
                      choice({"rtn", "mse", "awq_lite", "awq_clip", "awq_full", "smoothquant"}),
                      Decides::schemes,
                      "how weight scales are chosen; else the rules' unless that is max, else the "
                      "preset's"),
                  alpha_key(),
                  key("bias_correction", &Q::bias_correction, flag(), Decides::schemes,
                      "biases make up for what rounding adds to the mean of each output channel"),
                  key("preset", &Q::preset, text(), Decides::nothing,
                      "named configuration; its scheme joins the sweep"),
                  rules_key(),
                  key("skip", &Q::skip, list(text()), Decides::nothing,
                      "patterns, or skip lists, that stay in high precision"),
                  key("nodes_to_exclude", &Q::exclude_nodes, list(text()), Decides::nothing,
                      "likewise, by exact name or regular expression"),
                  key("op_types_to_exclude", &Q::exclude_types, list(text()), Decides::nothing,
                      "likewise, by operator type"),
              }));
}

Key<JobConfig> sensitivity_key() {
  using S = JobConfig::Sensitivity;
  return section(
      "sensitivity", &JobConfig::sensitivity,
      Keys<S>{
          key("precisions", &S::precisions, list(precision()), Decides::nothing,
              "tried on every layer"),
          key("modes", &S::modes, list(choice({"only", "all_but"})), Decides::nothing,
              "only this layer at the precision, or all but this layer"),
          key("base", &S::base, precision(), Decides::nothing,
              "precision of the layers that are not at the tried one; drops are against it"),
          key("images", &S::images, integer(0, kMostImages), Decides::nothing,
              "evaluation images used; 0: all"),
          key("score", &S::score, choice({"kl", "mse", "sqnr", "drop"}), Decides::nothing,
              "ranks the layers"),
      });
}

Key<JobConfig::Family> counts_key() {
  using F = JobConfig::Family;
  return required(custom<F>(
      "k", "`every`, or list of integers and `all`", Decides::nothing,
      "how many of the most sensitive layers keep `keep`",
      [](const YAML::Node& node, const Place& place, F& family) {
        if (node.IsScalar() && node.Scalar() == "every") {
          family.every = true;
          return;
        }
        Codec<std::int64_t> count = integer(0, kMostLayers);
        count.parse = [plain = count.parse](const YAML::Node& item, const Place& where) {
          return item.IsScalar() && item.Scalar() == "all" ? -1 : plain(item, where);
        };
        family.k = list(count).parse(node, place);
      },
      [](const F& family) -> std::optional<YAML::Node> {
        if (family.every) {
          return YAML::Node("every");
        }
        YAML::Node node(YAML::NodeType::Sequence);
        for (const std::int64_t k : family.k) {
          node.push_back(k == -1 ? YAML::Node("all") : YAML::Node(k));
        }
        node.SetStyle(YAML::EmitterStyle::Flow);
        return node;
      }));
}

Key<JobConfig> search_key() {
  using S = JobConfig::Search;
  const Codec<std::string> known = choice({"exhaustive", "front", "greedy"});
  Codec<std::string> method = choice({"exhaustive"});
  method.parse = [known](const YAML::Node& node, const Place& place) {
    std::string name = known.parse(node, place);
    if (name != "exhaustive") {
      throw Error(ErrorCode::unsupported, "'" + name + "' is not available in this version",
                  place.where(node), "Use 'method: exhaustive', 'families' or 'schemes'");
    }
    return name;
  };
  const Keys<S> keys = {
      required(key("method", &S::method, method, Decides::nothing, "exhaustive: every assignment")),
      required(key("precisions", &S::precisions, list(precision()), Decides::nothing,
                   "each layer's choices")),
      key("layers", &S::layers, list(text()), Decides::nothing,
          "the layers that vary: `all`, or selectors"),
      key("rest", &S::rest, precision(), Decides::nothing, "precision of the other layers"),
      group<S>("budget", {key("schemes", &S::schemes, integer(1, 1'000'000), Decides::nothing,
                              "a space with more schemes is refused")}),
  };
  return written_if<JobConfig>([](const JobConfig& job) { return !job.search.method.empty(); },
                               section("search", &JobConfig::search, keys));
}

Key<JobConfig> sweep_key() {
  using F = JobConfig::Family;
  const Keys<F> family = {
      required(
          key("rest", &F::rest, precision(), Decides::nothing, "precision of the other layers")),
      required(key("keep", &F::keep, precision(), Decides::nothing,
                   "precision of the most sensitive layers")),
      counts_key(),
  };
  return group<JobConfig>(
      "sweep",
      {sections("families", &JobConfig::families, family),
       key("schemes", &JobConfig::schemes, list(text()), Decides::nothing,
           "schemes: `*=W4A8F; /conv1=FP16`"),
       key("tie", &JobConfig::tie, choice({"none", "auto"}), Decides::nothing,
           "auto: sensitivity and families take layers that meet in a sum or a concatenation as "
           "one"),
       key("untie", &JobConfig::untie, list(text()), Decides::nothing,
           "tie auto: selectors of layers left alone"),
       key("confidence", &JobConfig::confidence, number(kProbability), Decides::nothing,
           "of all intervals"),
       search_key()});
}

Key<JobConfig> latency_key() {
  using L = JobConfig::Latency;
  const std::string served = "Use 'source: measured', 'source: table' or 'roofline: DEVICE'";
  const Keys<L> keys = {
      key("source", &L::source, choice({"measured", "none", "roofline", "table"}), Decides::nothing,
          "kernels timed on this machine, nothing, a model of `device`, or the file `table`"),
      key("device", &L::device, text(), Decides::nothing, "source roofline: the device"),
      key("table", &L::table, file_path(), Decides::nothing,
          "a latency.csv, e.g. of another run; means `source: table`"),
      shorthand<L>("roofline", "text", "short for `source: roofline` with this `device`",
                   [](const YAML::Node& node, const Place& place, L& latency) {
                     latency.source = "roofline";
                     latency.device = text().parse(node, place);
                   }),
      key("batch", &L::batch, integer(1, 1 << 16), Decides::latency, "images per timed call"),
      key("iterations", &L::iterations, integer(1, 1'000'000), Decides::latency,
          "timed calls per layer"),
      key("warmup_ms", &L::warmup_ms, number(kMilliseconds), Decides::latency,
          "untimed work before, ms"),
      unavailable<L>("trtexec", served),
  };
  return and_then<JobConfig>(
      [](const YAML::Node& node, const Place& place, JobConfig& job) {
        if (node["table"] && !node["source"]) {
          job.latency.source = "table";
        }
        if (node["roofline"] && (node["device"] || node["table"] ||
                                 (node["source"] && node["source"].Scalar() != "roofline"))) {
          place.child("roofline")
              .fail(node["roofline"], "contradicts 'source', 'device' or 'table'",
                    "Give either 'roofline: DEVICE' or 'source'");
        }
      },
      section("latency", &JobConfig::latency, keys));
}

Key<JobConfig> activations_key() {
  using A = JobConfig::Activations;
  return section(
      "activations", &JobConfig::activations,
      Keys<A>{
          key("images", &A::images, integer(0, kMostImages), Decides::nothing,
              "images whose activations are kept"),
          key("layers", &A::layers, list(text()), Decides::nothing, "`all`, or names of layers"),
      });
}

}  // namespace

Keys<JobConfig> job_keys(Completeness completeness) {
  return {
      required(key("model", &JobConfig::model, file_path(), Decides::nothing, "the ONNX model")),
      target_key(),
      task_key(),
      classes_key(),
      input_key(),
      head_key(),
      shapes_key(),
      data_key(completeness),
      quantization_key(),
      sensitivity_key(),
      sweep_key(),
      latency_key(),
      activations_key(),
      key("objectives", &JobConfig::objectives, list(choice({"latency", "accuracy", "size"})),
          Decides::nothing, "what the front trades"),
      key("batch", &JobConfig::batch, integer(0, 1 << 16), Decides::statistics,
          "images per forward pass; 0: what keeps a layer's operands in the cache"),
      key("memory_budget_mb", &JobConfig::memory_budget_mb, integer(1, 1 << 30), Decides::nothing,
          "live tensors per rank, MiB"),
      key("seed", &JobConfig::seed, unsigned_integer(), Decides::statistics,
          "of every random choice"),
  };
}

Keys<JobConfig> card_keys() {
  return {task_key(), classes_key(), input_key(), head_key()};
}

}  // namespace qsweep::config
