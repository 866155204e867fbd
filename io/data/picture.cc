#include "io/data/picture.h"

#include <fmt/format.h>
#include <png.h>

#include "src/base/error.h"

#include "io/data/detail/codecs.h"

namespace qsweep {
namespace {

constexpr std::int64_t kMegapixel = 1'000'000;
constexpr std::int64_t kMostMegapixels = 250;

}  // namespace

void check_size(const PictureSize& size, const std::string& where) {
  const auto [width, height] = size;
  if (width < 1 || height < 1)
    throw Error(ErrorCode::corrupt_input, "the picture has no pixels", where);
  if (width > kMostMegapixels * kMegapixel / height) {
    throw Error(ErrorCode::corrupt_input,
                fmt::format("the picture claims to be {} x {} pixels, more than {} megapixels",
                            width, height, kMostMegapixels),
                where, "Scale it down if that is true");
  }
}

PictureSize picture_size(ByteView bytes, const std::string& where) {
  if (is_jpeg(bytes)) return jpeg_size(bytes, where);
  if (is_png(bytes)) return png_size(bytes, where);
  throw Error(ErrorCode::unsupported, "neither a JPEG nor a PNG", where, "Convert the picture");
}

Picture decode_picture(ByteView bytes, const std::string& where) {
  if (is_jpeg(bytes)) return decode_jpeg(bytes, where);
  if (is_png(bytes)) return decode_png(bytes, where);
  throw Error(ErrorCode::unsupported, "neither a JPEG nor a PNG", where,
              "Convert the picture, or give the data as .npy");
}

Mask decode_mask(ByteView bytes, const std::string& where) {
  if (!is_png(bytes)) {
    throw Error(ErrorCode::unsupported, "the mask is not a PNG", where,
                "Save masks losslessly, one label per pixel");
  }
  return decode_png_mask(bytes, where);
}

Bytes encode_png(const Picture& picture) {
  png_image image{};
  image.version = PNG_IMAGE_VERSION;
  image.width = static_cast<png_uint_32>(picture.width);
  image.height = static_cast<png_uint_32>(picture.height);
  image.format = PNG_FORMAT_RGB;
  const auto failed = [&] {
    return Error(ErrorCode::resource, fmt::format("cannot make a PNG: {}", image.message));
  };
  png_alloc_size_t size = 0;
  if (png_image_write_to_memory(&image, nullptr, &size, 0, picture.rgb.data(), 0, nullptr) == 0)
    throw failed();
  Bytes bytes(size);
  if (png_image_write_to_memory(&image, bytes.data(), &size, 0, picture.rgb.data(), 0, nullptr) ==
      0)
    throw failed();
  bytes.resize(size);
  return bytes;
}

}  // namespace qsweep
