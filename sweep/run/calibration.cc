#include "sweep/run/calibration.h"

#include <algorithm>

#include <fmt/format.h>

namespace qsweep {
namespace {

constexpr std::int64_t kChunkImages = 64;

struct Chunk {
  std::string key;
  CalibrateTask task;
};

std::vector<Chunk> chunks_of(const Workload& w, bool histogram) {
  std::vector<Chunk> chunks;
  for (const Range& r : cut(static_cast<std::int64_t>(w.calibration_ids.size()), kChunkImages)) {
    chunks.push_back({fmt::format("{}/{}-{}", histogram ? "histogram" : "range", r.begin, r.end),
                      {.histogram = histogram, .begin = r.begin, .end = r.end}});
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
  const auto all = workload.precisions.all();
  return std::any_of(all.begin(), all.end(), [](const Precision& p) {
    return p.activation.is_quantized() && p.activation.dtype != DType::f16 &&
           p.activation.dtype != DType::bf16;
  });
}

std::vector<TensorStats> calibrate_layers(Crew& crew) {
  if (!crew.workload().calibration) {
    throw Error(ErrorCode::config,
                "quantized activations need calibration images and the job names none",
                "data.calibration", "Add data.calibration (or --calib SPEC)");
  }
  run_pass(crew, false);
  crew.set_ranges(merged(crew.workload(), crew.records(), false));
  run_pass(crew, true);
  std::vector<TensorStats> stats = recorded_stats(crew.workload(), crew.records());
  crew.set_ranges(stats);
  return stats;
}

std::vector<TensorStats> recorded_stats(const Workload& workload, const RecordStore& records) {
  std::vector<TensorStats> ranges = merged(workload, records, false);
  const std::vector<TensorStats> histograms = merged(workload, records, true);
  if (histograms.empty()) return {};
  for (std::size_t i = 0; i < ranges.size(); ++i) ranges[i].take_histogram(histograms.at(i));
  return ranges;
}

}  // namespace qsweep
