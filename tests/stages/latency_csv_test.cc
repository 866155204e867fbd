#include "sweep/stages/latency_csv.h"

#include <gtest/gtest.h>

#include "src/base/error.h"

#include "tests/io/temp_dir.h"

namespace qsweep {
namespace {

const std::string kHeader = "device,layer,precision,ms,source,kernel\n";

std::string problem(const std::string& text) {
  return testing::error_text<Error>([&] { (void)parse_latency_csv(text, "t.csv"); });
}

TEST(LatencyCsvTest, reads_back) {
  const LatencyTable table({"a, device", 16, 4}, 0.25,
                           {{"conv,1", "W8A8", 0.5, "measured", "k", {0.6, 0.7, 0.875}},
                            {"fc", "FP32", 1, "table", "", {}}});
  const LatencyTable read = parse_latency_csv(to_csv(table), "t.csv");
  EXPECT_EQ(to_csv(read), to_csv(table));
  EXPECT_EQ(read.place().device, "a, device");
  EXPECT_EQ(read.place().batch, 16);
  EXPECT_EQ(read.place().threads, 4);
  EXPECT_EQ(read.rows()[0].spread.p99_ms, 0.875);
}

TEST(LatencyCsvTest, a_table_of_before_takes_the_batch_that_it_does_not_state) {
  const LatencyTable read = parse_latency_csv(kHeader + "d,l,FP32,1,x,y\n", "t.csv", 8);
  EXPECT_EQ(read.place().batch, 8);
  EXPECT_EQ(read.place().threads, 0);
}

TEST(LatencyCsvTest, a_time_is_a_finite_number_from_0_on) {
  for (const char* time : {"fast", "inf", "-inf", "nan", "-1", "1e999", "", "1 ms", "0x1"}) {
    EXPECT_EQ(problem(kHeader + "d,l,FP32,0,x,y\n\nd,l,W8A8," + time + ",x,y\n"),
              "'" + std::string(time) +
                  "' is no time: it takes a finite number of ms, not negative [t.csv:4]");
  }
}

TEST(LatencyCsvTest, a_row_twice_has_one_time) {
  EXPECT_EQ(problem(kHeader + "d,l,FP32,1,x,y\nd,l,FP32,1.0,x,y\n"), "");
  EXPECT_EQ(problem(kHeader + "d,l,FP32,1,x,y\nd,l,FP32,2,x,y\n"),
            "'l' at FP32 takes 2 ms here and 1 ms in line 2: a duplicate with another value "
            "[t.csv:3]");
  EXPECT_EQ(problem(kHeader + "d,*,*,1,x,y\nd,*,*,2,x,y\n"),
            "'*' at * takes 2 ms here and 1 ms in line 2: a duplicate with another value "
            "[t.csv:3]");
}

TEST(LatencyCsvTest, all_faults_are_listed_at_once) {
  EXPECT_EQ(problem(kHeader + "d,l,FP32,inf,x,y\ne,m,FP32,1,x,y\nd,n,FP32,1\n"),
            "3 faults in the latency table: line 2: 'inf' is no time: it takes a finite number of "
            "ms, not negative; line 3: device 'e' is not 'd': a table is of one device; line 4: it "
            "has 4 cells and the header has 6 [t.csv]");
  std::string many = kHeader;
  for (int i = 0; i < 20; ++i) many += "d,l" + std::to_string(i) + ",FP32,nan,x,y\n";
  EXPECT_NE(problem(many).find("20 faults"), std::string::npos);
  EXPECT_NE(problem(many).find("; and 12 more"), std::string::npos);
}

TEST(LatencyCsvTest, batch_and_threads_are_of_the_whole_table) {
  const std::string header = "device,layer,precision,ms,source,kernel,batch,threads\n";
  EXPECT_EQ(problem(header + "d,l,FP32,1,x,y,2,1\nd,m,FP32,1,x,y,4,1\n"),
            "batch is 4 here and 2 before [t.csv:3]");
  EXPECT_EQ(problem(header + "d,l,FP32,1,x,y,0,1\n"), "'0' is no number of images [t.csv:2]");
  EXPECT_EQ(problem(header + "d,l,FP32,1,x,y,1,two\n"), "'two' is no number of threads [t.csv:2]");
}

TEST(LatencyCsvTest, another_table_is_refused) {
  EXPECT_NE(problem("").find("a latency table starts with device,layer,"), std::string::npos);
  EXPECT_NE(problem("layer,format,ms\n").find("a latency table starts with"), std::string::npos);
}

}  // namespace
}  // namespace qsweep
