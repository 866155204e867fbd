#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "src/base/bytes.h"

#include "io/data/dataset.h"

namespace qsweep {

/// Eight-bit RGB pixels, rows from the top, the channels of a pixel together.
struct Picture {
  std::int64_t width = 0;
  std::int64_t height = 0;
  std::vector<std::uint8_t> rgb;
};

/// Decodes a JPEG or PNG to the RGB that Pillow and OpenCV give: grey repeated, palettes looked up,
/// of 16 bits the upper 8, alpha dropped, CMYK and YCCK as Adobe's; gamma, colour profiles and Exif
/// orientation are not applied. JPEG: accurate DCT; stray bytes between its segments are passed
/// over.
/// @param where the file, for errors
/// @throws Error(corrupt_input) damaged, cut short or over 250 megapixels; Error(unsupported)
/// another container
[[nodiscard]] Picture decode_picture(ByteView bytes, const std::string& where);

/// The picture as a PNG file.
[[nodiscard]] Bytes encode_png(const Picture& picture);

/// What the file says of itself; its pixels are not decoded. @throws as decode_picture()
struct PictureSize {
  std::int64_t width = 0;
  std::int64_t height = 0;
};
[[nodiscard]] PictureSize picture_size(ByteView bytes, const std::string& where);

/// A label for each pixel, rows from the top.
struct Mask {
  std::int64_t width = 0;
  std::int64_t height = 0;
  std::vector<std::uint8_t> labels;
};

/// Decodes a PNG of labels as stored: grey values, or the indices of a palette (Pascal VOC); alpha
/// is dropped.
/// @throws Error(corrupt_input) as decode_picture(); Error(unsupported) other containers, colours,
/// labels over 255
[[nodiscard]] Mask decode_mask(ByteView bytes, const std::string& where);

/// Where a resized picture lies in the model's input.
struct Placement {
  double scale_x = 1.0, scale_y = 1.0;  ///< input pixels per picture pixel
  std::int64_t left = 0, top = 0;       ///< of the picture in the input
  std::int64_t width = 0, height = 0;   ///< of the picture in the input
};

/// What `spec` does to a picture of this size. stretch: both sides to `size`. letterbox: both by
/// the lesser factor, the border filled with `pad` (align center: halves rounded as the YOLO tools
/// do; top_left: all of it right and below). crop: both by the larger factor, the middle kept; with
/// `shorter` as torchvision's Resize(shorter) and CenterCrop(size) do.
[[nodiscard]] Placement place(const ResizeSpec& spec, std::int64_t width, std::int64_t height);

/// The picture as the model's input sees it, of `spec.size`. bilinear and area have the arithmetic
/// of OpenCV's INTER_LINEAR and INTER_AREA on bytes.
[[nodiscard]] Picture fit(const Picture& picture, const ResizeSpec& spec);

/// Resizes to the extents given. @param interpolation bilinear, area or nearest
[[nodiscard]] Picture resize(const Picture& picture,
                             std::int64_t width,
                             std::int64_t height,
                             const std::string& interpolation);

}  // namespace qsweep
