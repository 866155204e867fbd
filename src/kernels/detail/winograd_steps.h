#pragma once

#include <cstdint>

namespace qsweep::detail {

/// Winograd's minimal filtering F(4x4, 3x3) (Lavin and Gray 2015, arXiv 1509.09308): 4 x 4 results
/// of a 3 x 3 convolution from a tile of 6 x 6 inputs by 36 products instead of 144. The transforms
/// interpolate at 0, +-5/8, +-3/2 and infinity: dyadic numbers, so that every constant is exact,
/// which keep the error about a third of that of the usual 0, +-1, +-2.
inline constexpr std::int64_t kWinogradTile = 6;
inline constexpr std::int64_t kWinogradStep = 4;
inline constexpr std::int64_t kWinogradPlaces = kWinogradTile * kWinogradTile;
/// Tiles are worked on in blocks, their channels in groups of a vector's length: an array of
/// transformed values is [group][place][tile][channel]. Two places are a cache line further apart
/// than they need be, or all the places of a tile would fall into the same cache set.
inline constexpr std::int64_t kWinogradChannels = 16;
inline constexpr std::int64_t kWinogradTiles = 32;
inline constexpr std::int64_t kWinogradStride = (kWinogradTiles + 1) * kWinogradChannels;
inline constexpr std::int64_t kWinogradGroup = kWinogradPlaces * kWinogradStride;
inline constexpr double kWinogradPoints[] = {0.0, 0.625, -0.625, 1.5, -1.5};  // and infinity

/// A picture in channels_last.
struct WinogradPicture {
  std::int64_t height = 0, width = 0, channels = 0;
};

/// The three steps, for one instruction set: channels in the vector lanes, the inputs' channels
/// added up in their order, so every instruction set gives the same bits.
struct WinogradSteps {
  /// Transforms the tile whose upper left corner is (top, left); what lies outside is 0.
  /// @param values of the first group, place and channel, at this tile
  void (*transform_input)(const float* picture,
                          const WinogradPicture& extents,
                          std::int64_t top,
                          std::int64_t left,
                          float* values);
  /// sums[k] = sum_c values[c] * weight[c][k] at every place of every tile, each product fused.
  /// Tiles are taken by fours: up to three more than asked for.
  /// @param weight [group of outputs][place][input channel][output channel of the group]
  void (*multiply)(const float* values,
                   std::int64_t tiles,
                   std::int64_t in_channels,
                   const float* weight,
                   std::int64_t out_channels,
                   float* sums);
  /// Transforms back, adds the bias, clamps at 0 if asked, and writes what lies in the picture.
  void (*transform_output)(const float* sums,
                           const float* bias,
                           bool relu,
                           const WinogradPicture& extents,
                           std::int64_t top,
                           std::int64_t left,
                           float* picture);
};

extern const WinogradSteps kWinogradAvx2;    ///< needs AVX2 and FMA
extern const WinogradSteps kWinogradAvx512;  ///< needs AVX-512F

}  // namespace qsweep::detail
