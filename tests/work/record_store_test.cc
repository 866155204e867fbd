#include "sweep/work/record_store.h"

#include <gtest/gtest.h>

#include "src/base/error.h"

#include "io/fs/file_system.h"

#include "tests/io/temp_dir.h"

namespace qsweep {
namespace {

Bytes bytes(std::string_view text) {
  const ByteView view = as_bytes(text);
  return {view.begin(), view.end()};
}

Identity identity(const std::string& seed, const std::string& program = "") {
  Identity identity;
  identity.add("seed", seed, Decides::statistics);
  identity.add("latency.batch", seed, Decides::latency);
  add_engine(identity);
  if (program.empty()) return identity;
  Identity other;
  for (const Identity::Entry& e : identity.entries()) {
    if (e.is_engine) {
      other.add_engine(e.name, e.name == "program" ? program : e.value);
    } else {
      other.add(e.name, e.value, e.decides);
    }
  }
  return other;
}

class RecordStoreTest : public ::testing::Test {
 protected:
  std::filesystem::path journal() const { return folder_.path() / "journal.qsj"; }
  RecordStore open(const Identity& of) { return {real_file_system(), journal(), of}; }
  std::string refusal(const std::function<void()>& read) {
    try {
      read();
    } catch (const Error& e) {
      EXPECT_EQ(e.code(), ErrorCode::mismatch);
      return e.what();
    }
    return {};
  }

  testing::TempDir folder_;
};

TEST_F(RecordStoreTest, records_are_found_by_kind_and_key_after_reopening) {
  {
    RecordStore store = open(identity("42"));
    store.put(RecordKind::evaluation, "b", bytes("one"));
    store.put(RecordKind::failure, "b", bytes("two"));
    store.put(RecordKind::evaluation, "a", bytes("three"));
    store.put(RecordKind::evaluation, "b", bytes("four"));
  }
  const RecordStore store = open(identity("42"));
  ASSERT_NE(store.find(RecordKind::evaluation, "b"), nullptr);
  EXPECT_EQ(*store.find(RecordKind::evaluation, "b"), bytes("four")) << "the later one counts";
  EXPECT_EQ(*store.find(RecordKind::failure, "b"), bytes("two"));
  EXPECT_EQ(store.find(RecordKind::latency, "b"), nullptr);
  const auto all = store.all(RecordKind::evaluation);
  ASSERT_EQ(all.size(), 2u);
  EXPECT_EQ(all[0].first, "a");
}

TEST_F(RecordStoreTest, another_identity_is_refused_with_every_difference) {
  { RecordStore store = open(identity("42")); }
  const std::string text = refusal([&] { (void)open(identity("43")); });
  EXPECT_NE(text.find("seed was 42, is 43"), std::string::npos) << text;
  EXPECT_EQ(text.find("latency"), std::string::npos) << "its records have a key of their own";
  EXPECT_NE(
      refusal([&] { (void)RecordStore::read_only(real_file_system(), journal(), identity("43")); }),
      "");
}

TEST_F(RecordStoreTest, another_program_may_read_but_not_extend) {
  { RecordStore store = open(identity("42", "qsweep 0 older")); }
  EXPECT_NE(refusal([&] { (void)open(identity("42")); }).find("program was qsweep 0 older"),
            std::string::npos);
  EXPECT_NE(
      refusal([&] { (void)RecordStore::preview(real_file_system(), journal(), identity("42")); }),
      "");
  EXPECT_EQ(
      refusal([&] { (void)RecordStore::read_only(real_file_system(), journal(), identity("42")); }),
      "");
}

TEST_F(RecordStoreTest, layer_inputs_stay_in_memory) {
  {
    RecordStore store = open(identity("42"));
    store.put(RecordKind::inputs, "chunk", bytes("large"));
    EXPECT_NE(store.find(RecordKind::inputs, "chunk"), nullptr);
    store.drop(RecordKind::inputs);
    EXPECT_EQ(store.find(RecordKind::inputs, "chunk"), nullptr);
    store.put(RecordKind::inputs, "chunk", bytes("large"));
  }
  EXPECT_EQ(open(identity("42")).size(), 0u);
}

}  // namespace
}  // namespace qsweep
