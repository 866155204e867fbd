#pragma once

#include <cstdint>
#include <vector>

#include "io/data/dataset.h"

namespace qsweep {

/// Pictures with a class for every pixel. Samples have no label of their own; classes() is 0, the
/// model says how many there are.
class SegmentationData : public Dataset {
 public:
  /// Extents of mask(): the model's input.
  [[nodiscard]] virtual std::int64_t height() const = 0;
  [[nodiscard]] virtual std::int64_t width() const = 0;
  /// The class of each pixel of the model's input, rows from the top; 255 where it does not count
  /// and where the picture does not reach. Decoded anew by each call.
  /// @throws Error(corrupt_input), Error(unsupported) or Error(mismatch) naming the mask
  [[nodiscard]] virtual std::vector<std::uint8_t> mask(std::int64_t sample) const = 0;
  /// The mask's file, for messages.
  [[nodiscard]] virtual std::string mask_name(std::int64_t sample) const = 0;
};

}  // namespace qsweep
