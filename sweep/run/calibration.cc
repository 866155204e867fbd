#include "sweep/run/calibration.h"

#include <algorithm>

#include <fmt/format.h>

#include "src/base/log.h"

#include "sweep/run/calibration_cache.h"
#include "sweep/run/layer_inputs.h"
#include "sweep/run/resemblance.h"

namespace qsweep {
namespace {

constexpr std::int64_t kChunkImages = 64;
/// Usual numbers of calibration images (R052).
constexpr std::size_t kFewImages = 100, kManyImages = 1000;
/// Images of each set that are compared.
constexpr std::size_t kComparedImages = 256;
/// Record of statistics that came from a cache.
constexpr const char* kCachedKey = "cache";

struct Chunk {
  std::string key;
  CalibrateTask task;
};

std::vector<Chunk> chunks_of(const Workload& w, bool histogram) {
  std::vector<Chunk> chunks;
  for (const Range& r : cut(static_cast<std::int64_t>(w.calibration_ids.size()), kChunkImages)) {
    chunks.push_back({fmt::format("{}/{}-{}", histogram ? "histogram" : "range", r.begin, r.end),
                      {.pass = histogram ? CalibrationPass::histogram : CalibrationPass::range,
                       .begin = r.begin,
                       .end = r.end}});
  }
  return chunks;
}

/// Merges a pass's chunks (any order gives the same); empty when one is missing.
std::vector<TensorStats> merged(const Workload& w, const RecordStore& records, bool histogram) {
  std::vector<TensorStats> all;
  for (const Chunk& chunk : chunks_of(w, histogram)) {
    const Bytes* record = records.find(RecordKind::ranges, chunk.key);
    if (!record) return {};
    ByteReader in(*record, "calibration record " + chunk.key);
    std::vector<TensorStats> part = decode_stats(in);
    in.finish();
    if (all.empty()) {
      all = std::move(part);
    } else {
      for (std::size_t i = 0; i < all.size(); ++i) all[i].merge(part.at(i));
    }
  }
  return all;
}

void run_pass(Crew& crew, bool histogram) {
  std::vector<Crew::Piece> missing;
  for (const Chunk& chunk : chunks_of(crew.workload(), histogram)) {
    if (crew.records().find(RecordKind::ranges, chunk.key)) continue;
    missing.push_back(
        {chunk.key, {chunk.task.encode(), static_cast<double>(chunk.task.end - chunk.task.begin)}});
  }
  crew.run_tasks(
      histogram ? "calibrate histograms" : "calibrate ranges", missing,
      [&](std::size_t i, const Bytes& result) {
        crew.records().put(RecordKind::ranges, missing[i].key, result);
      },
      [&](std::size_t, const std::string& error) {
        throw Error(ErrorCode::numeric, "calibration failed: " + error);
      });
}

}  // namespace

bool needs_calibration(const Workload& workload) {
  if (needs_inputs(workload)) return true;
  const auto all = workload.precisions.all();
  return std::any_of(all.begin(), all.end(), [](const Precision& p) {
    return p.activation.is_quantized() && p.activation.dtype != DType::f16 &&
           p.activation.dtype != DType::bf16;
  });
}

std::vector<TensorStats> calibrate_layers(Crew& crew) {
  if (!crew.workload().calibration) {
    const bool for_weights = needs_inputs(crew.workload());
    throw Error(ErrorCode::config,
                fmt::format("{} need calibration images and the job names none",
                            for_weights ? describe(crew.workload().weights) + " weights"
                                        : "quantized activations"),
                "data.calibration", "Add data.calibration (or --calib SPEC)");
  }
  const Workload& w = crew.workload();
  for (const std::string& warning : calibration_warnings(w)) log_warning(warning);
  std::vector<std::string> tensors;
  for (const Layer& layer : w.program->layers())
    tensors.push_back(w.program->graph().value(layer.input).name);
  const std::filesystem::path& cache = w.job.calibration.cache;
  const std::string key = cache.empty() ? "" : calibration_key(w);
  const bool recorded = !recorded_stats(w, crew.records()).empty();
  if (!cache.empty() && !recorded) {
    if (const auto stats = read_calibration_cache(cache, key, tensors.size())) {
      log_info("calibration statistics are reused from " + cache.string());
      crew.records().put(RecordKind::ranges, kCachedKey, encode_stats(*stats));
    }
  }
  if (crew.records().find(RecordKind::ranges, kCachedKey)) {
    std::vector<TensorStats> stats = recorded_stats(w, crew.records());
    crew.set_ranges(stats);
    return stats;
  }
  run_pass(crew, false);
  const std::vector<TensorStats> ranges = merged(w, crew.records(), false);
  check_calibrated(tensors, ranges);
  crew.set_ranges(ranges);
  run_pass(crew, true);
  std::vector<TensorStats> stats = recorded_stats(crew.workload(), crew.records());
  crew.set_ranges(stats);
  if (!cache.empty()) write_calibration_cache(cache, key, stats);
  return stats;
}

std::vector<std::string> calibration_warnings(const Workload& w) {
  std::vector<std::string> warnings;
  const std::size_t images = w.calibration_ids.size();
  if (images < kFewImages || images > kManyImages) {
    warnings.push_back(fmt::format("{} calibration images are {}; {} to {} are usual.", images,
                                   images < kFewImages ? "few" : "many", kFewImages, kManyImages));
  }
  if (w.use == WorkloadUse::evaluate) {
    const auto traits = [&](const Dataset& data, const std::vector<std::int64_t>& ids) {
      return image_traits(data, std::span(ids).first(std::min(ids.size(), kComparedImages)),
                          w.job.input);
    };
    const std::string mismatch = describe_mismatch(traits(*w.calibration, w.calibration_ids),
                                                   traits(*w.evaluation, w.evaluation_ids));
    if (!mismatch.empty()) warnings.push_back(mismatch);
  }
  return warnings;
}

void check_calibrated(const std::vector<std::string>& tensors,
                      const std::vector<TensorStats>& by_layer) {
  std::string missing;
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    if (by_layer.at(i).images() == 0) missing += (missing.empty() ? "'" : ", '") + tensors[i] + "'";
  }
  if (!missing.empty())
    throw Error(ErrorCode::config, "no calibration image reached " + missing, "data.calibration",
                "These tensors have no range; keep the layers that read them in float");
}

std::vector<TensorStats> recorded_stats(const Workload& workload, const RecordStore& records) {
  if (const Bytes* cached = records.find(RecordKind::ranges, kCachedKey)) {
    ByteReader in(*cached, "calibration record");
    std::vector<TensorStats> stats = decode_stats(in);
    in.finish();
    return stats;
  }
  std::vector<TensorStats> ranges = merged(workload, records, false);
  const std::vector<TensorStats> histograms = merged(workload, records, true);
  if (histograms.empty()) return {};
  for (std::size_t i = 0; i < ranges.size(); ++i) ranges[i].take_histogram(histograms.at(i));
  return ranges;
}

}  // namespace qsweep
