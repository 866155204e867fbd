#include "io/onnx/detail/external_data.h"

#include <algorithm>
#include <fstream>
#include <system_error>

#include "src/base/error.h"

namespace qsweep::detail {

namespace fs = std::filesystem;

fs::path ExternalData::resolve(const std::string& location, const std::string& where) const {
  const fs::path relative(location);
  if (folder_.empty() || location.empty() || relative.is_absolute()) {
    throw Error(ErrorCode::corrupt_input,
                "external data '" + location + "' is not a file beside the model", where);
  }
  std::error_code failed;
  const fs::path path = fs::weakly_canonical(folder_ / relative, failed);
  const auto [folder_end, path_at] = std::ranges::mismatch(folder_, path);
  if (failed || folder_end != folder_.end() || path_at == path.end()) {
    throw Error(ErrorCode::corrupt_input,
                "external data '" + location + "' lies outside the model's folder", where);
  }
  if (!fs::is_regular_file(path, failed)) {
    throw Error(ErrorCode::io, "external data file '" + path.string() + "' is missing", where,
                "Copy it beside the model");
  }
  return path;
}

void ExternalData::check(const Range& range, const std::string& where) const {
  const fs::path path = resolve(range.location, where);
  std::error_code failed;
  const std::uint64_t size = fs::file_size(path, failed);
  if (failed) throw Error(ErrorCode::io, "cannot read '" + path.string() + "'", where);
  if (range.offset > size || range.length > size - range.offset) {
    throw Error(ErrorCode::corrupt_input,
                "external data file '" + path.string() + "' has " + std::to_string(size) +
                    " bytes, but " + std::to_string(range.length) + " are expected at offset " +
                    std::to_string(range.offset),
                where);
  }
}

void ExternalData::read(const Range& range, std::span<std::byte> into, const std::string& where) {
  QSWEEP_CHECK(into.size() == range.length);
  const fs::path path = resolve(range.location, where);
  std::ifstream file(path, std::ios::binary);
  file.seekg(static_cast<std::streamoff>(range.offset));
  file.read(reinterpret_cast<char*>(into.data()), static_cast<std::streamsize>(into.size()));
  if (!file) throw Error(ErrorCode::io, "cannot read '" + path.string() + "'", where);
  sha_.update(ByteView(into));
  used_ = true;
}

std::string ExternalData::digest() {
  return used_ ? sha_.hex() : std::string();
}

}  // namespace qsweep::detail
