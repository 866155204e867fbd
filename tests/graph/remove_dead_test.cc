#include <gtest/gtest.h>

#include "src/graph/passes.h"

#include "tests/graph/graph_builder.h"

namespace qsweep {
namespace {

using testing::GraphBuilder;

TEST(RemoveDeadTest, drops_unused_nodes_and_constants_and_keeps_the_interface) {
  Graph graph = GraphBuilder()
                    .constant("unused", {1}, {1})
                    .input("x", {1, 4})
                    .input("ignored", {1})
                    .node("Relu", {"x"}, {"side"})
                    .constant("c", {1}, {2})
                    .node("Sigmoid", {"side"}, {"side2"})
                    .node("Add", {"x", "c"}, {"y"})
                    .output("y")
                    .build();
  remove_dead(graph);
  check(graph);
  EXPECT_EQ(testing::ops_of(graph), std::vector<std::string>{"Add"});
  EXPECT_EQ(graph.values.size(), 4U);  // x, ignored, c, y
  EXPECT_FALSE(graph.find_value("unused"));
  EXPECT_EQ(graph.inputs.size(), 2U);
  EXPECT_EQ(graph.value(graph.outputs[0]).name, "y");
  EXPECT_EQ(graph.value(graph.nodes[0].inputs[1]).name, "c");
  EXPECT_EQ(testing::floats_of(graph, graph.nodes[0].inputs[1]), std::vector<float>{2});
}

TEST(RemoveDeadTest, keeps_a_node_whose_second_result_is_used) {
  Graph graph = GraphBuilder()
                    .input("x", {1, 4})
                    .node("Split", {"x", ""}, {"a", "b"})
                    .node("Relu", {"b"}, {"y"})
                    .output("y")
                    .build();
  remove_dead(graph);
  check(graph);
  EXPECT_EQ(testing::ops_of(graph), (std::vector<std::string>{"Split", "Relu"}));
  EXPECT_EQ(graph.nodes[0].inputs[1], kNoValue);
}

}  // namespace
}  // namespace qsweep
