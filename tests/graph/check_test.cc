#include <gtest/gtest.h>

#include "src/graph/graph.h"

#include "tests/graph/graph_builder.h"

namespace qsweep {
namespace {

using testing::GraphBuilder;

Graph two_nodes() {
  return GraphBuilder()
      .input("x", {1, 4})
      .node("Relu", {"x"}, {"a"})
      .node("Add", {"a", "a"}, {"y"})
      .output("y")
      .build();
}

TEST(GraphTest, looks_up_producers_and_consumers) {
  const Graph graph = two_nodes();
  const ValueId a = graph.find_value("a").value();
  EXPECT_EQ(graph.producer(a), NodeId(0));
  EXPECT_EQ(graph.producer(graph.inputs[0]), NodeId());
  EXPECT_EQ(graph.producer(kNoValue), NodeId());
  EXPECT_EQ(graph.consumers(a), std::vector{NodeId(1)});  // once, though both operands are `a`
  EXPECT_FALSE(graph.find_value("missing"));
}

TEST(GraphTest, check_refuses_disorder) {
  Graph graph = two_nodes();
  std::swap(graph.nodes[0], graph.nodes[1]);
  EXPECT_THROW(check(graph), Error);
}

TEST(GraphTest, check_refuses_two_producers) {
  Graph graph = two_nodes();
  graph.nodes[1].outputs = graph.nodes[0].outputs;
  EXPECT_THROW(check(graph), Error);
}

TEST(GraphTest, check_refuses_unknown_ids_and_bad_names) {
  Graph graph = two_nodes();
  graph.nodes[1].inputs[0] = 99;
  EXPECT_THROW(check(graph), Error);
  graph = two_nodes();
  graph.nodes[1].name = graph.nodes[0].name;
  EXPECT_THROW(check(graph), Error);
  graph = two_nodes();
  graph.nodes[1].name.clear();
  EXPECT_THROW(check(graph), Error);
}

}  // namespace
}  // namespace qsweep
