#include "io/data/detail/pixels.h"

#include <fmt/format.h>

namespace qsweep {

namespace {

double per_channel(const std::vector<double>& values,
                   std::int64_t channel,
                   std::int64_t channels,
                   const char* name,
                   const std::string& where) {
  const auto n = static_cast<std::int64_t>(values.size());
  if (n != 1 && n != channels) {
    throw Error(
        ErrorCode::config,
        fmt::format("'input.{}' has {} values for pictures of {} channels", name, n, channels),
        where, "Give one per channel, or one for all");
  }
  return values[static_cast<std::size_t>(n == 1 ? 0 : channel)];
}

}  // namespace

Pixels::Pixels(const InputSpec& input, Extents extents, Storage storage, const std::string& where)
    : extents_(extents),
      is_nhwc_(input.layout == "NHWC"),
      storage_(storage),
      pixels_(extents.height * extents.width),
      scale_(static_cast<float>(input.scale)) {
  if (input.resize && input.resize->size != std::vector{extents.height, extents.width}) {
    throw Error(ErrorCode::unsupported,
                fmt::format("the pictures are {}x{} and cannot be resized in this version",
                            extents.height, extents.width),
                where, "Leave out 'input.resize', or prepare the pictures as .npy");
  }
  const bool swaps = input.color == "BGR";
  if (swaps && extents.channels != 3) {
    throw Error(
        ErrorCode::config,
        fmt::format("'input.color: BGR' needs 3 channels, the pictures have {}", extents.channels),
        where);
  }
  for (std::int64_t c = 0; c < extents.channels; ++c) {
    Channel channel;
    channel.mean = static_cast<float>(per_channel(input.mean, c, extents.channels, "mean", where));
    channel.std = static_cast<float>(per_channel(input.std, c, extents.channels, "std", where));
    channel.source = swaps ? 2 - c : c;
    for (std::size_t byte = 0; byte < channel.of_byte.size(); ++byte) {
      channel.of_byte[byte] = map(static_cast<float>(byte), channel);
    }
    channels_.push_back(channel);
  }
}

float Pixels::map(float x, const Channel& channel) const {
  return (x / scale_ - channel.mean) / channel.std;
}

Tensor Pixels::make_batch(std::int64_t n) const {
  const auto [c, h, w] = extents_;
  return Tensor(DType::f32, is_nhwc_ ? Shape{n, h, w, c} : Shape{n, c, h, w});
}

template <class Value, class Map>
void Pixels::convert_with(const Value* picture, float* out, Map map) const {
  // Distances between neighbouring pixels and between channels, in elements.
  const bool is_planar = storage_ == Storage::planar;
  const std::int64_t from_pixel = is_planar ? 1 : extents_.channels;
  const std::int64_t from_channel = is_planar ? pixels_ : 1;
  const std::int64_t to_pixel = is_nhwc_ ? extents_.channels : 1;
  const std::int64_t to_channel = is_nhwc_ ? 1 : pixels_;
  for (std::int64_t c = 0; c < extents_.channels; ++c) {
    const Channel& channel = channels_[static_cast<std::size_t>(c)];
    const Value* from = picture + channel.source * from_channel;
    float* to = out + c * to_channel;
    if (from_pixel == 1 && to_pixel == 1) {  // the usual case, in a form that vectorises
      for (std::int64_t p = 0; p < pixels_; ++p) {
        to[p] = map(from[p], channel);
      }
    } else {
      for (std::int64_t p = 0; p < pixels_; ++p) {
        to[p * to_pixel] = map(from[p * from_pixel], channel);
      }
    }
  }
}

void Pixels::convert(const std::uint8_t* picture, float* out) const {
  convert_with(picture, out,
               [](std::uint8_t x, const Channel& channel) { return channel.of_byte[x]; });
}

void Pixels::convert(const float* picture, float* out) const {
  convert_with(picture, out, [scale = scale_](float x, const Channel& channel) {
    return (x / scale - channel.mean) / channel.std;
  });
}

}  // namespace qsweep
