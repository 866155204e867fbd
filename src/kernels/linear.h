#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "src/tensor/attributes.h"
#include "src/tensor/tensor.h"

#include "src/quant/affine.h"
#include "src/quant/weight.h"

namespace qsweep {

/// An activation function applied to a layer's result before it is handed on.
/// silu: y * sigmoid(y) (Elfwing et al. 2017, arXiv 1702.03118), as detectors use it.
enum class Epilogue : std::uint8_t { none, relu, silu };

/// What a linear layer computes, with its geometry resolved from ONNX attributes.
struct LinearSpec {
  enum class Kind { conv, conv_transpose, gemm };  ///< gemm: Gemm and MatMul with constant weight
  Kind kind = Kind::conv;
  std::vector<std::int64_t> strides{}, pads{}, dilations{},
      output_padding{};  ///< pads: begins then ends
  std::vector<std::int64_t>
      output_shape{};  ///< conv_transpose: spatial extents asked for; pads follow
  std::string auto_pad = "NOTSET";
  std::int64_t group = 1;
  bool weight_is_output_major = true;  ///< gemm: weight is [N, K] (Gemm transB=1); false: [K, N]
  Epilogue epilogue = Epilogue::none;
  /// gemm in float: the weight stands for one that a runtime dequantizes as it goes, so products
  /// are added up block by block of the depth, as ONNX Runtime does with weights not packed ahead.
  bool blocked_depth = false;
  std::string name{};  ///< for messages
  /// May give an equal tensor in place of one of the layer's constants: one that others read too.
  std::function<Tensor(Tensor)> keep{};
  [[nodiscard]] Tensor kept(Tensor constant) const {
    return keep ? keep(std::move(constant)) : constant;
  }
};

/// Reads a node's attributes. @throws Error(unsupported) for forms no kernel has (Gemm with transA
/// or alpha/beta other than 1 on a variable operand...), naming the node.
[[nodiscard]] LinearSpec linear_spec(std::string_view op,
                                     const Attributes& attributes,
                                     const Tensor& weight,
                                     std::string_view name);

/// A linear layer ready to run: weight packed once, primitives cached per input shape. Immutable to
/// its callers; run() may be called by one thread at a time. Results for a row (image) depend on
/// the operands and on the shape only, never on earlier calls.
class LinearKernel {
 public:
  virtual ~LinearKernel() = default;
  /// @param x float kernel: f32 (already rounded to the activation format); integer kernel: u8 or
  /// i8 codes
  ///          made with the params given at construction. Any layout; conv prefers channels_last.
  /// @return f32, or codes of the next layer, in a buffer nobody else has; conv in channels_last,
  /// gemm row_major with the leading
  ///         extents of x kept.
  [[nodiscard]] virtual Tensor run(const Tensor& x) = 0;
  /// run(x) + residual, and a Relu of the sum if wanted: the bits of the steps apart, where float
  /// results make one or two passes over memory fewer. This one adds into what run() gives; kernels
  /// that can add on the way out override it.
  /// @param residual f32, of the result's shape, in any layout
  /// @return f32, channels_last where run()'s result or the residual is
  [[nodiscard]] virtual Tensor run_added(const Tensor& x, const Tensor& residual, bool relu);
  /// `onednn_f32`, `winograd_f32`, `windows_f32`, `depthwise_f32`, `openblas_sgemm`,
  /// `vnni_u8s8s32`, `onednn_u8s8s32`, `exact_f32` ...; for reports.
  [[nodiscard]] virtual std::string name() const = 0;
};

/// What computes; `automatic` is what runs are made with, the others are for tests and benchmarks.
/// direct: oneDNN's direct convolutions, none of this program's own; onednn: the same for integers.
enum class FloatBackend { automatic, direct, openblas };
enum class IntegerBackend { automatic, onednn, exact_f32 };

/// FP32 arithmetic on `weight` (f32, ONNX layout) and `bias` (f32 [O] or empty).
/// @throws Error(corrupt_input) when the operands do not fit the spec, naming the node.
[[nodiscard]] std::unique_ptr<LinearKernel> make_float_kernel(
    const LinearSpec& spec,
    const Tensor& weight,
    const Tensor& bias,
    FloatBackend backend = FloatBackend::automatic);

/// INT32 accumulation over codes, exact on every CPU: y = (sum_k (x_k - zx) * w_k + b_q) * (s_x *
/// s_w[o]), with b_q = round_half_even(bias / (s_x * s_w[o])) saturated to int32. s_x*s_w is
/// rounded to FP32 once. Weight: symmetric i8/i4 codes, per tensor or per output channel.
/// Activation: u8/i8 per tensor. The quotient is taken in double on the rounded product.
/// @param next  not null: results are quantize(y, *next), the next layer's codes; in one pass where
///              the kernel can
/// @throws Error(numeric) if s_x*s_w is 0 or not finite.
[[nodiscard]] std::unique_ptr<LinearKernel> make_integer_kernel(
    const LinearSpec& spec,
    const QuantizedWeight& weight,
    const Tensor& bias,
    const QuantParams& activation,
    IntegerBackend backend = IntegerBackend::automatic,
    const QuantParams* next = nullptr);

/// True when make_integer_kernel() has a kernel for the pair of formats.
[[nodiscard]] bool has_integer_kernel(const Format& weight, const Format& activation);

/// The inputs of a layer as its products read them: the im2col rows of a convolution (padding is
/// 0), the input vectors of a gemm.
class InputRows {
 public:
  /// @param input extents of one image
  /// @throws Error(unsupported) for a transposed convolution
  InputRows(const LinearSpec& spec, const Shape& weight, const Shape& input);
  [[nodiscard]] std::int64_t rows() const { return rows_; }  ///< of one image
  [[nodiscard]] std::int64_t channels() const { return channels_; }
  [[nodiscard]] std::int64_t area() const { return area_; }
  /// Appends row `row` of an image (row_major) as [channels][area].
  void append(std::span<const float> image, std::int64_t row, std::vector<float>& out) const;

 private:
  std::int64_t rows_ = 0, channels_ = 0, area_ = 1;
  std::vector<std::int64_t> kernel_, input_, output_, strides_, dilations_, pads_;
};

/// Multiply-accumulates of one run on an input of this shape.
[[nodiscard]] std::int64_t multiply_accumulates(const LinearSpec& spec,
                                                const Shape& weight,
                                                const Shape& input);

/// Name and version of the libraries behind the kernels (`oneDNN 2.6.3, OpenBLAS 0.3.21
/// (SkylakeX)`).
[[nodiscard]] std::string kernel_libraries();
/// The instruction sets that oneDNN uses here, as far as the CPU and ONEDNN_MAX_CPU_ISA let it:
/// `avx512_core_vnni`, or its number where it has no name here.
[[nodiscard]] std::string library_instruction_set();

}  // namespace qsweep
