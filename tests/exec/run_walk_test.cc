#include <algorithm>
#include <cstring>
#include <map>

#include <gtest/gtest.h>

#include "src/exec/walk.h"

#include "tests/exec/tiny_graphs.h"

namespace qsweep {
namespace {

using test::random_tensor;

bool same_bits(const Tensor& a, const Tensor& b) {
  return a.shape() == b.shape() && a.layout() == b.layout() && a.dtype() == b.dtype() &&
         std::memcmp(a.raw(), b.raw(), a.bytes()) == 0;
}

/// Keeps copies of everything.
class Recorder : public WalkSink {
 public:
  struct Seen {
    int twin;
    Tensor input, quantized_input, value, baseline;
  };
  void output(int scheme, std::span<const Tensor> outputs) override {
    EXPECT_TRUE(
        results.emplace(scheme, std::vector<Tensor>(outputs.begin(), outputs.end())).second);
  }
  void probe(const Probe& p) override {
    probes[{p.scheme, p.layer}] = {p.twin, p.input, p.quantized_input(), p.value, p.baseline};
  }
  std::map<int, std::vector<Tensor>> results;
  std::map<std::pair<int, LayerId>, Seen> probes;  ///< (scheme, layer)
};

struct Bench {
  explicit Bench(std::int64_t images, std::vector<Precision> precisions = test::some_precisions())
      : Bench(test::branched_graph(), {images, 3, 8, 8}, std::move(precisions)) {}
  Bench(Graph graph,
        const Shape& input,
        std::vector<Precision> precisions = test::some_precisions())
      : program(std::move(graph)),
        batch(random_tensor(input, 1)),
        trace(program.trace(batch.shape())),
        setup(test::setup_for(program, std::move(precisions), batch)),
        bank(program, setup) {}

  [[nodiscard]] std::vector<Assignment> random_schemes(int count, std::uint64_t stream) const {
    Random random(3, stream);
    std::vector<Assignment> schemes(static_cast<std::size_t>(count), Assignment(5, 0));
    for (std::size_t s = 1; s < schemes.size(); ++s) {
      for (std::uint8_t& p : schemes[s]) p = static_cast<std::uint8_t>(random.below(5));
    }
    return schemes;
  }
  [[nodiscard]] Walk plan(std::span<const Assignment> schemes,
                          const WalkOptions& options = {}) const {
    return plan_walk(program, trace, setup.precisions, schemes, options);
  }
  Recorder run(const Walk& walk, const Tensor& on) {
    Recorder recorder;
    run_walk(walk, bank, on, recorder);
    return recorder;
  }

