// JPEG with libjpeg-turbo. What Pillow does where there is a choice: accurate DCT, smooth
// upsampling, CMYK and YCCK as Adobe writes them: inverted.
#include <algorithm>
#include <array>
#include <csetjmp>
#include <cstddef>
#include <cstdio>
#include <vector>

#include <fmt/format.h>
#include <jpeglib.h>
// clang-format off: what it lists depends on jpeglib.h
#include <jerror.h>
// clang-format on

#include "src/base/error.h"

#include "io/data/detail/codecs.h"

namespace qsweep {
namespace {

/// libjpeg's reader; its errors come back as a message.
class JpegReader {
 public:
  explicit JpegReader(ByteView bytes) {
    jpeg_.err = jpeg_std_error(&errors_);
    jpeg_.client_data = this;
    errors_.error_exit = on_error;
    errors_.emit_message = on_message;
    errors_.output_message = [](j_common_ptr) {};
    if (setjmp(jump_) != 0) return;
    jpeg_create_decompress(&jpeg_);
    jpeg_mem_src(&jpeg_, reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size());
    is_open_ = true;
  }
  ~JpegReader() { jpeg_destroy_decompress(&jpeg_); }
  JpegReader(const JpegReader&) = delete;
  JpegReader& operator=(const JpegReader&) = delete;

  // Between setjmp and a jump lie only C frames and trivial objects.
  [[nodiscard]] bool read_header() {
    if (!is_open_ || setjmp(jump_) != 0) return false;
    jpeg_read_header(&jpeg_, TRUE);
    return true;
  }
  /// RGB, or CMYK as stored, of channels() bytes per pixel.
  /// @param rows pointers to the rows of the picture
  [[nodiscard]] bool read_rows(std::span<std::uint8_t*> rows) {
    if (setjmp(jump_) != 0) return false;
    jpeg_.out_color_space = channels() == 4 ? JCS_CMYK : JCS_RGB;
    jpeg_.dct_method = JDCT_ISLOW;
    jpeg_start_decompress(&jpeg_);
    while (jpeg_.output_scanline < jpeg_.output_height) {
      jpeg_read_scanlines(&jpeg_, rows.data() + jpeg_.output_scanline,
                          jpeg_.output_height - jpeg_.output_scanline);
    }
    jpeg_finish_decompress(&jpeg_);
    return !lacks_data_;
  }
  [[nodiscard]] PictureSize size() const { return {jpeg_.image_width, jpeg_.image_height}; }
  [[nodiscard]] int channels() const { return jpeg_.num_components == 4 ? 4 : 3; }
  [[nodiscard]] const char* message() const { return message_.data(); }

 private:
  static JpegReader& of(j_common_ptr jpeg) { return *static_cast<JpegReader*>(jpeg->client_data); }

  [[noreturn]] static void on_error(j_common_ptr jpeg) {
    JpegReader& reader = of(jpeg);
    jpeg->err->format_message(jpeg, reader.message_.data());
    std::longjmp(reader.jump_, 1);
  }
  /// A warning is damage where pixels are made up: grey ones must not be evaluated. Stray bytes and
  /// odd headers cost nothing.
  static void on_message(j_common_ptr jpeg, int level) {
    JpegReader& reader = of(jpeg);
    if (level >= 0 || reader.lacks_data_) return;
    switch (jpeg->err->msg_code) {
      case JWRN_JPEG_EOF:
      case JWRN_HIT_MARKER:
      case JWRN_HUFF_BAD_CODE:
      case JWRN_ARITH_BAD_CODE:
      case JWRN_MUST_RESYNC:
        reader.lacks_data_ = true;
        jpeg->err->format_message(jpeg, reader.message_.data());
        break;
      default:
        break;
    }
  }

  jpeg_decompress_struct jpeg_{};
  jpeg_error_mgr errors_{};
  std::jmp_buf jump_{};
  bool is_open_ = false;
  bool lacks_data_ = false;
  std::array<char, JMSG_LENGTH_MAX> message_{};
};

Error damaged(const JpegReader& reader, const std::string& where) {
  return {ErrorCode::corrupt_input, fmt::format("not a sound JPEG: {}", reader.message()), where,
          "Check that the file is complete"};
}

/// a * b / 255, rounded as Pillow rounds it.
std::uint8_t product(unsigned a, unsigned b) {
  const unsigned x = a * b + 128;
  return static_cast<std::uint8_t>(((x >> 8) + x) >> 8);
}

/// Stored inverted, each value is how much light its ink lets through.
void from_cmyk(const std::vector<std::uint8_t>& cmyk, std::vector<std::uint8_t>& rgb) {
  for (std::size_t i = 0; i < cmyk.size() / 4; ++i) {
    const unsigned light = cmyk[4 * i + 3];
    for (std::size_t c = 0; c < 3; ++c)
      rgb[3 * i + c] = static_cast<std::uint8_t>(light - product(255U - cmyk[4 * i + c], light));
  }
}

}  // namespace

bool is_jpeg(ByteView bytes) {
  constexpr std::array signature = {std::byte{0xFF}, std::byte{0xD8}, std::byte{0xFF}};
  return bytes.size() >= signature.size() &&
         std::ranges::equal(bytes.first(signature.size()), signature);
}

PictureSize jpeg_size(ByteView bytes, const std::string& where) {
  JpegReader reader(bytes);
  if (!reader.read_header()) throw damaged(reader, where);
  check_size(reader.size(), where);
  return reader.size();
}

Picture decode_jpeg(ByteView bytes, const std::string& where) {
  JpegReader reader(bytes);
  if (!reader.read_header()) throw damaged(reader, where);
  const auto [width, height] = reader.size();
  check_size(reader.size(), where);
  Picture picture{width, height,
                  std::vector<std::uint8_t>(static_cast<std::size_t>(3 * width * height))};
  std::vector<std::uint8_t> cmyk;
  if (reader.channels() == 4) cmyk.resize(static_cast<std::size_t>(4 * width * height));
  std::uint8_t* pixels = cmyk.empty() ? picture.rgb.data() : cmyk.data();
  std::vector<std::uint8_t*> rows;
  for (std::int64_t y = 0; y < height; ++y) rows.push_back(pixels + y * width * reader.channels());
  if (!reader.read_rows(rows)) throw damaged(reader, where);
  if (!cmyk.empty()) from_cmyk(cmyk, picture.rgb);
  return picture;
}

}  // namespace qsweep
