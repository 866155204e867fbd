#pragma once

#include <cstdint>

namespace qsweep::detail {

/// Winograd's minimal filtering F(4x4, 3x3) (Lavin and Gray 2015, arXiv 1509.09308): a tile of 4 x
/// 4 results of a 3 x 3 convolution from 36 products of transformed inputs and weights instead of
/// 144. The transforms interpolate at 0, +-5/8, +-3/2 and infinity: dyadic numbers, so that every
/// constant is exact, which keep the error about a third of that of the usual 0, +-1, +-2.
///
/// At stride 2 the even and the odd lines of the inputs are convolved by themselves, with two taps
/// and with one: F(4, 2) and F(4, 1) at the four finite points other than 0 and, for the even
/// lines, infinity. All four combinations of lines and columns add up at the same 25 places, in 81
/// products instead of 144.
inline constexpr std::int64_t kWinogradStep = 4;  ///< results along a side of a tile
inline constexpr double kWinogradPoints[] = {0.625, -0.625, 1.5, -1.5};

/// What depends on the stride. The steps call it, which are built for instructions that the CPU may
/// not have: always inline, so that the linker cannot keep their build of it for others.
struct WinogradForm {
  std::int64_t stride;
  std::int64_t tile;    ///< inputs along a side
  std::int64_t points;  ///< places along a side
  std::int64_t phases;  ///< kinds of input lines: all, or even and odd

  [[nodiscard, gnu::always_inline]] constexpr std::int64_t places() const {
    return points * points;
  }
  /// Kinds of lines that count at a point; infinity, the last one, sees no odd lines.
  [[nodiscard, gnu::always_inline]] constexpr std::int64_t phases_at(std::int64_t point) const {
    return point + 1 < points ? phases : 1;
  }
  /// Pairs of kinds of rows and columns that add up at a place.
  [[nodiscard, gnu::always_inline]] constexpr std::int64_t depth_at(std::int64_t place) const {
    return phases_at(place / points) * phases_at(place % points);
  }
};
inline constexpr WinogradForm kWinogradStride1 = {1, 6, 6, 1};
inline constexpr WinogradForm kWinogradStride2 = {2, 9, 5, 2};

/// Channels come in groups of a vector's length.
inline constexpr std::int64_t kWinogradChannels = 16;

/// Transformed values of a block of tiles: [place][group][tile][channel of the group]. At stride 2
/// there is a group for each pair of kinds of lines and group of channels.
struct WinogradBlock {
  float* values = nullptr;
  std::int64_t place = 0;  ///< values between places
  std::int64_t group = 0;  ///< values between groups
};

/// A picture in channels_last.
struct WinogradPicture {
  std::int64_t height = 0, width = 0, channels = 0;
};

/// The steps, for one instruction set: channels in the vector lanes, the inputs' channels added up
/// in their order, so every instruction set gives the same bits.
struct WinogradSteps {
  /// Transforms the tile whose upper left corner is (top, left); what lies outside is 0.
  /// @param values of the block, at this tile
  using Input = void (*)(const float* picture,
                         const WinogradPicture& extents,
                         std::int64_t top,
                         std::int64_t left,
                         const WinogradBlock& values);
  /// Transforms back, adds the bias and the residual (null: none), clamps at 0 if asked, and writes
  /// what lies in the picture.
  /// @param residual a picture like the result
  using Output = void (*)(const WinogradBlock& sums,
                          const float* bias,
                          const float* residual,
                          bool relu,
                          const WinogradPicture& extents,
                          std::int64_t top,
                          std::int64_t left,
                          float* picture);

  Input transform_input, transform_input_stride2;
  /// sums[k] = sum_c values[c] * weight[c][k] at every place of every tile, each product fused.
  /// Tiles are taken by fours: up to three more than asked for. With at most two groups of outputs
  /// the sums may take the values' place.
  /// @param weight [place][pair of groups of outputs][depth * input channel][output channel]
  void (*multiply)(const WinogradForm& form,
                   const WinogradBlock& values,
                   std::int64_t tiles,
                   std::int64_t in_channels,
                   const float* weight,
                   std::int64_t out_channels,
                   const WinogradBlock& sums);
  Output transform_output, transform_output_stride2;
};

extern const WinogradSteps kWinogradAvx2;    ///< needs AVX2 and FMA
extern const WinogradSteps kWinogradAvx512;  ///< needs AVX-512F

}  // namespace qsweep::detail