  Program program;
  Tensor batch;
  Trace trace;
  QuantSetup setup;
  LayerBank bank;
};

void expect_same_results(const Recorder& a, const Recorder& b) {
  ASSERT_EQ(a.results.size(), b.results.size());
  for (const auto& [scheme, outputs] : a.results) {
    const auto& other = b.results.at(scheme);
    ASSERT_EQ(outputs.size(), other.size());
    for (std::size_t i = 0; i < outputs.size(); ++i) {
      EXPECT_TRUE(same_bits(outputs[i], other[i])) << "scheme " << scheme;
    }
  }
}

TEST(RunWalkTest, reuse_and_eviction_never_change_a_bit) {
  Bench bench(3);
  for (std::uint64_t round = 0; round < 8; ++round) {
    const std::vector<Assignment> schemes = bench.random_schemes(40, round);
    WalkOptions options;
    options.reuse = false;
    const Recorder separate = bench.run(bench.plan(schemes, options), bench.batch);
    ASSERT_EQ(separate.results.size(), schemes.size());
    const Walk shared = bench.plan(schemes);
    expect_same_results(separate, bench.run(shared, bench.batch));
    std::int64_t need = 0;
    for (const Assignment& scheme : schemes)
      need = std::max(need, bench.plan({&scheme, 1}).peak_bytes);
    options.reuse = true;
    options.memory_budget = need;
    const Walk tight = bench.plan(schemes, options);
    EXPECT_GT(tight.work, shared.work);
    expect_same_results(separate, bench.run(tight, bench.batch));
  }
}

TEST(RunWalkTest, quantizers_behind_layers_never_change_a_bit) {
  Bench bench(test::chain_graph(5), {3, 2, 4, 4});
  for (std::uint64_t round = 0; round < 8; ++round) {
    const std::vector<Assignment> schemes = bench.random_schemes(40, round);
    const Walk fused = bench.plan(schemes);
    const auto is_fused = [](const Instruction& i) {
      return i.kind == Instruction::Kind::compute_codes;
    };
    const Walk apart = bench.plan(schemes, {.fuse_readers = false});
    EXPECT_EQ(std::ranges::count_if(apart.instructions, is_fused), 0);
    EXPECT_GT(std::ranges::count_if(fused.instructions, is_fused), 0);
    expect_same_results(bench.run(apart, bench.batch), bench.run(fused, bench.batch));
    const Walk alone = bench.plan(schemes, {.reuse = false});
    EXPECT_GT(std::ranges::count_if(alone.instructions, is_fused), 0);
    expect_same_results(bench.run(apart, bench.batch), bench.run(alone, bench.batch));
  }
}

TEST(RunWalkTest, sums_behind_layers_never_change_a_bit) {
  Bench bench(3);
  const auto is_fused = [](const Instruction& i) {
    return i.kind == Instruction::Kind::compute_sum;
  };
  for (std::uint64_t round = 0; round < 8; ++round) {
    const std::vector<Assignment> schemes = bench.random_schemes(40, round);
    const Walk apart = bench.plan(schemes, {.fuse_readers = false});
    EXPECT_EQ(std::ranges::count_if(apart.instructions, is_fused), 0);
    const Recorder want = bench.run(apart, bench.batch);
    std::int64_t need = 0;
    for (const Assignment& scheme : schemes)
      need = std::max(need, bench.plan({&scheme, 1}).peak_bytes);
    for (const WalkOptions& options :
         {WalkOptions{}, {.reuse = false}, {.memory_budget = need}, {.probe = true}}) {
      const Walk fused = bench.plan(schemes, options);
      EXPECT_GT(std::ranges::count_if(fused.instructions, is_fused), 0);
      expect_same_results(want, bench.run(fused, bench.batch));
    }
  }
}

TEST(RunWalkTest, sums_are_fused_only_with_what_nobody_else_wants) {
  // Twice the same value, a value of another shape, a value that is an output too.
  test::GraphBuilder g;
  const ValueId x = g.input({-1, 3, 8, 8});
  const ValueId a = g.conv("a", x, 3, 3);
  const ValueId twice = g.node("Add", "twice", {a, a});
  const ValueId mean = g.node("GlobalAveragePool", "mean", {twice});
  const ValueId b = g.node("Add", "wide", {mean, g.conv("b", twice, 3, 3)});
  const ValueId c = g.conv("c", b, 3, 3);
  const ValueId d = g.node("Add", "shared", {b, c});
  const ValueId e = g.node("Add", "plain", {g.conv("d", d, 3, 3), d});
  Bench bench(g.finish({c, g.node("Add", "operator", {e, g.conv("e", e, 3, 3)})}), {2, 3, 8, 8});
  const std::vector<Assignment> schemes = {Assignment(5, 0), Assignment(5, 1), Assignment(5, 2)};
  const Walk fused = bench.plan(schemes);
  int sums = 0;
  for (const Instruction& i : fused.instructions) {
    if (i.kind != Instruction::Kind::compute_sum) continue;
    const Step& step = bench.program.step(i.step);
    const std::string& name = bench.program.graph().node(step.node).name;
    EXPECT_TRUE(name == "plain" || name == "operator") << name;
    ++sums;
  }
  EXPECT_EQ(sums, 6);
  expect_same_results(bench.run(bench.plan(schemes, {.fuse_readers = false}), bench.batch),
                      bench.run(fused, bench.batch));
}

TEST(RunWalkTest, schemes_differ_where_their_precisions_do) {
  Bench bench(2);
  const std::vector<Assignment> schemes = {{0, 0, 0, 0, 0}, {2, 2, 2, 2, 2}, {1, 1, 1, 1, 1}};
  const Recorder seen = bench.run(bench.plan(schemes), bench.batch);
  EXPECT_FALSE(same_bits(seen.results.at(0)[0], seen.results.at(1)[0]));
  EXPECT_FALSE(same_bits(seen.results.at(1)[0], seen.results.at(2)[0]));
  const Tensor& exact = seen.results.at(0)[0];
  const Tensor& int8 = seen.results.at(1)[0];
  for (std::size_t i = 0; i < static_cast<std::size_t>(exact.size()); ++i) {
    EXPECT_NEAR(exact.data<float>()[i], int8.data<float>()[i], 0.2);
  }
}

TEST(RunWalkTest, the_float_scheme_is_the_float_run) {
  Bench bench(3);
  const Assignment floats(5, 0);
  const Recorder seen = bench.run(bench.plan({&floats, 1}), bench.batch);
  EXPECT_TRUE(same_bits(seen.results.at(0)[0], run_float(bench.program, {bench.batch})[0]));
}

TEST(RunWalkTest, rows_do_not_depend_on_their_batch) {
  Bench bench(5);
  const std::vector<Assignment> schemes = bench.random_schemes(12, 9);
  const Walk walk = bench.plan(schemes);
  const Recorder whole = bench.run(walk, bench.batch);
  const Recorder part = bench.run(walk, bench.batch.rows(1, 3));
  for (std::size_t s = 0; s < schemes.size(); ++s) {
    const Tensor want = whole.results.at(static_cast<int>(s))[0].rows(1, 3);
    const Tensor& got = part.results.at(static_cast<int>(s))[0];
    ASSERT_EQ(got.shape(), want.shape());
    for (std::size_t i = 0; i < static_cast<std::size_t>(got.size()); ++i) {
      EXPECT_NEAR(got.data<float>()[i], want.data<float>()[i], 1e-4f);
    }
  }
}

TEST(RunWalkTest, block_formats_find_their_scales_image_by_image_and_are_shared) {
  std::vector<Precision> precisions;
  for (const char* name : {"FP32", "NVFP4", "MXFP4", "MXFP8", "W8A8"})
    precisions.push_back(parse_precision(name));
  Bench bench(4, precisions);
  const std::vector<Assignment> schemes = bench.random_schemes(20, 4);
  const Walk walk = bench.plan(schemes);
  const Recorder whole = bench.run(walk, bench.batch);
  expect_same_results(bench.run(bench.plan(schemes, {.reuse = false}), bench.batch), whole);
  const Recorder part = bench.run(walk, bench.batch.rows(1, 3));
  for (const auto& [scheme, outputs] : part.results) {
    const Tensor want = whole.results.at(scheme)[0].rows(1, 3);
    for (std::size_t i = 0; i < static_cast<std::size_t>(want.size()); ++i)
      EXPECT_NEAR(outputs[0].data<float>()[i], want.data<float>()[i], 0.05f);
  }
}

TEST(RunWalkTest, memory_stays_within_the_plan_and_is_given_back) {
  Bench bench(4);
  const std::vector<Assignment> schemes = bench.random_schemes(40, 5);
  const Walk walk = bench.plan(schemes);
  class Forget : public WalkSink {
    void output(int, std::span<const Tensor>) override {}
  } forget;
  run_walk(walk, bench.bank, bench.batch, forget);  // prepares the layers
  const std::uint64_t before = tensor_bytes();
  run_walk(walk, bench.bank, bench.batch, forget);
  EXPECT_EQ(tensor_bytes(), before);
}

TEST(RunWalkTest, a_probe_shows_the_layer_before_and_after) {
  Bench bench(2);
  std::vector<Assignment> schemes(1, Assignment(5, 0));
  for (std::size_t layer = 0; layer < 5; ++layer) {
    for (std::uint8_t p = 1; p < 5; ++p) {
      schemes.emplace_back(5, 0);
      schemes.back()[layer] = p;
    }
  }
  schemes.push_back(Assignment(5, 2));
  WalkOptions options;
  options.probe = true;
  std::map<ValueId, Tensor> floats;
  (void)run_float(bench.program, {bench.batch},
                  [&](ValueId id, const Tensor& t) { floats[id] = t; });
  const Recorder seen = bench.run(bench.plan(schemes, options), bench.batch);
  EXPECT_EQ(seen.probes.size(), 5u * 4 + 5);
  int twins = 0;
  for (const auto& [key, probe] : seen.probes) {
    const auto [scheme, index] = key;
    const Assignment& assignment = schemes[static_cast<std::size_t>(scheme)];
    const int precision = assignment[index.index()];
    const PreparedLayer& layer = bench.bank.at(index, precision);
    const ValueId output = bench.program.step(bench.program.step_of(index)).outputs[0];
    EXPECT_TRUE(same_bits(probe.baseline, floats.at(output)));
    EXPECT_TRUE(std::ranges::equal(probe.quantized_input.data<float>(),
                                   fake_quantize(probe.input, layer.activation).data<float>()))
        << "scheme " << scheme << " layer " << index.value();
    if (probe.twin >= 0) {
      const Recorder::Seen& twin = seen.probes.at({probe.twin, index});
      EXPECT_TRUE(same_bits(probe.input, twin.input));
      EXPECT_TRUE(same_bits(probe.quantized_input, twin.quantized_input));
      EXPECT_EQ(twin.twin, -1);
      ++twins;
    }
    const bool alone = assignment != Assignment(5, 2);
    if (alone) {
      EXPECT_TRUE(same_bits(probe.input, floats.at(bench.program.layer(index).input)));
    }
    const Tensor want = layer.kernel->run(layer.integer ? quantize(probe.input, layer.activation)
                                                        : probe.quantized_input);
    EXPECT_TRUE(same_bits(probe.value, want)) << "scheme " << scheme << " layer " << index.value();
  }
  EXPECT_EQ(twins, 6);  // W4A8 and W8A8 of each layer, and layer a in the last scheme
  options.reuse = false;
  const Recorder separate = bench.run(bench.plan(schemes, options), bench.batch);
  ASSERT_EQ(separate.probes.size(), seen.probes.size());
  for (const auto& [key, probe] : seen.probes) {
    EXPECT_TRUE(same_bits(probe.value, separate.probes.at(key).value));
    EXPECT_TRUE(same_bits(probe.quantized_input, separate.probes.at(key).quantized_input));
  }
}

}  // namespace
}  // namespace qsweep
