#include "sweep/work/handler.h"

#include <filesystem>
#include <utility>

#include <fmt/format.h>

#include "src/base/log.h"

#include "sweep/work/adapt.h"
#include "sweep/work/calibrate.h"
#include "sweep/work/capture.h"
#include "sweep/work/records.h"

namespace qsweep {
namespace {

ByteWriter tagged(MessageKind kind) {
  ByteWriter out;
  out.u8(static_cast<std::uint8_t>(kind));
  return out;
}

/// A job that is another one here than on rank 0 would give other numbers.
void check_identity(const Workload& workload, const std::string& expected) {
  const Identity own = workload.identity.part(IdentityUse::records);
  const auto found = differences(Identity::parse(expected), own);
  if (found.empty()) return;
  throw Error(ErrorCode::mismatch, fmt::format("another job ({})", describe(found)), {},
              "Give every rank the same files and program, and the same kind of CPU");
}

}  // namespace

JobHandler::JobHandler(int rank, int node_ranks, bool has_process, WorkloadShelf& shelf)
    : rank_(rank),
      node_ranks_(node_ranks),
      has_process_(has_process),
      shelf_(&shelf),
      state_(node_ranks),
      evaluator_(state_) {}

JobHandler::JobHandler(int node_ranks, std::shared_ptr<const Workload> workload, std::string run)
    : node_ranks_(node_ranks), state_(node_ranks), evaluator_(state_) {
  state_.open(std::move(workload), std::move(run));
}

Bytes JobHandler::open_job_message(const Workload& workload,
                                   const std::string& run,
                                   const std::string& log_directory) {
  ByteWriter out = tagged(MessageKind::open_job);
  out.u8(static_cast<std::uint8_t>(workload.use));
  out.str(to_yaml(workload.job));
  out.str(workload.identity.part(IdentityUse::records).text());
  out.str(log_directory);
  out.str(run);
  return out.take();
}

Bytes JobHandler::ranges_message(const std::vector<TensorStats>& by_layer) {
  ByteWriter out = tagged(MessageKind::ranges);
  out.blob(encode_ranges(by_layer));
  return out.take();
}

Bytes JobHandler::adaptations_message(const Adaptations& adaptations) {
  ByteWriter out = tagged(MessageKind::adaptations);
  out.raw(encode_adaptations(adaptations));
  return out.take();
}

void JobHandler::open_job(ByteReader& in) {
  const WorkloadUse use = in.u8() == 0 ? WorkloadUse::evaluate : WorkloadUse::calibrate;
  const std::string yaml = in.str();
  const std::string identity = in.str();
  const std::string log_directory = in.str();
  std::string run = in.str();
  in.finish();
  if (state_.is_open() && shelf_ == nullptr) return;  // rank 0, which sent it
  if (has_process_ && !log_directory.empty()) {
    open_log_file(std::filesystem::path(log_directory) / fmt::format("rank-{}.log", rank_), rank_);
    log_info(fmt::format("rank {} opens the job", rank_));
  }
  std::shared_ptr<const Workload> workload = shelf_->find(run);
  if (!workload) {
    workload = open_workload(parse_composed(yaml, "configuration sent by rank 0"), use,
                             {.run = run, .ranks = node_ranks_});
    shelf_->put(run, workload);
  }
  check_identity(*workload, identity);
  state_.open(std::move(workload), std::move(run));
}

void JobHandler::configure(ByteView state) {
  ByteReader in(state, "state message");
  const auto kind = static_cast<MessageKind>(in.u8());
  if (kind != MessageKind::open_job && !state_.is_open())
    throw Error(ErrorCode::internal, "a state came before the job was open");
  switch (kind) {
    case MessageKind::open_job:
      return open_job(in);
    case MessageKind::ranges: {
      std::vector<TensorStats> by_layer = decode_ranges(in.blob(), "state message");
      in.finish();
      return state_.set_ranges(std::move(by_layer));
    }
    case MessageKind::adaptations: {
      Adaptations adaptations = decode_adaptations(in);
      in.finish();
      return state_.set_adaptations(std::move(adaptations));
    }
    default:
      throw Error(ErrorCode::internal, "unknown state message");
  }
}

Bytes JobHandler::run(ByteView task) {
  ByteReader in(task, "task message");
  switch (static_cast<MessageKind>(in.u8())) {
    case MessageKind::calibrate:
      return calibrate(state_, CalibrateTask::decode(in));
    case MessageKind::adapt:
      return adapt(state_, AdaptTask::decode(in));
    case MessageKind::evaluate:
      return evaluator_.evaluate(EvaluateTask::decode(in)).encode();
    case MessageKind::capture:
      return capture(state_, rank_, CaptureTask::decode(in));
    default:
      throw Error(ErrorCode::internal, "unknown task message");
  }
}

}  // namespace qsweep
