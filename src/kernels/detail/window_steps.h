#pragma once

#include <cstdint>

namespace qsweep::detail {

/// A direct convolution in channels_last, 16 output channels to a vector: of u8 codes by s8 weights
/// on dot products of four (AVX-512 VNNI's vpdpbusd), or of floats. A row of a window is
/// consecutive bytes, whatever the channels are, and a window is read four bytes at a time, four
/// codes or a float, at the same distances from its corner everywhere in the picture: the kernel
/// sees only windows and a list of distances.
inline constexpr std::int64_t kWindowChannels = 16;  ///< outputs come in groups of so many
inline constexpr std::int64_t kWindowBytes = 4;      ///< added up by one product
inline constexpr std::int64_t kWindowSlack = 64;     ///< bytes that may be written behind a copy

/// What a picture's lines lie in, all in bytes.
struct WindowPadding {
  std::int64_t lines = 0, line = 0;     ///< of the picture
  std::int64_t before = 0, behind = 0;  ///< of each line
  std::uint8_t outside = 0;             ///< the code that padding is made of
  std::uint8_t flip = 0;                ///< taken xor with each code of the picture
};

struct WindowConvolution {
  std::int64_t height = 0, width = 0, channels = 0;  ///< of the result
  std::int64_t down = 0, across = 0;  ///< bytes from a window to the next below and beside it
  std::int64_t steps = 0;             ///< products of a window
  /// 3: steps come by threes that read the same of a window, of the one beside it and of the one
  /// beside that. 1: no such order.
  std::int64_t taps = 1;
  const std::int32_t* distance = nullptr;  ///< [step], from the window's corner
  /// [group of outputs][step][output channel of the group], each the four codes or the float that a
  /// step multiplies
  const void* weight = nullptr;
  const void* bias = nullptr;       ///< [output channel]: s32 for codes, or f32
  const float* scale = nullptr;     ///< [output channel], of codes
  const float* residual = nullptr;  ///< null, or added to values: like the result
  bool relu = false;                ///< behind the sum
};

/// How results become codes: clamp(round_half_even(y / divisor), low, high) + zero_point
struct WindowCodes {
  float divisor = 1.0f;
  float low = 0.0f, high = 0.0f;
  std::int32_t zero_point = 0;
};

/// The steps, for one instruction set. Sums of codes are of 32 bits; then each operation of y =
/// epilogue(float(sum) * scale) is rounded by itself. Products of floats are fused into their sum.
struct WindowSteps {
  /// Writes the padded lines [first, first + lines), which may lie above or below the picture, and
  /// at most kWindowSlack bytes more.
  void (*pad)(const WindowPadding& padding,
              const std::uint8_t* picture,
              std::int64_t first,
              std::int64_t lines,
              std::uint8_t* out);
  void (*codes_to_values)(const WindowConvolution& convolution,
                          const std::uint8_t* picture,
                          float* out);
  void (*codes_to_codes)(const WindowConvolution& convolution,
                         const WindowCodes& codes,
                         const std::uint8_t* picture,
                         std::uint8_t* out);
  void (*floats)(const WindowConvolution& convolution, const std::uint8_t* picture, float* out);
};

extern const WindowSteps kWindowAvx512;  ///< needs AVX-512 F, BW and VNNI

}  // namespace qsweep::detail
