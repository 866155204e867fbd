#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "io/data/dataset.h"

namespace qsweep {

/// Height and width in pixels, and how many channels there are.
struct Extents {
  std::int64_t channels = 3;
  std::int64_t height = 0;
  std::int64_t width = 0;
};

/// Turns stored pictures into the model's input, as an InputSpec says. Immutable, thread-safe.
class Pixels {
 public:
  /// Order of a stored picture: planes one after another, or the channels of a pixel together.
  enum class Storage { planar, interleaved };

  /// @param where the data file, for errors
  /// @throws Error(unsupported) when a resize is asked for, Error(config) when mean or std do not
  /// fit.
  Pixels(const InputSpec& input, Extents extents, Storage storage, const std::string& where);

  /// An uninitialised batch: f32, [n, C, H, W] or [n, H, W, C].
  [[nodiscard]] Tensor make_batch(std::int64_t n) const;
  [[nodiscard]] std::int64_t elements() const { return pixels_ * extents_.channels; }

  /// One picture, RGB, into its `elements()` places of a batch.
  void convert(const std::uint8_t* picture, float* out) const;
  void convert(const float* picture, float* out) const;

 private:
  template <class Value, class Map>
  void convert_with(const Value* picture, float* out, Map map) const;

  struct Channel {
    float mean = 0.0f;
    float std = 1.0f;
    std::int64_t source = 0;           ///< channel of the stored picture
    std::array<float, 256> of_byte{};  ///< the value of every possible byte
  };
  [[nodiscard]] float map(float x, const Channel& channel) const;

  Extents extents_;
  bool is_nhwc_;
  Storage storage_;
  std::int64_t pixels_;
  float scale_;
  std::vector<Channel> channels_;
};

}  // namespace qsweep
