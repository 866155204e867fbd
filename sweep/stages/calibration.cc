#include "sweep/stages/calibration.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "src/base/error.h"
#include "src/base/log.h"

#include "sweep/stages/calibration_cache.h"
#include "sweep/stages/resemblance.h"
#include "sweep/work/handler.h"
#include "sweep/work/tasks.h"

namespace qsweep {
namespace {

constexpr std::int64_t kChunkImages = 64;
/// Usual numbers of calibration images (R052).
constexpr std::int64_t kFewImages = 100, kManyImages = 1000;
/// Images of each set that are compared.
constexpr std::int64_t kComparedImages = 256;
/// Record of statistics that came from a cache.
constexpr const char* kCachedKey = "cache";

std::string chunk_key(CalibrationPass pass, Range images) {
  return fmt::format("{}/{}-{}", pass == CalibrationPass::histogram ? "histogram" : "range",
                     images.begin, images.end);
}

std::optional<std::vector<TensorStats>> cached_stats(const RecordStore& records) {
  const Bytes* cached = records.find(RecordKind::ranges, kCachedKey);
  if (cached == nullptr) return std::nullopt;
  return decode_ranges(*cached, "calibration record");
}

/// A pass over the calibration images.
class Pass : public Stage {
 public:
  Pass(const Workload& workload, CalibrationPass pass) : w_(workload), pass_(pass) {}

  [[nodiscard]] std::vector<Piece> missing(const Findings&,
                                           const RecordStore& records,
                                           int) const override {
    std::vector<Piece> pieces;
    if (records.find(RecordKind::ranges, kCachedKey)) return pieces;
    for (const Range& images : chunks()) {
      std::string key = chunk_key(pass_, images);
      if (records.find(RecordKind::ranges, key)) continue;
      const double work = static_cast<double>(images.size()) * w_.model.image_work();
      Task task{.payload = CalibrateTask{.pass = pass_, .images = images}.encode(), .cost = work};
      pieces.push_back({.key = key,
                        .task = std::move(task),
                        .keep =
                            [key, work](const Bytes& result, RecordStore& store) {
                              store.put(RecordKind::ranges, key, result);
                              return WorkDone{work, work};
                            },
                        .fail = [](const std::string& error, RecordStore&) -> std::vector<Piece> {
                          throw Error(ErrorCode::numeric, "calibration failed: " + error);
                        }});
    }
    return pieces;
  }

 protected:
  [[nodiscard]] std::vector<Range> chunks() const {
    return cut(w_.calibration.size(), kChunkImages);
  }

  /// The pass's chunks merged (any order gives the same), as far as they are recorded; enters the
  /// progress.
  [[nodiscard]] std::vector<TensorStats> merged(const RecordStore& records,
                                                Findings& findings) const {
    std::vector<TensorStats> all;
    StageProgress progress{.name = std::string(name_of(id()))};
    for (const Range& images : chunks()) {
      ++progress.planned;
      const Bytes* record = records.find(RecordKind::ranges, chunk_key(pass_, images));
      if (!record) continue;
      ++progress.done;
      std::vector<TensorStats> part = decode_ranges(*record, "calibration record");
      if (all.empty()) {
        all = std::move(part);
      } else {
        for (std::size_t i = 0; i < all.size(); ++i) all[i].merge(part.at(i));
      }
    }
    if (progress.done < progress.planned) all.clear();
    findings.stages.push_back(std::move(progress));
    return all;
  }

  const Workload& w_;
  CalibrationPass pass_;
};

class RangesStage final : public Pass {
 public:
  explicit RangesStage(const Workload& workload) : Pass(workload, CalibrationPass::range) {}
  [[nodiscard]] StageId id() const override { return StageId::ranges; }

  void check() const override {
    if (!w_.calibration.is_given()) {
      const bool for_weights = w_.plan.needs_inputs();
      throw Error(ErrorCode::config,
                  fmt::format("{} need calibration images and the job names none",
                              for_weights ? describe(w_.plan.weights) + " weights"
                                          : "quantized activations"),
                  "data.calibration", "Add data.calibration");
    }
  }

  void prepare(const Findings&, RecordStore& records, Progress&) const override {
    for (const std::string& warning : calibration_warnings(w_)) log_warning(warning);
    const std::filesystem::path& cache = w_.job.calibration.cache;
    if (cache.empty() || records.find(RecordKind::ranges, kCachedKey)) return;
    if (missing({}, records, 1).empty()) return;
    if (const auto stats =
            read_calibration_cache(cache, w_.identity, w_.model.calibrated().size())) {
      log_info("calibration statistics are reused from " + cache.string());
      records.put(RecordKind::ranges, kCachedKey, encode_ranges(*stats));
    }
  }

  void read(const RecordStore& records, Findings& findings) const override {
    if (const auto cached = cached_stats(records)) {
      findings.ranges = *cached;
      return;
    }
    findings.ranges = merged(records, findings);
    if (findings.ranges.empty()) return;
    std::vector<std::string> tensors;
    for (const ValueId value : w_.model.calibrated())
      tensors.push_back(w_.model.program->graph().value(value).name);
    check_calibrated(tensors, findings.ranges);
  }

  [[nodiscard]] std::optional<Bytes> state(const Findings& findings) const override {
    return JobHandler::ranges_message(findings.ranges);
  }
};

class HistogramsStage final : public Pass {
 public:
  explicit HistogramsStage(const Workload& workload) : Pass(workload, CalibrationPass::histogram) {}
  [[nodiscard]] StageId id() const override { return StageId::histograms; }

  void read(const RecordStore& records, Findings& findings) const override {
    if (const auto cached = cached_stats(records)) {
      findings.stats = *cached;
      return;
    }
    const std::vector<TensorStats> histograms = merged(records, findings);
    if (histograms.empty() || findings.ranges.empty()) return;
    findings.stats = findings.ranges;
    for (std::size_t i = 0; i < findings.stats.size(); ++i)
      findings.stats[i].take_histogram(histograms.at(i));
  }

  [[nodiscard]] std::optional<Bytes> state(const Findings& findings) const override {
    return JobHandler::ranges_message(findings.stats);
  }

  void conclude(const Findings& findings, RecordStore& records) const override {
    const std::filesystem::path& cache = w_.job.calibration.cache;
    if (cache.empty() || records.find(RecordKind::ranges, kCachedKey)) return;
    write_calibration_cache(cache, w_.identity, findings.stats);
  }
};

}  // namespace

std::unique_ptr<const Stage> make_ranges_stage(const Workload& workload) {
  return std::make_unique<RangesStage>(workload);
}

std::unique_ptr<const Stage> make_histograms_stage(const Workload& workload) {
  return std::make_unique<HistogramsStage>(workload);
}

std::vector<std::string> calibration_warnings(const Workload& w) {
  std::vector<std::string> warnings;
  const std::int64_t images = w.calibration.size();
  if (images < kFewImages || images > kManyImages) {
    warnings.push_back(fmt::format("{} calibration images are {}; {} to {} are usual.", images,
                                   images < kFewImages ? "few" : "many", kFewImages, kManyImages));
  }
  if (w.use == WorkloadUse::evaluate && w.evaluation.is_given()) {
    const auto traits = [&](const ImageSet& set) {
      return image_traits(set.data(), set.ids({0, std::min(set.size(), kComparedImages)}),
                          w.job.input);
    };
    const std::string mismatch = describe_mismatch(traits(w.calibration), traits(w.evaluation));
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

}  // namespace qsweep
