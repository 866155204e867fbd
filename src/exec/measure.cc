#include "src/exec/measure.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <numeric>
#include <vector>

#include "src/base/error.h"
#include "src/base/random.h"

namespace qsweep {
namespace {

using Clock = std::chrono::steady_clock;

double milliseconds(Clock::duration time) {
  return std::chrono::duration<double, std::milli>(time).count();
}

double median(std::vector<double> values) {
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  if (values.size() % 2 == 1) return *middle;
  return (*middle + *std::max_element(values.begin(), middle)) / 2.0;
}

/// Of sorted values, linear between neighbours (NumPy's default).
double quantile(const std::vector<double>& sorted, double share) {
  const double at = share * static_cast<double>(sorted.size() - 1);
  const auto below = static_cast<std::size_t>(at);
  const std::size_t above = std::min(below + 1, sorted.size() - 1);
  return std::lerp(sorted[below], sorted[above], at - static_cast<double>(below));
}

Timing summarize(const std::vector<double>& times, std::string kernel) {
  Timing timing;
  timing.kernel = std::move(kernel);
  timing.median_ms = median(times);
  std::vector<double> deviations;
  for (const double t : times) deviations.push_back(std::abs(t - timing.median_ms));
  timing.mad_ms = median(deviations);
  timing.mean_ms =
      std::accumulate(times.begin(), times.end(), 0.0) / static_cast<double>(times.size());
  std::vector<double> sorted = times;
  std::ranges::sort(sorted);
  timing.p95_ms = quantile(sorted, 0.95);
  timing.p99_ms = quantile(sorted, 0.99);
  return timing;
}

Tensor random_tensor(
    const Shape& shape, Layout layout, double low, double high, std::uint64_t seed) {
  Tensor tensor(DType::f32, shape, layout);
  Random random(seed);
  for (float& x : tensor.mutable_data<float>())
    x = static_cast<float>(low + (high - low) * random.uniform());
  return tensor;
}

/// Runs `once` for warm_up_ms, then `iterations` times; it returns the milliseconds to count.
template <class F>
std::vector<double> repeat(const TimingOptions& options, F once) {
  QSWEEP_CHECK(options.iterations > 0);
  const auto start = Clock::now();
  do {
    (void)once();
  } while (milliseconds(Clock::now() - start) < options.warm_up_ms);
  std::vector<double> times;
  for (int i = 0; i < options.iterations; ++i) times.push_back(once());
  return times;
}

}  // namespace

bool has_native_kernel(const Precision& precision) {
  const bool plain_input = !precision.activation.is_quantized();
  if (plain_input && !precision.weight.is_quantized()) return true;
  return uses_integer_kernel(precision) || (plain_input && is_integer(precision.weight.dtype));
}

Timing time_layer(LayerBank& bank,
                  const Trace& trace,
                  LayerId layer,
                  int precision,
                  const TimingOptions& options) {
  const QuantSetup& setup = bank.setup();
  const Precision& wanted = setup.precisions.at(static_cast<std::size_t>(precision));
  if (!has_native_kernel(wanted)) {
    throw Error(ErrorCode::unsupported,
                "this machine emulates " + wanted.name + ": its time says nothing",
                bank.program().layer(layer).name);
  }
  double low = -1.0;
  double high = 1.0;
  if (layer.index() < setup.input_stats.size()) {
    const TensorStats& stats = setup.input_stats[layer.index()];
    if (stats.images() > 0) {
      low = stats.min();
      high = stats.max();
    }
  }
  const ValueId input = bank.program().layer(layer).input;
  const Shape& shape = trace.shapes[static_cast<std::size_t>(input)];
  // Inside the network a convolution reads what another kernel wrote: channels_last.
  const bool inside = input != bank.program().input();
  const Layout layout = inside && shape.size() == 4 ? Layout::channels_last : Layout::row_major;
  const Tensor x = random_tensor(shape, layout, low, high, options.seed);
  const PreparedLayer& prepared = bank.at(layer, precision);
  const std::vector<double> times = repeat(options, [&] {
    const auto start = Clock::now();
    const Tensor y = prepared.kernel->run(prepared.integer ? quantize(x, prepared.activation) : x);
    return milliseconds(Clock::now() - start);
  });
  return summarize(times, prepared.kernel->name());
}

Timing time_outside_layers(const Program& program,
                           const Trace& trace,
                           const TimingOptions& options) {
  std::vector<bool> from_layer(program.graph().values.size(), false);
  from_layer[static_cast<std::size_t>(program.input())] = true;
  for (const Step& step : program.steps()) {
    if (step.layer) from_layer[static_cast<std::size_t>(step.outputs[0])] = true;
  }
  FloatRunner runner(program);
  const Tensor batch = random_tensor(trace.input_shape, Layout::row_major, -1.0, 1.0, options.seed);
  const std::vector<double> times = repeat(options, [&] {
    double outside = 0.0;
    auto last = Clock::now();
    (void)runner.run({&batch, 1}, [&](ValueId value, const Tensor&) {
      const auto now = Clock::now();
      if (!from_layer[static_cast<std::size_t>(value)]) outside += milliseconds(now - last);
      last = Clock::now();
    });
    return outside;
  });
  return summarize(times, "");
}

}  // namespace qsweep
