#include "io/store/sweep_store.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <set>

#include <fmt/format.h>

#include "src/base/error.h"

#include "io/store/detail/link_names.h"
#include "io/store/detail/save.h"
#include "io/store/detail/table.h"

namespace qsweep {

namespace {

using Evaluation = RunResults::Evaluation;
using Schemes = std::vector<const Evaluation*>;

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

void write_meta(const h5::Handle& file, const RunResults& results) {
  const h5::Handle meta = h5::create_group(file, "meta");
  const RunResults::Model& model = results.model;
  std::map<std::string, std::string> texts{
      {"model_path", model.path},
      {"model_name", model.name},
      {"model_sha256", model.sha256},
      {"model_input_shape", model.input_shape},
      {"calibration_data", results.calibration.spec},
      {"calibration_sha256", results.calibration.digest},
      {"calibration_sampling", results.calibration.sampling},
      {"evaluation_data", results.evaluation.spec},
      {"evaluation_sha256", results.evaluation.digest},
      {"evaluation_sampling", results.evaluation.sampling},
      {"task", results.task},
      {"metric", results.metric},
      {"calibrator", results.calibrator},
      {"score", results.score},
  };
  const std::map<std::string, std::int64_t> integers{
      {"model_opset", model.opset},
      {"model_batch_norms_folded", model.batch_norms_folded},
      {"model_parameters", model.parameters},
      {"model_macs", model.macs},
      {"model_float_bytes", model.float_bytes},
      {"calibration_images", results.calibration.images},
      {"evaluation_images", results.evaluation.images},
  };
  for (const auto& [name, value] : results.provenance) {
    if (!integers.contains(name) && name != "confidence") {
      texts.try_emplace(name, value);
    }
  }
  for (const auto& [name, value] : texts) {
    h5::set_attribute(meta, name, value);
  }
  for (const auto& [name, value] : integers) {
    h5::set_attribute(meta, name, value);
  }
  h5::set_attribute(meta, "confidence", results.confidence);

  h5::write_texts(meta, "precisions", results.precisions,
                  {"text", "names of the codes in /schemes/precision"});
  h5::write_texts(meta, "class_names", results.class_names, {"text", "names of the classes"});
  h5::write_texts(meta, "remarks", results.remarks, {"text", "findings, most important first"});
  h5::write_list<std::int64_t>(meta, "calibration_samples", results.calibration.sample_ids,
                               {"1", "ids of the calibration images, in file order"});
  h5::write_list<std::int64_t>(meta, "evaluation_samples", results.evaluation.sample_ids,
                               {"1", "ids of the evaluated images: the columns of /predictions"});
}

void write_layers(const h5::Handle& file, const RunResults& results) {
  using Layer = RunResults::Layer;
  h5::Table(file, "layers", results.layers)
      .column("name", "text", "unique name of the layer's node", &Layer::name)
      .column("op", "text", "ONNX operator", &Layer::op)
      .column("group", "text", "block of the network", &Layer::group)
      .column("weight_shape", "text", "extents of the weight", &Layer::weight_shape)
      .column("output_shape", "text", "extents of the output for one image", &Layer::output_shape)
      .column("macs", "1", "multiply-accumulates for one image", &Layer::macs)
      .column("parameters", "1", "elements of weight and bias", &Layer::parameters)
      .column("depthwise", "bool", "a depthwise convolution", &Layer::depthwise);
}

void write_calibration(const h5::Handle& file, const RunResults& results) {
  const h5::Handle all = h5::create_group(file, "calibration");
  h5::LinkNames names;
  for (const RunResults::Calibration& stats : results.calibration_stats) {
    const h5::Handle group = h5::create_group(all, names.add(stats.tensor));
    h5::set_attribute(group, "tensor", stats.tensor);
    h5::set_attribute(group, "layer", stats.layer);
    h5::set_attribute(group, "images", stats.images);
    const float range[] = {stats.min, stats.max};
    h5::write_list<float>(group, "range", range, {"1", "smallest and largest value seen"});
    if (!stats.histogram.empty()) {
      h5::write_list<std::uint64_t>(group, "histogram", stats.histogram,
                                    {"1", "values in equal bins of the range"});
    }
  }
}

void write_sensitivity(const h5::Handle& file, const RunResults& results) {
  using S = RunResults::Sensitivity;
  h5::Table table(file, "sensitivity", results.sensitivity);
  table.column("layer", "text", "name of the layer", &S::layer)
      .column("precision", "text", "what is tried on the layer", &S::precision)
      .column("mode", "text",
              "only: this layer at the precision, the others at the attribute base; all_but: the "
              "reverse",
              &S::mode)
      .column("kl", "nat", "KL divergence of the float model's outputs to these", &S::kl)
      .column("sqnr_db", "dB", "signal to noise of the layer's output", &S::sqnr_db)
      .column("mse", "1", "mean squared error of the layer's output", &S::mse)
      .column("cosine", "1", "cosine similarity of the layer's output", &S::cosine)
      .column("qdq_error", "1", "relative error of the layer's input quantized", &S::qdq_error)
      .column("output_mse", "1", "mean squared error of the model's outputs", &S::output_mse)
      .column("metric", "1", "task metric under this change", &S::metric)
      .column("metric_drop", "1", "metric of the base on all layers minus this one",
              &S::metric_drop)
      .column("ci_low", "1", "lower end of the interval of metric_drop", &S::ci_low)
      .column("ci_high", "1", "upper end of the interval of metric_drop", &S::ci_high)
      .column("size_cost", "byte", "the weight at this precision", &S::size_cost)
      .column("sensitivity_class", "text", "low, medium or high", &S::sensitivity_class)
      .column("rank", "1", "1: most sensitive of its precision and mode", &S::rank)
      .column("nonfinite", "bool", "NaN or infinity appeared", &S::nonfinite);
  h5::set_attribute(
      table.group(), "base",
      results.sensitivity_base ? results.sensitivity_base->name : std::string("FP32"));
  using G = RunResults::Group;
  h5::Table(file, "groups", results.groups)
      .column("name", "text", "block of the network", &G::name)
      .column("layers", "1", "layers of the block", &G::layers)
      .column("drop", "1", "sum of the metric drops of its layers", &G::drop)
      .column("kl", "nat", "sum of the KL divergences of its layers", &G::kl)
      .column("work_share", "1", "its share of the model's multiply-accumulates", &G::work_share)
      .column("sensitivity_class", "text", "low, medium or high", &G::sensitivity_class)
      .column("recommendation", "text", "what to do with it", &G::recommendation);
}

/// The float model, then the schemes of the sweep; rows of /schemes, /predictions, /per_class,
/// /confusion.
Schemes rows_of(const RunResults& results) {
  Schemes rows;
  for (const Evaluation& evaluation : results.evaluations) {
    if (evaluation.kind == "scheme") {
      rows.push_back(&evaluation);
    }
  }
  const std::string& id = results.baseline.id;
  if (!id.empty() && std::ranges::none_of(rows, [&](const auto* row) { return row->id == id; })) {
    rows.insert(rows.begin(), &results.baseline);
  }
  return rows;
}

/// A number that means something only once images were evaluated; NaN before.
auto if_evaluated(double Evaluation::*member) {
  return [member](const Evaluation* row) { return row->images > 0 ? row->*member : kNan; };
}

void write_schemes(const h5::Handle& file, const Schemes& rows, const RunResults& results) {
  using E = Evaluation;
  const std::size_t layers = results.layers.size();
  h5::Table table(file, "schemes", rows);
  table.column("id", "text", "hash of the assignment and the quantizer settings", &E::id)
      .column("name", "text", "readable name", &E::name)
      .column("text", "text", "the assignment in text form", &E::text)
      .column("status", "text", "ok, failed or skipped", &E::status)
      .column("reason", "text", "why it is not ok", &E::reason)
      .column("images", "1", "images evaluated", &E::images)
      .column("metric", "1", "task metric", if_evaluated(&E::metric))
      .column("ci_low", "1", "lower end of the metric's interval", if_evaluated(&E::ci_low))
      .column("ci_high", "1", "upper end of the metric's interval", if_evaluated(&E::ci_high))
      .column("drop", "1", "float metric minus this one", if_evaluated(&E::drop))
      .column("drop_low", "1", "lower end of the drop's interval", if_evaluated(&E::drop_low))
      .column("drop_high", "1", "upper end of the drop's interval", if_evaluated(&E::drop_high))
      .column("drop_se", "1", "paired standard error of the drop", if_evaluated(&E::drop_se))
      .column("p_value", "1", "test of the drop: exact McNemar, or bootstrap",
              if_evaluated(&E::p_value))
      .column("kl", "nat", "KL divergence of the float outputs to these", if_evaluated(&E::kl))
      .column("agreement", "1", "predictions equal to float", if_evaluated(&E::agreement))
      .column("size_bytes", "byte", "the weights as deployed", &E::size_bytes)
      .column("effective_bits", "bit", "mean bits of a weight", &E::effective_bits)
      .column("bops", "1", "bit operations for one image", &E::bops)
      .column("latency_ms", "ms", "for one call, see /latency; NaN when unknown",
              [](const E* row) { return row->latency_source.empty() ? kNan : row->latency_ms; })
      .column("latency_source", "text", "how the latency is known", &E::latency_source)
      .column("front", "bool", "on the Pareto front", &E::on_front)
      .column("inseparable", "bool", "from the front's next point, within noise", &E::inseparable);

  for (std::size_t i = 0; i < results.other_metrics.size(); ++i) {
    table.column(results.other_metrics[i], "1", "figure beside the task metric",
                 [i](const E* row) { return i < row->others.size() ? row->others[i] : kNan; });
  }

  std::vector<std::uint8_t> precision;
  for (const E* row : rows) {
    if (row->precision.empty()) {  // the float model: index 0 everywhere
      precision.insert(precision.end(), layers, 0);
      continue;
    }
    if (row->precision.size() != layers) {
      throw Error(ErrorCode::internal, fmt::format("scheme {} assigns {} of {} layers", row->id,
                                                   row->precision.size(), layers));
    }
    precision.insert(precision.end(), row->precision.begin(), row->precision.end());
  }
  h5::Array(table.group(), "precision", H5T_NATIVE_UINT8, {rows.size(), layers},
            {"1", "[schemes x layers], index into /meta/precisions"})
      .write<std::uint8_t>(precision);
}

/// One row per detection of every scheme. Left out when no scheme has any.
void write_detections(const h5::Handle& file, const Schemes& rows) {
  struct Row {
    std::int32_t scheme = 0;
    const Detection* detection = nullptr;
  };
  std::vector<Row> all;
  for (std::size_t s = 0; s < rows.size(); ++s) {
    for (const Detection& d : rows[s]->detections)
      all.push_back({static_cast<std::int32_t>(s), &d});
  }
  if (all.empty()) return;
  const auto side = [](double Box::*member) {
    return [member](const Row& row) { return static_cast<float>(row.detection->box.*member); };
  };
  h5::Table(file, "detections", all)
      .column("scheme", "1", "row of /schemes", &Row::scheme)
      .column("image", "1", "sample id", [](const Row& row) { return row.detection->image; })
      .column("category", "1", "index into /meta/class_names",
              [](const Row& row) { return row.detection->category; })
      .column("score", "1", "0 to 1", [](const Row& row) { return row.detection->score; })
      .column("x", "pixel", "left side in the picture", side(&Box::x))
      .column("y", "pixel", "top side in the picture", side(&Box::y))
      .column("width", "pixel", "of the box", side(&Box::width))
      .column("height", "pixel", "of the box", side(&Box::height));
}

/// A data set with one row per scheme; rows that are short or absent end in `fill`. Left out when
/// no scheme has any. @param is_square a row is a square matrix
template <class T>
void write_per_scheme(const h5::Handle& file,
                      const std::string& name,
                      const Schemes& rows,
                      std::vector<T> Evaluation::*member,
                      T fill,
                      bool is_square,
                      const h5::About& about) {
  std::size_t size = 0;
  for (const Evaluation* row : rows) {
    size = std::max(size, (row->*member).size());
  }
  if (size == 0) {
    return;
  }
  std::vector<hsize_t> extents{rows.size(), size};
  if (is_square) {
    const auto side = static_cast<hsize_t>(std::llround(std::sqrt(static_cast<double>(size))));
    QSWEEP_CHECK(side * side == size);
    extents = {rows.size(), side, side};
  }
  h5::Chunks chunks{extents};
  chunks.extents.front() = 1;
  h5::Array array(file, name, h5::native_type<T>(), extents, about, chunks);
  for (std::size_t i = 0; i < rows.size(); ++i) {
    std::vector<T> values = rows[i]->*member;
    values.resize(size, fill);
    array.write_row<T>(i, values);
  }
}

void write_latency(const h5::Handle& file, const RunResults& results) {
  using L = RunResults::Latency;
  h5::Table table(file, "latency", results.latency);
  table.column("layer", "text", "name of the layer", &L::layer)
      .column("precision", "text", "what it runs at", &L::precision)
      .column("ms", "ms", "the layer with its input's quantizer, one call; the median", &L::ms)
      .column("mean_ms", "ms", "NaN when unknown", &L::mean_ms)
      .column("p95_ms", "ms", "NaN when unknown", &L::p95_ms)
      .column("p99_ms", "ms", "NaN when unknown", &L::p99_ms)
      .column("source", "text", "measured, roofline or table", &L::source)
      .column("kernel", "text", "measured: the kernel that ran", &L::kernel);
  h5::set_attribute(table.group(), "device", results.latency_device);
  h5::set_attribute(table.group(), "source", results.latency_source);
  h5::set_attribute(table.group(), "other_ms", results.latency_other_ms);
  h5::set_attribute(table.group(), "boundary_ms", results.latency_boundary_ms);
  h5::set_attribute(table.group(), "batch", static_cast<double>(results.latency_batch));
  h5::set_attribute(table.group(), "threads", static_cast<double>(results.latency_threads));
}

void write_tasks(const h5::Handle& file, const RunResults& results) {
  using T = RunResults::TaskTime;
  h5::Table(file, "tasks", results.ledger.tasks)
      .column("stage", "text", "stage of the run", &T::stage)
      .column("key", "text", "the task", &T::key)
      .column("rank", "1", "rank that did it", &T::rank)
      .column("start_s", "s", "since the start of the run", &T::start_s)
      .column("seconds", "s", "time it took", &T::seconds)
      .column("bytes", "byte", "of its result", &T::bytes)
      .column("work", "1", "evaluations: MACs and moved elements computed", &T::work)
      .column("work_without_reuse", "1", "evaluations: of every scheme from the input on",
              &T::work_without_reuse);
}

/// Links every layer of the part files, whose own layout write_activation_part() decides.
void link_activations(const h5::Handle& file,
                      const std::filesystem::path& path,
                      const std::vector<std::filesystem::path>& part_paths) {
  const h5::Handle all = h5::create_group(file, "activations");
  const std::filesystem::path folder = std::filesystem::absolute(path).parent_path();
  h5::LinkNames names;
  std::set<std::string> layers;
  for (const std::filesystem::path& part_path : part_paths) {
    try {
      const h5::Handle part = h5::open_file(part_path);
      const std::string target =
          std::filesystem::absolute(part_path).lexically_relative(folder).generic_string();
      for (const std::string& member : h5::member_names(part)) {
        const std::string layer = h5::text_attribute(h5::open_group(part, member), "layer");
        if (!layers.insert(layer).second) {
          throw Error(ErrorCode::mismatch,
                      fmt::format("the activations of layer '{}' are in two part files", layer));
        }
        h5::link_external(all, names.add(layer), target, "/" + member);
      }
    } catch (const Error& error) {
      throw Error(error.code(), error.message(), part_path.string(), error.hint());
    }
  }
}

}  // namespace

void write_sweep_store(FileSystem& files,
                       const std::filesystem::path& path,
                       const RunResults& results,
                       const std::vector<std::filesystem::path>& activation_parts) {
  h5::save(files, path, [&](const h5::Handle& file) {
    h5::set_attribute(file, "format", std::string("qsweep sweep store"));
    h5::set_attribute(file, "format_version", std::int64_t{1});
    write_meta(file, results);
    write_layers(file, results);
    write_calibration(file, results);
    write_sensitivity(file, results);
    const Schemes rows = rows_of(results);
    write_schemes(file, rows, results);
    write_per_scheme(file, "predictions", rows, &Evaluation::predictions, std::int32_t{-1}, false,
                     {"1", "[schemes x images], top-1 class; -1: not evaluated"});
    write_detections(file, rows);
    write_per_scheme(file, "per_class", rows, &Evaluation::class_metric, kNan, false,
                     {"1", "[schemes x classes], task metric of each class"});
    write_per_scheme(file, "confusion", rows, &Evaluation::confusion, std::int64_t{-1}, true,
                     {"1", "[schemes x label x prediction], images; -1: not evaluated"});
    write_latency(file, results);
    write_tasks(file, results);
    link_activations(file, path, activation_parts);
  });
}

std::string hdf5_version() {
  unsigned major = 0, minor = 0, release = 0;
  if (H5get_libversion(&major, &minor, &release) < 0) return "unknown";
  return std::to_string(major) + "." + std::to_string(minor) + "." + std::to_string(release);
}

}  // namespace qsweep
