#include <algorithm>
#include <map>
#include <set>
#include <tuple>

#include <gtest/gtest.h>

#include "src/exec/walk.h"

#include "tests/exec/tiny_graphs.h"

namespace qsweep {
namespace {

using Kind = Instruction::Kind;
using test::branched_graph;
using test::chain_graph;
using test::some_precisions;

std::vector<Assignment> random_schemes(std::size_t layers,
                                       int precisions,
                                       int count,
                                       std::uint64_t stream) {
  Random random(11, stream);
  std::vector<Assignment> schemes(static_cast<std::size_t>(count), Assignment(layers, 0));
  for (std::size_t s = 1; s < schemes.size(); ++s) {
    for (std::uint8_t& p : schemes[s]) {
      p = static_cast<std::uint8_t>(random.below(static_cast<std::uint64_t>(precisions)));
    }
  }
  return schemes;
}

std::vector<Assignment> all_schemes(std::size_t layers, int precisions) {
  std::vector<Assignment> schemes{{}};
  for (std::size_t layer = 0; layer < layers; ++layer) {
    std::vector<Assignment> longer;
    for (const Assignment& scheme : schemes) {
      for (int p = 0; p < precisions; ++p) {
        longer.push_back(scheme);
        longer.back().push_back(static_cast<std::uint8_t>(p));
      }
    }
    schemes = std::move(longer);
  }
  return schemes;
}

int count(const Walk& walk, Kind kind, int layer) {
  return static_cast<int>(std::ranges::count_if(walk.instructions, [&](const Instruction& i) {
    return i.kind == kind && i.layer == LayerId(layer);
  }));
}

/// Plays the registers: reads only what is there, writes only where nothing is (what is fused may
/// take over a register that would have been released within), leaves nothing behind.
void expect_registers_sound(const Walk& walk) {
  std::vector<bool> full(static_cast<std::size_t>(walk.registers), false);
  for (const Instruction& i : walk.instructions) {
    for (const std::int32_t reg : walk.sources(i)) {
      ASSERT_GE(reg, 0);
      ASSERT_TRUE(full[static_cast<std::size_t>(reg)]);
      if (i.kind == Kind::release) full[static_cast<std::size_t>(reg)] = false;
    }
    for (const std::int32_t reg : walk.targets(i)) {
      if (reg < 0) continue;
      const bool is_fused = i.kind == Kind::compute_codes || i.kind == Kind::compute_sum;
      ASSERT_TRUE(is_fused || !full[static_cast<std::size_t>(reg)]);
      full[static_cast<std::size_t>(reg)] = true;
    }
  }
  EXPECT_EQ(std::ranges::count(full, true), 0);
}

TEST(PlanWalkTest, computes_each_prefix_of_a_chain_once) {
  constexpr int kLayers = 6;
  const Program program(chain_graph(kLayers));
  const Trace trace = program.trace({2, 2, 4, 4});
  const std::vector<Precision> precisions = some_precisions();
  const std::vector<Assignment> schemes = random_schemes(kLayers, 5, 200, 1);
  const Walk walk = plan_walk(program, trace, precisions, schemes, {.fuse_readers = false});
  expect_registers_sound(plan_walk(program, trace, precisions, schemes));
  expect_registers_sound(walk);
  double work = 0.0;
  for (std::size_t layer = 0; layer < kLayers; ++layer) {
    std::set<Assignment> prefixes;
    std::set<std::tuple<Assignment, int, int>> quantized;  // the input, and what it is rounded to
    for (const Assignment& scheme : schemes) {
      const auto at = scheme.begin() + static_cast<std::ptrdiff_t>(layer);
      prefixes.insert(Assignment(scheme.begin(), at + 1));
      const Format& format = precisions[*at].activation;
      if (format.is_quantized()) {
        quantized.insert({Assignment(scheme.begin(), at), static_cast<int>(format.dtype),
                          static_cast<int>(uses_integer_kernel(precisions[*at]))});
      }
    }
    EXPECT_EQ(count(walk, Kind::compute, static_cast<int>(layer)),
              static_cast<int>(prefixes.size()));
    EXPECT_EQ(count(walk, Kind::quantize, static_cast<int>(layer)),
              static_cast<int>(quantized.size()));
    work += static_cast<double>(prefixes.size()) * trace.work[layer];
    work += static_cast<double>(quantized.size()) * 2.0 * kWorkPerElement * (2 * 2 * 4 * 4);
  }
  EXPECT_DOUBLE_EQ(walk.work, work);
}

TEST(PlanWalkTest, without_reuse_the_work_is_the_sum_over_schemes) {
  const Program program(branched_graph());
  const Trace trace = program.trace({2, 3, 8, 8});
  const std::vector<Precision> precisions = some_precisions();
  const std::vector<Assignment> schemes = random_schemes(5, 5, 30, 2);
  WalkOptions options;
  options.reuse = false;
  const Walk separate = plan_walk(program, trace, precisions, schemes, options);
  const Walk shared = plan_walk(program, trace, precisions, schemes);
  expect_registers_sound(separate);
  double sum = 0.0;
  for (const Assignment& scheme : schemes)
    sum += plan_walk(program, trace, precisions, {&scheme, 1}).work;
  EXPECT_NEAR(separate.work, sum, 1e-9 * sum);
  EXPECT_NEAR(separate.work_without_reuse, sum, 1e-9 * sum);
  EXPECT_NEAR(shared.work_without_reuse, sum, 1e-9 * sum);
  EXPECT_LT(shared.work, 0.8 * sum);
}

TEST(PlanWalkTest, a_branch_that_does_not_see_the_change_is_not_computed_again) {
  const Program program(branched_graph());
  const Trace trace = program.trace({1, 3, 8, 8});
  const std::vector<Assignment> schemes = {{0, 0, 0, 0, 0},
                                           {0, 0, 1, 0, 0}};  // only layer c differs
  const Walk walk = plan_walk(program, trace, some_precisions(), schemes, {.fuse_readers = false});
  EXPECT_EQ(count(walk, Kind::compute, 0), 1);
  EXPECT_EQ(count(walk, Kind::compute, 1), 1);
  EXPECT_EQ(count(walk, Kind::compute, 2), 2);
  EXPECT_EQ(count(walk, Kind::compute, 3), 1);  // d stands beside c
  EXPECT_EQ(count(walk, Kind::compute, 4), 2);
}

TEST(PlanWalkTest, layers_that_read_one_tensor_share_its_quantizer) {
  const Program program(branched_graph());
  const Trace trace = program.trace({1, 3, 8, 8});
  const auto quantizers = [&](const Assignment& scheme) {
    const Walk walk = plan_walk(program, trace, some_precisions(), {&scheme, 1});
    return std::ranges::count(walk.instructions, Kind::quantize, &Instruction::kind);
  };
  EXPECT_EQ(quantizers({0, 0, 2, 2, 0}), 1);  // c and d at W8A8
  EXPECT_EQ(quantizers({0, 0, 2, 4, 0}), 1);  // W8A8 and W4A8 round the input alike
  EXPECT_EQ(quantizers({0, 0, 2, 3, 0}), 2);  // INT8 and FP8 do not
  EXPECT_EQ(quantizers({0, 2, 2, 0, 0}), 2);  // different inputs
  EXPECT_EQ(quantizers({0, 1, 1, 1, 1}), 0);
}

TEST(PlanWalkTest, emits_every_scheme_once_in_trie_order) {
  const Program program(branched_graph());
  const Trace trace = program.trace({1, 3, 8, 8});
  std::vector<Assignment> schemes = random_schemes(5, 5, 50, 3);
  schemes.push_back(schemes[7]);  // a duplicate costs nothing but is emitted
  const Walk walk = plan_walk(program, trace, some_precisions(), schemes);
  std::vector<std::int32_t> emitted;
  for (const Instruction& i : walk.instructions) {
    if (i.kind == Kind::emit) emitted.push_back(i.scheme);
  }
  EXPECT_EQ(emitted, walk.order);
  EXPECT_TRUE(std::ranges::is_sorted(emitted, {},
                                     [&](int s) { return schemes[static_cast<std::size_t>(s)]; }));
  std::ranges::sort(emitted);
  for (std::size_t s = 0; s < schemes.size(); ++s)
    EXPECT_EQ(emitted.at(s), static_cast<std::int32_t>(s));
}

TEST(PlanWalkTest, keeps_any_budget_that_every_scheme_alone_keeps) {
  const Program program(branched_graph());
  const Trace trace = program.trace({2, 3, 8, 8});
  const std::vector<Precision> precisions = some_precisions();
  for (std::uint64_t round = 0; round < 20; ++round) {
    const std::vector<Assignment> schemes = random_schemes(5, 5, 40, 10 + round);
    std::int64_t need = 0;
    for (const Assignment& scheme : schemes) {
      need = std::max(need, plan_walk(program, trace, precisions, {&scheme, 1}).peak_bytes);
    }
    const Walk free = plan_walk(program, trace, precisions, schemes);
    ASSERT_GT(free.peak_bytes, need);
    double last = free.work;
    for (const std::int64_t budget : {free.peak_bytes, (need + free.peak_bytes) / 2, need}) {
      WalkOptions options;
      options.memory_budget = budget;
      const Walk walk = plan_walk(program, trace, precisions, schemes, options);
      expect_registers_sound(walk);
      EXPECT_LE(walk.peak_bytes, budget);
      EXPECT_GE(walk.work, last) << "round " << round;
      EXPECT_LT(walk.work, 2.0 * walk.work_without_reuse);
      EXPECT_EQ(walk.order, free.order);
      last = walk.work;
    }
    EXPECT_GT(last, free.work);  // something was computed again
    WalkOptions options;
    options.memory_budget = need / 2;
    try {
      (void)plan_walk(program, trace, precisions, schemes, options);
      ADD_FAILURE() << "accepted";
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::config);
    }
  }
}

TEST(PlanWalkTest, evicted_quantizers_come_back_before_every_layer_that_reads_them) {
  const Program program(branched_graph());
  const Trace trace = program.trace({2, 3, 8, 8});
  // Layer d (behind c) asks for their common input's codes first; later schemes ask for c too.
  const std::vector<Precision> precisions = {parse_precision("FP32"), parse_precision("W8A8")};
  const std::vector<Assignment> schemes = all_schemes(5, 2);
  std::int64_t need = 0;
  for (const Assignment& scheme : schemes) {
    need = std::max(need, plan_walk(program, trace, precisions, {&scheme, 1}).peak_bytes);
  }
  for (const bool probe : {false, true}) {
    const std::int64_t lowest = probe ? 2 * need : need;  // a probe reads two schemes' tensors
    for (std::int64_t budget = lowest; budget < 3 * need; budget += 256) {
      WalkOptions options;
      options.memory_budget = budget;
      options.probe = probe;
      const Walk walk = plan_walk(program, trace, precisions, schemes, options);
      ASSERT_NO_FATAL_FAILURE(expect_registers_sound(walk)) << budget;
      EXPECT_LE(walk.peak_bytes, budget);
    }
  }
}

TEST(PlanWalkTest, a_trie_needs_memory_for_its_branch_points_only) {
  constexpr int kLayers = 7;
  const Program program(chain_graph(kLayers));
  const Trace trace = program.trace({1, 2, 4, 4});
  const std::int64_t tensor = 2 * 4 * 4 * 4;
  const std::vector<Precision> precisions = {parse_precision("FP32"), parse_precision("W8A16"),
                                             parse_precision("W4A16")};
  const Walk walk = plan_walk(program, trace, precisions, all_schemes(kLayers, 3));
  EXPECT_EQ(walk.order.size(), 2187u);
  EXPECT_LE(walk.peak_bytes, (kLayers + 1) * tensor);
  EXPECT_EQ(count(walk, Kind::compute, kLayers - 1), 2187);
  EXPECT_EQ(count(walk, Kind::compute, 0), 3);
}

TEST(PlanWalkTest, probes_every_quantized_layer_of_every_scheme) {
  const Program program(branched_graph());
  const Trace trace = program.trace({1, 3, 8, 8});
  const std::vector<Assignment> schemes = random_schemes(5, 5, 20, 4);
  WalkOptions options;
  options.probe = true;
  for (const bool reuse : {true, false}) {
    options.reuse = reuse;
    const Walk walk = plan_walk(program, trace, some_precisions(), schemes, options);
    expect_registers_sound(walk);
    std::set<std::pair<int, int>> probed;
    for (const Instruction& i : walk.instructions) {
      if (i.kind != Kind::probe) continue;
      EXPECT_TRUE(probed.insert({i.scheme, i.layer.value()}).second);
    }
    std::set<std::pair<int, int>> want;
    for (std::size_t s = 0; s < schemes.size(); ++s) {
      for (std::size_t layer = 0; layer < 5; ++layer) {
        if (schemes[s][layer] != 0) want.insert({static_cast<int>(s), static_cast<int>(layer)});
      }
    }
    EXPECT_EQ(probed, want);
  }
}

TEST(PlanWalkTest, is_a_pure_function) {
  const Program program(branched_graph());
  const Trace trace = program.trace({1, 3, 8, 8});
  const std::vector<Assignment> schemes = random_schemes(5, 5, 60, 5);
  WalkOptions options;
  options.memory_budget = plan_walk(program, trace, some_precisions(), schemes).peak_bytes * 3 / 4;
  const Walk a = plan_walk(program, trace, some_precisions(), schemes, options);
  const Walk b = plan_walk(program, trace, some_precisions(), schemes, options);
  EXPECT_EQ(a.operands, b.operands);
  EXPECT_EQ(a.instructions.size(), b.instructions.size());
  EXPECT_EQ(a.work, b.work);
}

}  // namespace
}  // namespace qsweep
