#pragma once

#include <cstdint>

namespace qsweep::detail {

// Hot loops over arrays of floats, built for several instruction sets with the same bits on each:
// multiply-adds are fused where the text says so and nowhere else. Where ONNX Runtime's CPU kernels
// have an order of summation (softmax, LayerNormalization), it is theirs, so that exported files
// give the same bits there. Outputs may alias inputs element for element.

void relu(const float* x, float* y, std::int64_t n);
/// 1 / (1 + e^-x), within 4 units in the last place.
void sigmoid(const float* x, float* y, std::int64_t n);
/// x * sigmoid(x), the bits of the two-step form
void silu(const float* x, float* y, std::int64_t n);
/// e^(x - shift), within 2 units in the last place of the difference's; 0 and infinity beyond the
/// range.
void exponential(const float* x, float shift, float* y, std::int64_t n);
/// y = x < 0 ? slope * x : x
void leaky_relu(const float* x, float slope, float* y, std::int64_t n);
void clamp(const float* x, float low, float high, float* y, std::int64_t n);
/// y = x * scale[i] + offset[i], rounded twice
void scale_offset(
    const float* x, const float* scale, const float* offset, float* y, std::int64_t n);
/// y = (x - mean) * factor * scale[i] + offset[i], the last product and sum fused
void normalize(const float* x,
               float mean,
               float factor,
               const float* scale,
               const float* offset,
               float* y,
               std::int64_t n);
void scale_by(float* y, float factor, std::int64_t n);

/// Largest of n values; -infinity for none. NaN is passed over.
[[nodiscard]] float maximum(const float* x, std::int64_t n);
/// Sum of n values in sixteen interleaved partial sums, joined in a fixed order.
[[nodiscard]] float sum(const float* x, std::int64_t n);
/// The same in double.
[[nodiscard]] double wide_sum(const float* x, std::int64_t n);
/// Sum of (x - mean)^2 in eight interleaved partial sums of fused multiply-adds.
[[nodiscard]] float sum_squared_deviation(const float* x, float mean, std::int64_t n);

/// y += x, y += factor * x, and y = max(y, x).
void add_into(const float* x, float* y, std::int64_t n);
/// add_into() of each row of x [rows, n], in order
void add_rows(const float* x, std::int64_t rows, float* y, std::int64_t n);
void add_scaled(const float* x, float factor, float* y, std::int64_t n);
void max_into(const float* x, float* y, std::int64_t n);

/// y = a op b over runs; a stride of 0 repeats one value, 1 walks. add_relu: relu(a + b).
enum class Arithmetic { add, sub, mul, div, add_relu };
void arithmetic_row(Arithmetic op,
                    const float* a,
                    std::int64_t stride_a,
                    const float* b,
                    std::int64_t stride_b,
                    float* y,
                    std::int64_t n);

}  // namespace qsweep::detail
