#include <gtest/gtest.h>

#include "src/base/error.h"
#include "src/base/random.h"

#include "sweep/plan/scheme.h"

#include "tests/plan/layers.h"
#include "tests/support/layer_ids.h"

namespace qsweep {
namespace {

const std::vector<Layer>& layers() {
  static const std::vector<Layer> all =
      test::layers_named({"stem.conv1", "stack1.conv1", "stack1.conv2", "stack3.conv1", "fc"});
  return all;
}

/// Names of the precisions a text gives to the layers.
std::vector<std::string> parsed(std::string_view text, const std::vector<Layer>& of = layers()) {
  PrecisionSet set;
  std::vector<std::string> names;
  for (std::uint8_t p : parse_scheme(text, of, set)) names.push_back(set.at(p).name);
  return names;
}

template <class F>
std::string message_of(F&& f) {
  try {
    f();
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), ErrorCode::config);
    return e.what();
  }
  return "accepted";
}

using Names = std::vector<std::string>;

TEST(ParseSchemeTest, later_rules_win) {
  EXPECT_EQ(parsed("*=W4A8F; stem.conv1=FP16; re:stack3.*=W8A8; stack1.*=W8A8; stack1.conv2=FP32"),
            (Names{"FP16", "W8A8", "FP32", "W8A8", "W4A8F"}));
  EXPECT_EQ(parsed("fc=FP16; *=W8A8"), (Names(5, "W8A8")));
}

TEST(ParseSchemeTest, layers_without_rule_are_fp32) {
  EXPECT_EQ(parsed("fc=W8A8"), (Names{"FP32", "FP32", "FP32", "FP32", "W8A8"}));
}

TEST(ParseSchemeTest, reads_lines_and_comments_as_in_a_file) {
  EXPECT_EQ(parsed("# all; of=it\n  *=W8A8 \n\n;;fc = fp16;# the=rest\nstem.conv1=FP16\n"),
            (Names{"FP16", "W8A8", "W8A8", "W8A8", "FP16"}));
}

TEST(ParseSchemeTest, names_with_odd_characters_are_quoted) {
  const auto odd = test::layers_named({"a;b", "a", "x=y", "conv[1]", "conv1", "say \"hi\"", "re:x",
                                       "#1", " pad ", "new\nline", "*"});
  EXPECT_EQ(parsed("\"a;b\"=W8A8; x=y=FP16; \"say \"\"hi\"\"\" = W8A8; \"re:x\"=FP16", odd),
            (Names{"W8A8", "FP32", "FP16", "FP32", "FP32", "W8A8", "FP16", "FP32", "FP32", "FP32",
                   "FP32"}));
  EXPECT_EQ(parsed("\"*\"=W8A8", odd).front(), "FP32") << "quoted, a star is a name";
  EXPECT_EQ(parsed("\"*\"=W8A8", odd).back(), "W8A8");
}

TEST(ParseSchemeTest, says_what_is_wrong) {
  const auto error = [](std::string_view text) { return message_of([&] { (void)parsed(text); }); };
  const std::string hint = "Write rules as SELECTOR=PRECISION; e.g. '*=W8A8; conv1=FP16'.";
  EXPECT_EQ(error("*=W8A8; fc FP16"), "'fc FP16' is not a rule [scheme]. " + hint);
  EXPECT_EQ(error("=FP16"), "'=FP16' is not a rule [scheme]. " + hint);
  EXPECT_EQ(error("\"fc=FP16"), "'\"fc=FP16' is not a rule [scheme]. " + hint);
  EXPECT_EQ(error("\"fc\" FP16"), "'\"fc\" FP16' is not a rule [scheme]. " + hint);
  EXPECT_EQ(error("\"fc\"x=FP16"), "'\"fc\"x=FP16' is not a rule [scheme]. " + hint);
  EXPECT_EQ(error(" ; \n# nothing\n"), "the scheme is empty [scheme]. " + hint);
  EXPECT_EQ(error("*=W8A7"), "unknown precision 'W8A7'. Did you mean 'W8A8', 'W4A8' or 'W8A8F'?");
  EXPECT_EQ(error("stem.conv=FP16"),
            "selector 'stem.conv' matches no layer. Did you mean 'stem.conv1', 'stack1.conv1' "
            "or 'stack1.conv2'?");
  EXPECT_EQ(error("\"fcc\"=FP16"), "there is no layer 'fcc' [scheme]. Did you mean 'fc'?");
  EXPECT_EQ(error("zzz*=FP16"),
            "selector 'zzz*' matches no layer. List the layers with `qsweep inspect`.");
  EXPECT_TRUE(error("re:(=FP16").starts_with("'re:(' is not a regular expression: "));
}

TEST(ToTextTest, names_the_common_precision_and_the_others) {
  PrecisionSet set;
  const std::uint8_t w8 = set.add("W8A8"), half = set.add("FP16");
  const auto text = [&](const std::vector<std::uint8_t>& p) { return to_text(p, layers(), set); };
  EXPECT_EQ(text({w8, w8, w8, w8, w8}), "*=W8A8");
  EXPECT_EQ(text({half, w8, w8, w8, 0}), "*=W8A8; stem.conv1=FP16; fc=FP32");
}

TEST(ToTextTest, is_read_back_whatever_the_names) {
  const auto odd = test::layers_named(
      {"model/activation/Relu;model/batch_normalization/FusedBatchNormV3;model/conv2d/Conv2D1",
       "model/activation/Relu", "x=y", "conv[1]", "conv1", "say \"hi\"", "\"", "\"\"", "re:x", "#1",
       " pad ", "new\nline", "*", "?", "a;b=W8A8"});
  PrecisionSet set;
  for (const char* name : {"W8A8", "FP16", "W4A16:g32", "W8FA8F:tensor"}) set.add(name);
  Random random(1);
  for (int trial = 0; trial < 200; ++trial) {
    std::vector<std::uint8_t> precision(odd.size());
    for (auto& p : precision) p = static_cast<std::uint8_t>(random.below(set.all().size()));
    const std::string text = to_text(precision, odd, set);
    EXPECT_EQ(parse_scheme(text, odd, set), precision) << text;
  }
}

TEST(SelectLayersTest, matches_names_globs_and_expressions) {
  const auto select = [](std::string_view s) { return select_layers(s, layers()); };
  EXPECT_EQ(select("fc"), test::layer_ids({4}));
  EXPECT_EQ(select("*.conv1"), test::layer_ids({0, 1, 3}));
  EXPECT_EQ(select("stack[12].*"), test::layer_ids({1, 2}));
  EXPECT_EQ(select("stack?.conv1"), test::layer_ids({1, 3}));
  EXPECT_EQ(select("re:stack\\d\\.conv1"), test::layer_ids({1, 3}));
  EXPECT_EQ(select("*"), test::layer_ids({0, 1, 2, 3, 4}));
  EXPECT_THROW((void)select("re:conv1"), Error) << "the expression covers the whole name";
}

TEST(SelectLayersTest, an_exact_name_wins_over_its_meaning_as_a_pattern) {
  const auto odd = test::layers_named({"conv1", "conv[1]"});
  EXPECT_EQ(select_layers("conv[1]", odd), test::layer_ids({1}));
  EXPECT_EQ(select_layers("conv[12]", odd), test::layer_ids({0}));
}

}  // namespace
}  // namespace qsweep
