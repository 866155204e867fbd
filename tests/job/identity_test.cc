#include "sweep/job/identity.h"

#include <map>
#include <set>

#include <gtest/gtest.h>

#include "sweep/job/workload.h"

namespace qsweep {
namespace {

Identity some() {
  Identity identity;
  identity.add("model", "m1", Decides::statistics);
  identity.add("quantization.bins", "128", Decides::schemes);
  identity.add("data.evaluation.shard", "250", Decides::outcomes);
  identity.add("latency.batch", "1", Decides::latency);
  identity.add_engine("program", "qsweep 1 abc");
  return identity;
}

std::vector<std::string> names(const Identity& identity) {
  std::vector<std::string> names;
  for (const Identity::Entry& e : identity.entries()) names.push_back(e.name);
  return names;
}

using Names = std::vector<std::string>;

TEST(IdentityTest, each_use_takes_what_decides_its_numbers) {
  EXPECT_EQ(names(some().part(IdentityUse::statistics)), (Names{"model", "program"}));
  EXPECT_EQ(names(some().part(IdentityUse::schemes)), (Names{"model", "quantization.bins"}));
  EXPECT_EQ(names(some().part(IdentityUse::records)),
            (Names{"model", "quantization.bins", "data.evaluation.shard", "program"}));
  EXPECT_EQ(names(some().part(IdentityUse::latency)), (Names{"model", "latency.batch"}));
}

TEST(IdentityTest, text_reads_back_and_differences_are_named_with_both_values) {
  const Identity records = some().part(IdentityUse::records);
  EXPECT_TRUE(differences(Identity::parse(records.text()), records).empty());
  Identity other =
      Identity::parse("model m2\nquantization.bins 128\nprogram qsweep 1 abc\nold x\n");
  const auto found = differences(other, records);
  EXPECT_EQ(describe(found),
            "model was m2, is m1; data.evaluation.shard was none, is 250; old was x, is none");
  EXPECT_NE(other.digest(), records.digest());
}

TEST(IdentityTest, long_lists_and_values_are_cut) {
  Identity is;
  for (int i = 0; i < 11; ++i) is.add("key" + std::to_string(i), std::string(200, 'v'), {});
  const std::string text = describe(differences({}, is));
  EXPECT_TRUE(text.ends_with("; and 3 more")) << text;
  EXPECT_LT(text.size(), 1000u);
}

TEST(IdentityTest, a_value_stays_on_its_line) {
  Identity identity;
  identity.add("sweep.schemes", "*=W8A8\nseed 43", Decides::outcomes);
  identity.add("empty", "", Decides::outcomes);
  EXPECT_EQ(identity.text(), "sweep.schemes *=W8A8 seed 43\nempty none\n");
}

JobConfig demo(const std::vector<std::string>& overrides = {}) {
  return load_job(QSWEEP_DEMO_JOB, overrides);
}

/// A change of each key of the job, as an override. A key that no run of the demo can change has
/// another reason to be here: none.
const std::map<std::string, std::string>& changes() {
  static const std::map<std::string, std::string> table = {
      {"input.color", "BGR"},
      {"input.scale", "127.5"},
      {"input.mean", "[0.4, 0.5, 0.5]"},
      {"input.std", "[0.2, 0.25, 0.25]"},
      {"data.calibration.images", "64"},
      {"data.calibration.sampling", "random"},
      {"data.evaluation.images", "100"},
      {"data.evaluation.shard", "50"},
      {"quantization.calibrator", "percentile"},
      {"quantization.percentile", "99.9"},
      {"quantization.bins", "256"},
      {"quantization.weights.axis", "tensor"},
      {"quantization.weights.symmetric", "false"},
      {"quantization.weights.narrow_range", "false"},
      {"quantization.weights.reduce_range", "true"},
      {"quantization.weights.type", "uint8"},
      {"quantization.activations.symmetric", "true"},
      {"quantization.activations.type", "int8"},
      {"quantization.algorithm", "mse"},
      {"quantization.smoothquant_alpha", "0.6"},
      {"quantization.bias_correction", "true"},
      {"quantization.preset", "INT8_DEFAULT_CFG"},
      {"sensitivity.modes", "[all_but]"},
      {"sensitivity.images", "100"},
      {"sensitivity.score", "mse"},
      {"sensitivity.base", "W8A8"},
      {"sweep.tie", "auto"},
      {"sweep.confidence", "0.9"},
      {"latency.source", "none"},
      {"latency.batch", "2"},
      {"latency.iterations", "5"},
      {"latency.warmup_ms", "1"},
      {"activations.images", "1"},
      {"objectives", "[size, accuracy]"},
      {"batch", "3"},
      {"target", "onnxruntime"},
      {"memory_budget_mb", "512"},
      {"seed", "43"},
  };
  return table;
}

/// Whether the records of a run change with a key.
bool decides_records(const JobConfig& job, const std::string& key) {
  for (const JobValue& v : job_values(job)) {
    if (v.key == key)
      return v.decides == Decides::statistics || v.decides == Decides::schemes ||
             v.decides == Decides::outcomes;
  }
  ADD_FAILURE() << key << " is no key of the job";
  return false;
}

TEST(IdentityTest, a_changed_key_changes_the_identity_exactly_where_it_is_marked) {
  const auto base = open_workload(demo());
  const Identity before = base->identity.part(IdentityUse::records);
  // Digests of what a key chooses change with it; so they do not excuse another key.
  const std::set<std::string> contents = {"calibration_images", "evaluation_images"};
  for (const auto& [key, value] : changes()) {
    SCOPED_TRACE(key);
    const auto changed = open_workload(demo({key + "=" + value}));
    std::set<std::string> found;
    for (const auto& d : differences(before, changed->identity.part(IdentityUse::records))) {
      if (!contents.contains(d.name)) found.insert(d.name);
    }
    if (decides_records(base->job, key)) {
      EXPECT_TRUE(found.contains(key));
    } else {
      EXPECT_TRUE(found.empty()) << *found.begin();
    }
  }
}

TEST(IdentityTest, every_key_that_decides_records_is_tried) {
  // Keys that the demo's model and data leave no other value for.
  const std::set<std::string> fixed = {"task",
                                       "classes",
                                       "input.layout",
                                       "shapes",
                                       "data.calibration.format",
                                       "data.evaluation.format"};
  for (const JobValue& v : job_values(demo())) {
    const bool belongs_elsewhere = v.key.starts_with("head.") || v.key.starts_with("input.resize");
    if (v.decides == Decides::nothing || fixed.contains(v.key) || belongs_elsewhere) continue;
    EXPECT_TRUE(changes().contains(v.key)) << v.key;
  }
}

TEST(IdentityTest, scheme_ids_do_not_depend_on_machine_or_evaluation) {
  const auto a = open_workload(demo());
  const auto b = open_workload(demo({"data.evaluation.images=100", "latency.batch=4"}));
  const auto c = open_workload(demo({"quantization.calibrator=percentile"}));
  EXPECT_EQ(a->uniform(1).id, b->uniform(1).id);
  EXPECT_NE(a->uniform(1).id, c->uniform(1).id);
}

}  // namespace
}  // namespace qsweep
