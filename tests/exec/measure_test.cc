#include "src/exec/measure.h"

#include <gtest/gtest.h>

#include "tests/exec/tiny_graphs.h"

namespace qsweep {
namespace {

TEST(MeasureTest, only_real_kernels_count_as_native) {
  for (const char* name : {"FP32", "W8A8", "W4A8", "W8A16", "W4A16"}) {
    EXPECT_TRUE(has_native_kernel(parse_precision(name))) << name;
  }
  for (const char* name : {"FP16", "BF16", "W8A8F", "W4A8F", "W8FA8F"}) {
    EXPECT_FALSE(has_native_kernel(parse_precision(name))) << name;
  }
}

TEST(MeasureTest, times_name_the_kernel_that_ran) {
  const Program program(test::branched_graph());
  const QuantSetup setup =
      test::setup_for(program, test::some_precisions(), test::random_tensor({4, 3, 8, 8}, 1));
  LayerBank bank(program, setup);
  const Trace trace = program.trace({2, 3, 8, 8});
  TimingOptions options;
  options.warm_up_ms = 0;
  options.iterations = 4;
  for (const int precision : {0, 1, 2}) {
    const Timing timing = time_layer(bank, trace, LayerId(1), precision, options);
    EXPECT_GT(timing.median_ms, 0.0);
    EXPECT_GE(timing.mad_ms, 0.0);
    const std::string kernel = bank.at(LayerId(1), precision).kernel->name();
    EXPECT_EQ(timing.kernel, kernel);
  }
  EXPECT_THROW((void)time_layer(bank, trace, LayerId(1), 3, options), Error);
  EXPECT_GT(time_outside_layers(program, trace, options).median_ms, 0.0);
}

}  // namespace
}  // namespace qsweep
