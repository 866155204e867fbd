#include "io/data/picture.h"

#include <algorithm>
#include <array>
#include <csetjmp>
#include <cstring>
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

void check_size(std::int64_t width, std::int64_t height, const std::string& where) {
  if (width < 1 || height < 1 || width > kMostPixels / height) {
    throw Error(ErrorCode::corrupt_input,
                fmt::format("the picture claims to be {} x {} pixels", width, height), where);
  }
}

Picture make_picture(std::int64_t width, std::int64_t height, const std::string& where) {
  check_size(width, height, where);
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

/// libpng's reader of raw samples; its errors come back as a message.
class PngReader {
 public:
  explicit PngReader(ByteView bytes) : rest_(bytes) {
    png_ = png_create_read_struct(PNG_LIBPNG_VER_STRING, this, on_error, on_warning);
    if (png_ != nullptr) info_ = png_create_info_struct(png_);
  }
  ~PngReader() { png_destroy_read_struct(&png_, &info_, nullptr); }
  PngReader(const PngReader&) = delete;
  PngReader& operator=(const PngReader&) = delete;

  // Between setjmp and a jump lie only C frames and trivial objects.
  [[nodiscard]] bool read_header() {
    if (info_ == nullptr || setjmp(jump_) != 0) return false;
    png_set_read_fn(png_, this, on_read);
    png_read_info(png_, info_);
    return true;
  }
  /// One byte per pixel. @param rows pointers to image rows of width() bytes
  [[nodiscard]] bool read_rows(png_bytepp rows) {
    if (setjmp(jump_) != 0) return false;
    png_set_packing(png_);
    png_read_image(png_, rows);
    png_read_end(png_, nullptr);
    return true;
  }
  [[nodiscard]] std::int64_t width() const { return png_get_image_width(png_, info_); }
  [[nodiscard]] std::int64_t height() const { return png_get_image_height(png_, info_); }
  [[nodiscard]] bool holds_labels() const {
    const int colours = png_get_color_type(png_, info_);
    return (colours == PNG_COLOR_TYPE_GRAY || colours == PNG_COLOR_TYPE_PALETTE) &&
           png_get_bit_depth(png_, info_) <= 8;
  }
  [[nodiscard]] const char* message() const { return message_.data(); }

 private:
  [[noreturn]] static void on_error(png_structp png, png_const_charp text) {
    auto* reader = static_cast<PngReader*>(png_get_error_ptr(png));
    std::strncpy(reader->message_.data(), text, reader->message_.size() - 1);
    std::longjmp(reader->jump_, 1);
  }
  static void on_warning(png_structp, png_const_charp) {}
  static void on_read(png_structp png, png_bytep to, std::size_t count) {
    auto* reader = static_cast<PngReader*>(png_get_io_ptr(png));
    if (count > reader->rest_.size()) png_error(png, "the file ends early");
    std::memcpy(to, reader->rest_.data(), count);
    reader->rest_ = reader->rest_.subspan(count);
  }

  ByteView rest_;
  png_structp png_ = nullptr;
  png_infop info_ = nullptr;
  std::jmp_buf jump_{};
  std::array<char, 80> message_{};
};

}  // namespace

PictureSize picture_size(ByteView bytes, const std::string& where) {
  PictureSize size;
  if (starts_with(bytes, kJpegSignature)) {
    const std::unique_ptr<void, int (*)(tjhandle)> decoder(tjInitDecompress(), tjDestroy);
    int width = 0, height = 0, subsampling = 0, colours = 0;
    if (!decoder ||
        tjDecompressHeader3(decoder.get(), reinterpret_cast<const unsigned char*>(bytes.data()),
                            bytes.size(), &width, &height, &subsampling, &colours) != 0)
      throw Error(ErrorCode::corrupt_input, "not a sound JPEG", where,
                  "Check that the file is complete");
    size = {width, height};
  } else if (starts_with(bytes, kPngSignature)) {
    PngReader reader(bytes);
    if (!reader.read_header())
      throw Error(ErrorCode::corrupt_input, fmt::format("not a sound PNG: {}", reader.message()),
                  where, "Check that the file is complete");
    size = {reader.width(), reader.height()};
  } else {
    throw Error(ErrorCode::unsupported, "neither a JPEG nor a PNG", where, "Convert the picture");
  }
  check_size(size.width, size.height, where);
  return size;
}

Mask decode_mask(ByteView bytes, const std::string& where) {
  if (!starts_with(bytes, kPngSignature))
    throw Error(ErrorCode::unsupported, "the mask is not a PNG", where,
                "Save masks losslessly, one label per pixel");
  const auto damaged = [&](const PngReader& reader) {
    return Error(ErrorCode::corrupt_input, fmt::format("not a sound PNG: {}", reader.message()),
                 where, "Check that the file is complete");
  };
  PngReader reader(bytes);
  if (!reader.read_header()) throw damaged(reader);
  Mask mask{reader.width(), reader.height(), {}};
  check_size(mask.width, mask.height, where);
  if (!reader.holds_labels())
    throw Error(ErrorCode::unsupported, "the mask has colours, not labels", where,
                "Save it as a grey or palette PNG of at most 8 bits");
  mask.labels.resize(static_cast<std::size_t>(mask.width * mask.height));
  std::vector<png_bytep> rows;
  for (std::int64_t y = 0; y < mask.height; ++y)
    rows.push_back(mask.labels.data() + y * mask.width);
  if (!reader.read_rows(rows.data())) throw damaged(reader);
  return mask;
}

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
