#include "io/data/picture.h"

#include <array>
#include <memory>

#include <fmt/format.h>
#include <png.h>
#include <turbojpeg.h>

#include "src/base/error.h"

namespace qsweep {
namespace {

constexpr std::int64_t kMostPixels = 100'000'000;
constexpr std::array<std::uint8_t, 3> kJpegSignature = {0xFF, 0xD8, 0xFF};
constexpr std::array<std::uint8_t, 4> kPngSignature = {0x89, 'P', 'N', 'G'};

template <std::size_t N>
bool starts_with(ByteView bytes, const std::array<std::uint8_t, N>& signature) {
  if (bytes.size() < N) return false;
  for (std::size_t i = 0; i < N; ++i) {
    if (static_cast<std::uint8_t>(bytes[i]) != signature[i]) return false;
  }
  return true;
}

Picture make_picture(std::int64_t width, std::int64_t height, const std::string& where) {
  if (width < 1 || height < 1 || width > kMostPixels / height) {
    throw Error(ErrorCode::corrupt_input,
                fmt::format("the picture claims to be {} x {} pixels", width, height), where);
  }
  return {width, height, std::vector<std::uint8_t>(static_cast<std::size_t>(3 * width * height))};
}

Picture decode_jpeg(ByteView bytes, const std::string& where) {
  const std::unique_ptr<void, int (*)(tjhandle)> decoder(tjInitDecompress(), tjDestroy);
  if (!decoder) throw Error(ErrorCode::resource, "libjpeg-turbo cannot start", where);
  const auto damaged = [&] {
    return Error(ErrorCode::corrupt_input,
                 fmt::format("not a sound JPEG: {}", tjGetErrorStr2(decoder.get())), where,
                 "Check that the file is complete");
  };
  const auto* data = reinterpret_cast<const unsigned char*>(bytes.data());
  int width = 0, height = 0, subsampling = 0, colours = 0;
  if (tjDecompressHeader3(decoder.get(), data, bytes.size(), &width, &height, &subsampling,
                          &colours) != 0)
    throw damaged();
  if (colours == TJCS_CMYK || colours == TJCS_YCCK)
    throw Error(ErrorCode::unsupported, "a CMYK JPEG", where, "Convert it to RGB");
  Picture picture = make_picture(width, height, where);
  // A warning (a cut file, a bad marker) is damage here: grey pixels must not be evaluated.
  if (tjDecompress2(decoder.get(), data, bytes.size(), picture.rgb.data(), width, 3 * width, height,
                    TJPF_RGB, TJFLAG_ACCURATEDCT) != 0)
    throw damaged();
  return picture;
}

Picture decode_png(ByteView bytes, const std::string& where) {
  png_image image{};
  image.version = PNG_IMAGE_VERSION;
  const std::unique_ptr<png_image, void (*)(png_image*)> guard(&image, png_image_free);
  const auto damaged = [&] {
    return Error(ErrorCode::corrupt_input, fmt::format("not a sound PNG: {}", image.message), where,
                 "Check that the file is complete");
  };
  if (png_image_begin_read_from_memory(&image, bytes.data(), bytes.size()) == 0) throw damaged();
  image.format = PNG_FORMAT_RGBA;
  Picture picture = make_picture(image.width, image.height, where);
  // Read with alpha and drop it: libpng's own removal would blend with a background.
  std::vector<std::uint8_t> rgba(picture.rgb.size() / 3 * 4);
  if (png_image_finish_read(&image, nullptr, rgba.data(), 0, nullptr) == 0) throw damaged();
  for (std::size_t i = 0; i < rgba.size() / 4; ++i) {
    for (std::size_t c = 0; c < 3; ++c) picture.rgb[3 * i + c] = rgba[4 * i + c];
  }
  return picture;
}

}  // namespace

Picture decode_picture(ByteView bytes, const std::string& where) {
  if (starts_with(bytes, kJpegSignature)) return decode_jpeg(bytes, where);
  if (starts_with(bytes, kPngSignature)) return decode_png(bytes, where);
  throw Error(ErrorCode::unsupported, "neither a JPEG nor a PNG", where,
              "Convert the picture, or give the data as .npy");
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
