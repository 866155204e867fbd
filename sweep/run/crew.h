#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "ranks/coordinator.h"

#include "sweep/run/session.h"
#include "sweep/stages/progress.h"
#include "sweep/stages/stage.h"
#include "sweep/work/handler.h"
#include "sweep/work/record_store.h"

namespace qsweep {

/// Thrown when the stop flag ended a stage early; what is finished is in the record store.
class Stopped : public Error {
 public:
  Stopped()
      : Error(ErrorCode::interrupted,
              "stopped early; what is finished is saved",
              {},
              "Rerun the same command to resume") {}
};

/// A job that rank 0 has opened, and the name under which its ranks share memory.
struct OpenedRun {
  std::string name;  ///< no other run has it
  std::shared_ptr<const Workload> workload;
};
/// Opens the job for the ranks of the session. Warnings of the job are logged.
[[nodiscard]] OpenedRun open_run(const JobConfig& job, WorkloadUse use, Session& session);

/// The ranks at work on one job: rank 0's handler and the coordinator of all, with the records they
/// fill. Every rank has the job open, and the same one, once it is constructed.
class Crew {
 public:
  /// @param log_directory where the other ranks keep their logs; empty = nowhere
  /// @throws Stopped, or Error naming the ranks that cannot open the job, or see another one
  Crew(Session& session,
       const OpenedRun& run,
       RecordStore& records,
       Progress& progress,
       const std::filesystem::path& log_directory = {});

  /// Takes the ranks through pieces of a stage; results go to the records, the times to the ledger.
  /// @throws Stopped, or what a piece throws
  void run(const std::string& stage, std::vector<Piece> pieces);
  /// State for the pieces that follow, sent before the next of them.
  void set_state(Bytes state) { pending_.push_back(std::move(state)); }
  /// Enters a stage's seconds in the ledger.
  void note_stage(const std::string& stage, double seconds);

  [[nodiscard]] const Workload& workload() const { return *workload_; }
  [[nodiscard]] RecordStore& records() { return records_; }
  [[nodiscard]] const Coordinator& coordinator() const { return coordinator_; }
  [[nodiscard]] Progress& progress() { return progress_; }
  [[nodiscard]] int ranks() const { return session_record_.ranks; }

 private:
  /// Applies state on every rank. @throws Stopped, or Error naming the ranks that cannot apply it
  void configure(const Bytes& state);
  void note_task(const std::string& stage,
                 const Piece& piece,
                 const TaskOutcome& outcome,
                 const WorkDone& work);

  std::shared_ptr<const Workload> workload_;
  RecordStore& records_;
  Progress& progress_;
  const std::atomic<bool>& stop_;
  JobHandler handler_;
  Coordinator coordinator_;
  std::vector<Bytes> pending_;
  int session_ = 0;  ///< how often the run was started before
  std::int64_t tasks_ = 0;
  SessionRecord session_record_;
};

/// The stages of a run, in order: each computes what the records lack, then reads what they hold.
/// @throws Stopped
[[nodiscard]] Findings run_stages(Crew& crew, const Stages& stages);

/// The cost ledger of all starts of a run.
[[nodiscard]] RunResults::Ledger ledger_of(const RecordStore& records);

}  // namespace qsweep
