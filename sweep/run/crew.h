#pragma once

#include <atomic>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "src/results/results.h"

#include "ranks/coordinator.h"

#include "sweep/run/evaluator.h"
#include "sweep/run/progress.h"
#include "sweep/run/record_store.h"

namespace qsweep {

/// Thrown by run_tasks() when the stop flag ended a stage early; what is finished is in the record
/// store.
class Stopped : public Error {
 public:
  Stopped()
      : Error(ErrorCode::interrupted,
              "stopped early; what is finished is saved",
              {},
              "Run the same command again to go on") {}
};

/// The ranks at work on one job: rank 0's evaluator and the coordinator of all, with the records
/// they fill.
class Crew {
 public:
  Crew(Transport& transport,
       std::shared_ptr<const Workload> workload,
       RecordStore& records,
       Progress& progress,
       const std::atomic<bool>& stop,
       CoordinatorOptions options = {},
       const std::filesystem::path& log_directory = {});

  struct Piece {
    std::string key;  ///< for messages and the ledger
    Task task;
  };
  /// Runs a stage. `done` gets each result, `failed` each error, on this thread. @throws Stopped
  void run_tasks(const std::string& stage,
                 const std::vector<Piece>& pieces,
                 const std::function<void(std::size_t piece, const Bytes& result)>& done,
                 const std::function<void(std::size_t piece, const std::string& error)>& failed);
  /// Enters in the ledger what the task computed whose result `done` is given.
  void note_work(double work, double work_without_reuse);
  /// Sends layer statistics to every rank.
  void set_ranges(const std::vector<TensorStats>& by_layer);
  void set_adaptations(const Adaptations& adaptations);

  [[nodiscard]] const Workload& workload() const { return *workload_; }
  [[nodiscard]] RecordStore& records() { return records_; }
  [[nodiscard]] RunResults::Ledger& ledger() { return ledger_; }
  [[nodiscard]] const Coordinator& coordinator() const { return coordinator_; }
  [[nodiscard]] Progress& progress() { return progress_; }

 private:
  std::shared_ptr<const Workload> workload_;
  RecordStore& records_;
  Progress& progress_;
  const std::atomic<bool>& stop_;
  Evaluator evaluator_;
  Coordinator coordinator_;
  RunResults::Ledger ledger_;
};

}  // namespace qsweep
