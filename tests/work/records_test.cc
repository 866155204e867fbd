#include "sweep/work/records.h"

#include <functional>
#include <limits>

#include <gtest/gtest.h>

#include "src/base/error.h"

#include "sweep/work/tasks.h"

namespace qsweep {
namespace {

ErrorSums sums(double scale) {
  return {.count = 7,
          .reference_squares = scale,
          .value_squares = 2 * scale,
          .error_squares = -0.0,
          .products = std::numeric_limits<double>::infinity()};
}

bool equal(const ErrorSums& a, const ErrorSums& b) {
  return a.count == b.count && a.reference_squares == b.reference_squares &&
         a.value_squares == b.value_squares && a.error_squares == b.error_squares &&
         a.products == b.products;
}

ShardResult shard_result() {
  const ByteView outcomes = as_bytes(std::string_view("\0\1out", 5));
  return {.outcomes = {outcomes.begin(), outcomes.end()},
          .kl_sum = 0.1 + 0.2,
          .output_error = sums(1.5),
          .nonfinite = true,
          .seconds = 1e-9,
          .probes = {{.layer = LayerId(0), .output = sums(3), .input = sums(4)},
                     {.layer = LayerId(300), .output = sums(5), .input = sums(6)}}};
}

TEST(RecordsTest, a_shard_result_reads_back_to_the_bit) {
  const ShardResult was = shard_result();
  const ShardResult is = decode_shard_result(encode(was), "test");
  EXPECT_EQ(is.outcomes, was.outcomes);
  EXPECT_EQ(is.kl_sum, was.kl_sum);
  EXPECT_TRUE(equal(is.output_error, was.output_error));
  EXPECT_TRUE(is.nonfinite);
  EXPECT_EQ(is.seconds, was.seconds);
  ASSERT_EQ(is.probes.size(), 2u);
  EXPECT_EQ(is.probes[1].layer, LayerId(300));
  EXPECT_TRUE(equal(is.probes[1].output, was.probes[1].output));
  EXPECT_TRUE(equal(is.probes[0].input, was.probes[0].input));
}

TEST(RecordsTest, ledger_and_sessions_read_back) {
  const RunResults::TaskTime time{.stage = "sweep",
                                  .key = "3 schemes",
                                  .rank = 5,
                                  .start_s = 1.25,
                                  .seconds = 0.5,
                                  .bytes = 1234,
                                  .work = 1e12,
                                  .work_without_reuse = 2e12,
                                  .session = 2};
  const RunResults::TaskTime read = decode_task_time(encode(time), "test");
  EXPECT_EQ(read.stage, "sweep");
  EXPECT_EQ(read.key, "3 schemes");
  EXPECT_EQ(read.rank, 5);
  EXPECT_EQ(read.start_s, 1.25);
  EXPECT_EQ(read.bytes, 1234);
  EXPECT_EQ(read.work_without_reuse, 2e12);
  EXPECT_EQ(read.session, 2);
  const SessionRecord session{
      .ranks = 3, .stage_seconds = {{"baseline", 0.5}, {"sweep", 2.0}}, .peak_bytes = 1u << 30};
  const SessionRecord again = decode_session(encode(session), "test");
  EXPECT_EQ(again.ranks, 3);
  EXPECT_EQ(again.stage_seconds, session.stage_seconds);
  EXPECT_EQ(again.peak_bytes, session.peak_bytes);
}

TEST(RecordsTest, texts_and_statistics_read_back) {
  EXPECT_EQ(decode_failure(encode_failure("why\n"), "test"), "why\n");
  EXPECT_EQ(decode_latency(encode_latency("a,b\n1,2\n"), "test"), "a,b\n1,2\n");
  EXPECT_EQ(decode_activation_part(encode_activation_part("rank-0.h5"), "test"), "rank-0.h5");
  TensorStats stats;
  stats.add_range(std::vector<float>{-1.0f, 2.0f});
  EXPECT_EQ(decode_ranges(encode_ranges({stats, stats}), "test"), (std::vector{stats, stats}));
  Adaptation adaptation;
  adaptation.scale = {1.0f, 2.0f};
  adaptation.error = 0.5;
  EXPECT_EQ(decode_adaptation(encode(adaptation), "test"), adaptation);
}

TEST(RecordsTest, bytes_that_are_no_record_are_an_error_that_says_where) {
  const ByteView nonsense = as_bytes(std::string_view("\xff\xff\xff\xff nonsense"));
  const std::vector<std::function<void()>> reads = {
      [&] { (void)decode_shard_result(nonsense, "here"); },
      [&] { (void)decode_ranges(nonsense, "here"); },
      [&] { (void)decode_adaptation(nonsense, "here"); },
      [&] { (void)decode_failure(nonsense, "here"); },
      [&] { (void)decode_task_time(nonsense, "here"); },
      [&] { (void)decode_session(nonsense, "here"); }};
  for (const auto& read : reads) {
    try {
      read();
      ADD_FAILURE() << "accepted";
    } catch (const Error& e) {
      EXPECT_EQ(e.code(), ErrorCode::corrupt_input);
      EXPECT_NE(std::string(e.what()).find("here"), std::string::npos) << e.what();
    }
  }
}

TEST(TasksTest, an_evaluation_reads_back_and_none_of_its_beginnings_does) {
  const EvaluateTask was{
      .images = {250, 500}, .probe = true, .detail = false, .schemes = {{0, 1, 2}, {2, 2, 2}}};
  const Bytes bytes = was.encode();
  ByteReader in(bytes, "task");
  ASSERT_EQ(in.u8(), static_cast<std::uint8_t>(MessageKind::evaluate));
  const EvaluateTask is = EvaluateTask::decode(in);
  EXPECT_EQ(is.images, was.images);
  EXPECT_TRUE(is.probe);
  EXPECT_FALSE(is.detail);
  EXPECT_EQ(is.schemes, was.schemes);
  for (std::size_t size = 1; size < bytes.size(); ++size) {
    ByteReader cut(ByteView(bytes).first(size), "cut");
    (void)cut.u8();
    EXPECT_THROW((void)EvaluateTask::decode(cut), Error) << size;
  }
}

TEST(TasksTest, a_result_carries_a_record_for_each_scheme) {
  const EvaluateResult was{
      .work = 1.5, .work_without_reuse = 3.0, .records = {encode(shard_result()), Bytes{}}};
  const Bytes bytes = was.encode();
  const EvaluateResult is = EvaluateResult::decode(bytes, "test");
  EXPECT_EQ(is.records, was.records);
  EXPECT_EQ(is.work_without_reuse, 3.0);
  for (std::size_t size = 0; size < bytes.size(); ++size)
    EXPECT_THROW((void)EvaluateResult::decode(ByteView(bytes).first(size), "cut"), Error) << size;
}

}  // namespace
}  // namespace qsweep
