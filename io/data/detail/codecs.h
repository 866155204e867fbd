#pragma once

#include <string>

#include "src/base/bytes.h"

#include "io/data/picture.h"

namespace qsweep {

/// One reader per picture format; picture.h holds the contract. @param where the file, for errors
[[nodiscard]] bool is_jpeg(ByteView bytes);
[[nodiscard]] PictureSize jpeg_size(ByteView bytes, const std::string& where);
[[nodiscard]] Picture decode_jpeg(ByteView bytes, const std::string& where);

[[nodiscard]] bool is_png(ByteView bytes);
[[nodiscard]] PictureSize png_size(ByteView bytes, const std::string& where);
[[nodiscard]] Picture decode_png(ByteView bytes, const std::string& where);
[[nodiscard]] Mask decode_png_mask(ByteView bytes, const std::string& where);

/// @throws Error(corrupt_input) unless a picture may have these extents
void check_size(const PictureSize& size, const std::string& where);

}  // namespace qsweep
