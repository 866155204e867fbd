#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "src/exec/walk.h"

namespace qsweep::detail {

/// A tensor, identified by how it is computed: equal keys mean equal bits.
using Key = std::int32_t;

/// One distinct thing to compute, with keys for operands.
struct Computation {
  Instruction::Kind kind = Instruction::Kind::input;  ///< input, compute, quantize or round
  std::uint8_t precision = 0;                         ///< round: index into Chain::formats()
  std::uint16_t operands = 0;                         ///< how many, from Demand::operands[at]
  std::uint16_t outputs = 0;                          ///< keys first_output, first_output + 1, ...
  StepId step{};  ///< compute; round: the step whose output it is
  LayerId layer{};
  std::uint32_t at = 0;
  Key first_output = 0;
  double work = 0.0;
};

/// Something that must happen, in this order: a computation, or a result handed to the sink.
struct Action {
  Instruction::Kind kind = Instruction::Kind::compute;
  std::uint8_t precision = 0;
  std::uint16_t operands = 0;
  std::int32_t computation = -1;  ///< -1: probe or emit
  LayerId layer{};
  std::int32_t scheme = -1;
  std::uint32_t at = 0;
  std::int32_t twin = -1;  ///< probe: an earlier scheme with the same input and quantized input
};

/// What a set of schemes needs when memory has no limit: each distinct tensor computed once, right
/// when the first scheme (in trie order) asks for it.
struct Demand {
  std::vector<Computation> computations;  ///< operands before their users
  std::vector<Key> operands;
  std::vector<std::int32_t> producers;  ///< by key: its computation
  std::vector<std::int64_t> bytes;  ///< by key, for the traced batch; 0 for outputs nobody reads
  std::vector<Action> actions;
  std::vector<std::int32_t> order;  ///< schemes as emitted
  double work_without_reuse = 0.0;

  [[nodiscard]] std::span<const Key> operands_of(const Computation& c) const {
    return {operands.data() + c.at, c.operands};
  }
  [[nodiscard]] std::span<const Key> operands_of(const Action& a) const {
    return {operands.data() + a.at, a.operands};
  }
};

[[nodiscard]] Demand find_demand(const Program& program,
                                 const Trace& trace,
                                 std::span<const Precision> precisions,
                                 std::span<const Assignment> schemes,
                                 const WalkOptions& options);

/// Turns a demand into instructions with registers, each tensor released after its last use; with a
/// budget
/// (> 0), evicts what is needed latest and computes it again.
[[nodiscard]] Walk schedule(const Demand& demand, std::int64_t budget);

/// Turns a layer and what alone reads its result into one instruction: an integer layer and an
/// integer layer's quantizer, whose kernel may write the codes itself; any layer and an Add of two
/// tensors of one shape, whose kernel adds the other one. Never changes a result.
void fuse_readers(Walk& walk,
                  const Program& program,
                  const Trace& trace,
                  std::span<const Precision> precisions,
                  const Adaptations* adaptations);

}  // namespace qsweep::detail
