#include "src/exec/placement.h"

#include <map>
#include <set>

#include <gtest/gtest.h>

#include "src/exec/walk.h"

#include "tests/exec/tiny_graphs.h"

namespace qsweep {
namespace {

using test::branched_graph;

std::set<std::string> names(const Program& program, std::span<const ValueId> values) {
  std::set<std::string> all;
  for (const ValueId id : values) all.insert(program.graph().value(id).name);
  return all;
}

Program program_of(Graph graph) {
  return Program(std::move(graph), Program::Epilogues::relu);
}

/// Statistics of the points beside those of the layers' inputs.
QuantSetup setup_for(const Program& program,
                     const QuantizerPlacement& placement,
                     std::vector<Precision> precisions,
                     const Tensor& batch) {
  QuantSetup setup = test::setup_for(program, std::move(precisions), batch);
  setup.placement = &placement;
  std::map<ValueId, TensorStats> stats;
  (void)run_float(program, {batch}, [&](ValueId value, const Tensor& tensor) {
    if (tensor.dtype() == DType::f32)
      stats[value].add_range(tensor.to_layout(Layout::row_major).data<float>());
  });
  for (std::size_t i = 0; i < program.layers().size(); ++i)
    setup.input_stats[i] = stats.at(placement.range_of(program.layers()[i].input));
  for (const ValueId point : placement.points()) setup.point_stats.push_back(stats.at(point));
  return setup;
}

class Outputs : public WalkSink {
 public:
  void output(int scheme, std::span<const Tensor> outputs) override {
    results[scheme] = {outputs.begin(), outputs.end()};
  }
  std::map<int, std::vector<Tensor>> results;
};

TEST(PlacementTest, a_generic_target_rounds_the_inputs_of_layers_alone) {
  const Program program = program_of(branched_graph());
  const QuantizerPlacement placement(program, find_target("generic"));
  EXPECT_TRUE(placement.is_empty());
  EXPECT_TRUE(placement.points().empty());
}

TEST(PlacementTest, onnxruntime_rounds_outputs_sums_concatenations_and_means) {
  const Program program = program_of(branched_graph());
  const QuantizerPlacement placement(program, find_target("onnxruntime"));
  // A Relu belongs to the kernel before it; the last Gemm may give reals.
  EXPECT_EQ(names(program, placement.points()),
            (std::set<std::string>{"ra_out", "b_out", "rs_out", "c_out", "rd_out", "both_out",
                                   "pool_out"}));
  const ValueId flat = *program.graph().find_value("flat_out");
  EXPECT_EQ(program.graph().value(placement.range_of(flat)).name, "pool_out");
}

TEST(PlacementTest, a_chain_ends_where_an_operand_is_real) {
  const Program program = program_of(branched_graph());
  const QuantizerPlacement placement(program, find_target("onnxruntime"));
  const std::vector<Precision> precisions = {parse_precision("FP32"), parse_precision("W8A8"),
                                             parse_precision("W4A8")};
  const auto rounded = [&](const Assignment& assignment) {
    Chain chain(program, placement, precisions);
    std::set<std::string> found;
    for (const StepId id : ids<StepId>(program.steps().size())) {
      const Step& step = program.step(id);
      chain.visit(id, step.layer ? assignment[step.layer.index()] : std::uint8_t{0});
      for (const ValueId value : step.outputs) {
        if (chain.format_of(value) != Chain::kReal) found.insert(program.graph().value(value).name);
      }
    }
    return found;
  };
  EXPECT_EQ(rounded({1, 1, 1, 1, 1}),
            (std::set<std::string>{"ra_out", "b_out", "rs_out", "c_out", "rd_out", "both_out",
                                   "pool_out", "flat_out"}));
  EXPECT_EQ(rounded({1, 0, 1, 1, 1}), (std::set<std::string>{"ra_out", "c_out", "rd_out",
                                                             "both_out", "pool_out", "flat_out"}));
  // INT4 weights make no integer kernel there.
  EXPECT_EQ(rounded({2, 1, 1, 0, 1}), (std::set<std::string>{"b_out", "c_out"}));
}

TEST(PlacementTest, walks_round_where_the_chain_says_and_reuse_changes_no_bit) {
  const Program program = program_of(branched_graph());
  const QuantizerPlacement placement(program, find_target("onnxruntime"));
  const Tensor batch = test::random_tensor({3, 3, 8, 8}, 1);
  const QuantSetup setup =
      setup_for(program, placement, {parse_precision("FP32"), parse_precision("W8A8")}, batch);
  LayerBank bank(program, setup);
  const Trace trace = program.trace(batch.shape());
  std::vector<Assignment> schemes;
  for (unsigned bits = 0; bits < 32; ++bits) {
    Assignment assignment;
    for (unsigned layer = 0; layer < 5; ++layer)
      assignment.push_back(static_cast<std::uint8_t>((bits >> layer) & 1u));
    schemes.push_back(assignment);
  }
  Outputs shared;
  run_walk(plan_walk(program, trace, setup.precisions, schemes, {.placement = &placement}), bank,
           batch, shared);
  for (std::size_t s = 0; s < schemes.size(); ++s) {
    Outputs alone;
    run_walk(plan_walk(program, trace, setup.precisions, {&schemes[s], 1},
                       {.reuse = false, .fuse_readers = false, .placement = &placement}),
             bank, batch, alone);
    const auto a = shared.results.at(static_cast<int>(s))[0].data<float>();
    const auto b = alone.results.at(0)[0].data<float>();
    EXPECT_TRUE(std::equal(a.begin(), a.end(), b.begin(), b.end())) << "scheme " << s;
  }
}

TEST(PlacementTest, a_sum_is_computed_as_onnxruntime_computes_it) {
  // One residual sum: dequantize both operands, add, round half to even.
  test::GraphBuilder g;
  const ValueId x = g.input({-1, 2, 4, 4});
  const ValueId a = g.conv("a", x, 2, 2);
  const ValueId b = g.conv("b", a, 2, 2);
  const Program program = program_of(g.finish({g.node("Add", "sum", {a, b})}));
  const QuantizerPlacement placement(program, find_target("onnxruntime"));
  const Tensor batch = test::random_tensor({1, 2, 4, 4}, 5);
  const QuantSetup setup =
      setup_for(program, placement, {parse_precision("FP32"), parse_precision("W8A8")}, batch);
  LayerBank bank(program, setup);
  const std::vector<Assignment> schemes = {{1, 1}};
  Outputs got;
  run_walk(plan_walk(program, program.trace(batch.shape()), setup.precisions, schemes,
                     {.placement = &placement}),
           bank, batch, got);

  const auto rounded = [&](const Tensor& value, const char* name) {
    for (const StepId id : ids<StepId>(program.steps().size())) {
      if (program.graph().value(program.step(id).outputs[0]).name == name)
        return fake_quantize(value, bank.rounding(id, 0));
    }
    ADD_FAILURE() << name;
    return value;
  };
  const auto layer = [&](int number, const Tensor& input) {
    const PreparedLayer& prepared = bank.at(LayerId(number), 1);
    return prepared.kernel->run(quantize(input, prepared.activation));
  };
  const Tensor first = rounded(layer(0, batch), "a_out").to_layout(Layout::row_major);
  const Tensor second = rounded(layer(1, first), "b_out").to_layout(Layout::row_major);
  Tensor sum(DType::f32, first.shape());
  for (std::size_t i = 0; i < first.data<float>().size(); ++i)
    sum.mutable_data<float>()[i] = first.data<float>()[i] + second.data<float>()[i];
  const Tensor want = rounded(sum, "sum_out");
  const auto w = want.data<float>();
  const auto o = got.results.at(0)[0].data<float>();
  EXPECT_TRUE(std::equal(w.begin(), w.end(), o.begin(), o.end()));
}

}  // namespace
}  // namespace qsweep
