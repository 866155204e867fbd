#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "src/base/bytes.h"

#include "src/quant/exact_sum.h"

namespace qsweep {

/// Inputs of a layer as the products see them: each row holds, for every input channel of the whole
/// layer, the `area` values under the kernel (an im2col column, channel-major). Gemm and MatMul:
/// area 1, a row is an input vector.
struct LayerSample {
  std::int64_t channels = 0;  ///< of the layer's input, all groups
  std::int64_t area = 1;      ///< kernel positions per channel
  std::int64_t groups = 1;    ///< output channels of group g read input channels of group g
  std::vector<float> values;  ///< [rows][channels][area]

  [[nodiscard]] std::int64_t rows() const {
    return static_cast<std::int64_t>(values.size()) / (channels * area);
  }
  friend bool operator==(const LayerSample&, const LayerSample&) = default;
};

/// What the algorithms of adapt.h know of a layer's input: extremes and magnitude by channel over
/// all calibration images, and a sample of rows. The statistics depend on neither the order nor the
/// split of the images; the sample's rows stand in the order of the images.
struct LayerInputs {
  std::int64_t images = 0;
  std::vector<float> low, high;     ///< by channel
  std::vector<ExactSum> magnitude;  ///< by channel: the sum of each image's mean |x|
  LayerSample sample;

  /// One image's values: value i belongs to channel i / inner % channels. Finite.
  void add_image(std::span<const float> values, std::int64_t inner);
  /// The images that follow.
  void append(const LayerInputs& next);

  /// By channel, over all images: the mean of |x|, and its largest value.
  [[nodiscard]] std::vector<float> mean_magnitude() const;
  [[nodiscard]] std::vector<float> largest() const;

  void write(ByteWriter& out) const;
  /// @throws Error(corrupt_input)
  static LayerInputs read(ByteReader& in);
  friend bool operator==(const LayerInputs&, const LayerInputs&) = default;
};

}  // namespace qsweep
