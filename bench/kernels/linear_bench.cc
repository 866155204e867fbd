#include <stdexcept>

#include <benchmark/benchmark.h>

#include "src/base/random.h"

#include "src/kernels/linear.h"

/// Throughput of the linear kernels on the layer shapes of ResNet-8/20/56 (CIFAR), of a YOLO neck
/// and of a ViT, and on a product so square that it shows what the machine can do. Operations are
/// those of the direct form, so Winograd's can exceed the peak. Arguments: input channels, output
/// channels, extent of the input, kernel, batch, stride.
namespace qsweep {
namespace {

Tensor random_tensor(const Shape& shape, Layout layout, std::uint64_t stream) {
  Tensor t(DType::f32, shape, layout);
  Random random(1, stream);
  for (float& v : t.mutable_data<float>()) v = static_cast<float>(random.uniform() - 0.25);
  return t;
}

struct Case {
  Shape input, weight;
  Tensor x, w, bias;
  LinearSpec spec;

  explicit Case(const benchmark::State& state)
      : input{state.range(4), state.range(0), state.range(2), state.range(2)},
        weight{state.range(1), state.range(0), state.range(3), state.range(3)},
        x(random_tensor(input, Layout::channels_last, 1)),
        w(random_tensor(weight, Layout::row_major, 2)),
        bias(random_tensor({state.range(1)}, Layout::row_major, 3)) {
    Attributes attributes;
    const std::int64_t pad = state.range(3) / 2;
    attributes.set("pads", std::vector<std::int64_t>(4, pad));
    attributes.set("strides", std::vector<std::int64_t>(2, state.range(5)));
    spec = linear_spec("Conv", attributes, w, "bench");
    spec.epilogue = Epilogue::relu;
  }

  void report(benchmark::State& state) const {
    const auto macs = static_cast<double>(multiply_accumulates(spec, weight, input));
    state.counters["GOP/s"] = benchmark::Counter(
        2e-9 * macs * static_cast<double>(state.iterations()), benchmark::Counter::kIsRate);
  }
};

Format int8_weight() {
  return {.dtype = DType::i8, .granularity = Granularity::per_channel};
}

/// Kernels must agree before their times mean anything.
void check_equal(const Tensor& one, const Tensor& reference) {
  const Tensor other = reference.to_layout(one.layout());
  for (std::size_t i = 0; i < one.data<float>().size(); ++i) {
    const float a = one.data<float>()[i], b = other.data<float>()[i];
    if (std::abs(a - b) > 1e-3f * (1.0f + std::abs(b)))
      throw std::runtime_error("two kernels disagree");
  }
}

void float_conv_on(benchmark::State& state, FloatBackend backend) {
  const Case c(state);
  const auto kernel = make_float_kernel(c.spec, c.w, c.bias, backend);
  check_equal(kernel->run(c.x),
              make_float_kernel(c.spec, c.w, c.bias, FloatBackend::openblas)->run(c.x));
  for (auto _ : state) benchmark::DoNotOptimize(kernel->run(c.x));
  c.report(state);
  state.SetLabel(kernel->name());
}

void float_conv(benchmark::State& state) {
  float_conv_on(state, FloatBackend::automatic);
}

void direct_conv(benchmark::State& state) {
  float_conv_on(state, FloatBackend::direct);
}

void integer_conv_on(benchmark::State& state, IntegerBackend backend) {
  const Case c(state);
  const QuantizedWeight weight = quantize_weight(c.w, {0, 1}, int8_weight());
  const QuantParams activation = params_from_range(
      -0.25f, 0.75f, {.dtype = DType::u8, .symmetric = false, .narrow_range = false});
  const Tensor codes = quantize(c.x, activation);
  const auto kernel = make_integer_kernel(c.spec, weight, c.bias, activation, backend);
  check_equal(
      kernel->run(codes),
      make_float_kernel(c.spec, weight.dequantized(), c.bias)->run(dequantize(codes, activation)));
  for (auto _ : state) benchmark::DoNotOptimize(kernel->run(codes));
  c.report(state);
  state.SetLabel(kernel->name());
}

void integer_conv(benchmark::State& state) {
  integer_conv_on(state, IntegerBackend::automatic);
}

void library_integer_conv(benchmark::State& state) {
  integer_conv_on(state, IntegerBackend::onednn);
}

void shapes(benchmark::internal::Benchmark* b) {
  b->ArgNames({"in", "out", "extent", "kernel", "batch", "stride"});
  for (const auto& s : {std::vector<std::int64_t>{3, 16, 32, 3, 8, 1},
                        {16, 16, 32, 3, 8, 1},
                        {32, 32, 16, 3, 8, 1},
                        {64, 64, 8, 3, 8, 1},
                        {16, 32, 32, 3, 8, 2},
                        {32, 64, 16, 3, 8, 2},
                        {32, 64, 16, 1, 8, 2},
                        {64, 64, 40, 3, 1, 1},
                        {128, 128, 20, 3, 1, 1},
                        {192, 768, 8, 1, 8, 1},
                        {512, 512, 16, 1, 4, 1}}) {
    b->Args(s);
  }
}

BENCHMARK(float_conv)->Apply(shapes)->UseRealTime();
BENCHMARK(direct_conv)->Apply(shapes)->UseRealTime();
BENCHMARK(integer_conv)->Apply(shapes)->UseRealTime();
BENCHMARK(library_integer_conv)->Apply(shapes)->UseRealTime();

}  // namespace
}  // namespace qsweep
