#include <gtest/gtest.h>

#include "src/graph/passes.h"

namespace qsweep {
namespace {

std::vector<std::string> named(
    const std::vector<std::pair<std::string, std::string>>& op_and_name) {
  Graph graph;
  for (const auto& [op, name] : op_and_name) {
    Node node;
    node.op = op;
    node.name = name;
    graph.nodes.push_back(node);
  }
  name_nodes(graph);
  std::vector<std::string> names;
  for (const Node& node : graph.nodes) names.push_back(node.name);
  name_nodes(graph);  // naming again changes nothing
  for (std::size_t n = 0; n < names.size(); ++n) EXPECT_EQ(graph.nodes[n].name, names[n]);
  return names;
}

using Names = std::vector<std::string>;

TEST(NameNodesTest, keeps_unique_names) {
  EXPECT_EQ(named({{"Conv", "a"}, {"Relu", "b"}}), (Names{"a", "b"}));
}

TEST(NameNodesTest, numbers_repeated_names_in_order) {
  EXPECT_EQ(named({{"Conv", "c"}, {"Conv", "c"}, {"Relu", "c"}}), (Names{"c", "c#2", "c#3"}));
}

TEST(NameNodesTest, names_unnamed_nodes_by_operator_and_place) {
  EXPECT_EQ(named({{"Conv", "Conv"}, {"Conv", "Conv"}, {"Conv", ""}}),
            (Names{"Conv", "Conv#2", "Conv_2"}));
}

TEST(NameNodesTest, made_up_names_never_take_a_real_one) {
  EXPECT_EQ(named({{"Conv", ""}, {"Relu", "Conv_0"}}), (Names{"Conv_0#2", "Conv_0"}));
  EXPECT_EQ(named({{"A", "x"}, {"A", "x"}, {"A", "x#2"}}), (Names{"x", "x#3", "x#2"}));
}

}  // namespace
}  // namespace qsweep
