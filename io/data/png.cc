// PNG with libpng. Stored values are taken as they are, as Pillow and OpenCV take them: no gamma,
// no profile; of 16 bits the upper 8 count, alpha is dropped.
#include <algorithm>
#include <array>
#include <bit>
#include <csetjmp>
#include <cstring>
#include <vector>

#include <fmt/format.h>
#include <png.h>

#include "src/base/error.h"

#include "io/data/detail/codecs.h"

namespace qsweep {
namespace {

constexpr png_uint_32 kAnyExtent = 0x7FFFFFFF;  // check_size() knows the limit
/// Deflate makes at most this many bytes of one.
constexpr std::uint64_t kMostDeflated = 1040;

/// libpng's reader; its errors come back as a message.
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
    png_set_user_limits(png_, kAnyExtent, kAnyExtent);
    png_set_benign_errors(png_, 1);
    png_set_read_fn(png_, this, on_read);
    png_read_info(png_, info_);
    return true;
  }
  /// Three bytes per pixel. @param rows pointers to the rows of the picture
  [[nodiscard]] bool read_rgb(png_bytepp rows) {
    if (setjmp(jump_) != 0) return false;
    png_set_strip_16(png_);
    if (colours() == PNG_COLOR_TYPE_PALETTE) png_set_palette_to_rgb(png_);
    if (colours() == PNG_COLOR_TYPE_GRAY && bits() < 8) png_set_expand_gray_1_2_4_to_8(png_);
    if ((colours() & PNG_COLOR_MASK_COLOR) == 0) png_set_gray_to_rgb(png_);
    png_set_strip_alpha(png_);
    return read(rows, 3);
  }
  /// Values as stored: a byte per pixel, of 16 bits two. @param rows as above
  [[nodiscard]] bool read_labels(png_bytepp rows) {
    if (setjmp(jump_) != 0) return false;
    png_set_packing(png_);
    png_set_strip_alpha(png_);
    if (std::endian::native == std::endian::little && bits() == 16) png_set_swap(png_);
    if (!read(rows, bits() == 16 ? 2 : 1)) return false;
    png_read_end(png_, nullptr);
    return true;
  }
  [[nodiscard]] PictureSize size() const {
    return {png_get_image_width(png_, info_), png_get_image_height(png_, info_)};
  }
  [[nodiscard]] int bits() const { return png_get_bit_depth(png_, info_); }
  [[nodiscard]] int colours() const { return png_get_color_type(png_, info_); }
  /// Of the picture before it was compressed.
  [[nodiscard]] std::uint64_t stored_bytes() const {
    return std::uint64_t{png_get_rowbytes(png_, info_)} * png_get_image_height(png_, info_);
  }
  [[nodiscard]] const char* message() const { return message_.data(); }

 private:
  /// Called between setjmp and a jump. @param pixel bytes that a pixel has to have
  [[nodiscard]] bool read(png_bytepp rows, std::size_t pixel) {
    png_set_interlace_handling(png_);
    png_read_update_info(png_, info_);
    if (png_get_rowbytes(png_, info_) != pixel * png_get_image_width(png_, info_)) {
      png_error(png_, "a layout of pixels that is not known");
    }
    png_read_image(png_, rows);
    return true;
  }

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

Error damaged(const char* problem, const std::string& where) {
  return {ErrorCode::corrupt_input, fmt::format("not a sound PNG: {}", problem), where,
          "Check that the file is complete"};
}

/// The header is read and may be true.
void read_header(PngReader& reader, ByteView bytes, const std::string& where) {
  if (!reader.read_header()) throw damaged(reader.message(), where);
  check_size(reader.size(), where);
  if (reader.stored_bytes() / kMostDeflated > bytes.size())
    throw damaged("the file is too small for its extents", where);
}

template <class Value>
std::vector<png_bytep> rows_of(std::vector<Value>& values, std::int64_t height) {
  std::vector<png_bytep> rows;
  const std::size_t row = values.size() / static_cast<std::size_t>(height);
  for (std::size_t at = 0; at < values.size(); at += row)
    rows.push_back(reinterpret_cast<png_bytep>(values.data() + at));
  return rows;
}

/// Labels of 16 bits as bytes.
std::vector<std::uint8_t> narrowed(const std::vector<std::uint16_t>& wide,
                                   const std::string& where) {
  std::vector<std::uint8_t> labels;
  labels.reserve(wide.size());
  for (const std::uint16_t label : wide) {
    if (label > 255) {
      throw Error(ErrorCode::unsupported,
                  fmt::format("the mask has 16 bits and holds class {}, more than 255", label),
                  where, "Number the classes 0 to 254, and 255 for none");
    }
    labels.push_back(static_cast<std::uint8_t>(label));
  }
  return labels;
}

}  // namespace

bool is_png(ByteView bytes) {
  constexpr std::array signature = {std::byte{0x89}, std::byte{'P'}, std::byte{'N'},
                                    std::byte{'G'}};
  return bytes.size() >= signature.size() &&
         std::ranges::equal(bytes.first(signature.size()), signature);
}

PictureSize png_size(ByteView bytes, const std::string& where) {
  PngReader reader(bytes);
  if (!reader.read_header()) throw damaged(reader.message(), where);
  check_size(reader.size(), where);
  return reader.size();
}

Picture decode_png(ByteView bytes, const std::string& where) {
  PngReader reader(bytes);
  read_header(reader, bytes, where);
  const auto [width, height] = reader.size();
  Picture picture{width, height,
                  std::vector<std::uint8_t>(static_cast<std::size_t>(3 * width * height))};
  std::vector<png_bytep> rows = rows_of(picture.rgb, height);
  if (!reader.read_rgb(rows.data())) throw damaged(reader.message(), where);
  return picture;
}

Mask decode_png_mask(ByteView bytes, const std::string& where) {
  PngReader reader(bytes);
  read_header(reader, bytes, where);
  const auto [width, height] = reader.size();
  if (reader.colours() == PNG_COLOR_TYPE_RGB || reader.colours() == PNG_COLOR_TYPE_RGB_ALPHA) {
    throw Error(ErrorCode::unsupported, "the mask has colours, not labels", where,
                "Save it as a grey or palette PNG of one label per pixel");
  }
  const auto pixels = static_cast<std::size_t>(width * height);
  if (reader.bits() == 16) {
    std::vector<std::uint16_t> wide(pixels);
    std::vector<png_bytep> rows = rows_of(wide, height);
    if (!reader.read_labels(rows.data())) throw damaged(reader.message(), where);
    return {width, height, narrowed(wide, where)};
  }
  Mask mask{width, height, std::vector<std::uint8_t>(pixels)};
  std::vector<png_bytep> rows = rows_of(mask.labels, height);
  if (!reader.read_labels(rows.data())) throw damaged(reader.message(), where);
  return mask;
}

}  // namespace qsweep
