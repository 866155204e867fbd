#include "sweep/stages/activations.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "src/base/error.h"
#include "src/base/hash.h"

#include "sweep/stages/schemes.h"
#include "sweep/work/tasks.h"

namespace qsweep {
namespace {

constexpr std::int64_t kPartBytes = std::int64_t{64}
                                    << 20;  ///< of one rank's memory while it captures

/// Selected layers that the reference quantizes, cut into parts of bounded size.
std::vector<std::vector<LayerId>> cut_layers(const Workload& w,
                                             const Assignment& reference,
                                             std::int64_t images) {
  const Program& program = *w.model.program;
  std::vector<bool> wanted(program.layers().size(), false);
  for (const std::string& selector : w.job.activations.layers) {
    for (const LayerId layer : select_layers(selector == "all" ? "*" : selector, program.layers()))
      wanted[layer.index()] = true;
  }
  std::vector<std::vector<LayerId>> parts;
  std::int64_t bytes = kPartBytes;
  for (const LayerId layer : ids<LayerId>(wanted.size())) {
    if (!wanted[layer.index()] || reference[layer.index()] == 0) continue;
    const Step& step = program.step(program.step_of(layer));
    const std::int64_t own =
        2 * images * w.model.trace.bytes.at(static_cast<std::size_t>(step.outputs.at(0)));
    if (bytes + own > kPartBytes) {
      parts.emplace_back();
      bytes = 0;
    }
    parts.back().push_back(layer);
    bytes += own;
  }
  return parts;
}

class ActivationsStage final : public Stage {
 public:
  ActivationsStage(const Workload& workload, std::filesystem::path directory)
      : w_(workload), directory_(std::move(directory)) {}
  [[nodiscard]] StageId id() const override { return StageId::activations; }

  void check() const override { (void)tasks(); }

  void prepare(const Findings&, RecordStore&, Progress&) const override {
    std::filesystem::create_directories(directory_);
  }

  [[nodiscard]] std::vector<Piece> missing(const Findings&,
                                           const RecordStore& records,
                                           int) const override {
    std::vector<Piece> pieces;
    for (const CaptureTask& task : tasks()) {
      std::string key = key_of(task);
      if (!file_of(records, key).empty()) continue;
      pieces.push_back(
          {.key = key,
           .task = {.payload = task.encode(),
                    .cost = 2.0 * w_.model.image_work() * static_cast<double>(task.images)},
           .keep =
               [key](const Bytes& result, RecordStore& store) {
                 store.put(RecordKind::activations, key, result);
                 return WorkDone{};
               },
           .fail = [this](const std::string& error, RecordStore&) -> std::vector<Piece> {
             throw Error(ErrorCode::io, "keeping activations failed: " + error,
                         directory_.string());
           }});
    }
    return pieces;
  }

  void read(const RecordStore& records, Findings& f) const override {
    StageProgress progress{.name = std::string(name_of(id()))};
    for (const CaptureTask& task : tasks()) {
      ++progress.planned;
      const std::filesystem::path file = file_of(records, key_of(task));
      if (file.empty()) continue;
      ++progress.done;
      f.activations.push_back(file);
    }
    f.stages.push_back(std::move(progress));
  }

 private:
  [[nodiscard]] std::vector<CaptureTask> tasks() const {
    const Assignment reference = reference_assignment(w_);
    const std::int64_t images = std::min(w_.job.activations.images, w_.evaluation.size());
    std::vector<CaptureTask> tasks;
    for (std::vector<LayerId>& layers : cut_layers(w_, reference, images)) {
      tasks.push_back({.reference = reference,
                       .layers = std::move(layers),
                       .images = images,
                       .directory = directory_.string(),
                       .part = std::ssize(tasks)});
    }
    return tasks;
  }

  /// Where the run lies is no part of what is kept.
  [[nodiscard]] static std::string key_of(CaptureTask task) {
    task.directory.clear();
    return sha256_hex(task.encode()).substr(0, 16);
  }

  /// Empty when the part is not recorded, or gone.
  [[nodiscard]] std::filesystem::path file_of(const RecordStore& records,
                                              const std::string& key) const {
    const Bytes* known = records.find(RecordKind::activations, key);
    if (known == nullptr) return {};
    std::filesystem::path file = directory_ / decode_activation_part(*known, "activations record");
    return std::filesystem::exists(file) ? file : std::filesystem::path();
  }

  const Workload& w_;
  std::filesystem::path directory_;
};

}  // namespace

std::unique_ptr<const Stage> make_activations_stage(const Workload& workload,
                                                    const std::filesystem::path& directory) {
  return std::make_unique<ActivationsStage>(workload, directory);
}

}  // namespace qsweep
