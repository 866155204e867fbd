#include "io/data/detail/picture_folder.h"

#include <algorithm>
#include <string>
#include <system_error>

#include "src/base/error.h"

namespace qsweep {
namespace {

constexpr std::size_t kMostEntries = 10'000'000;

template <class Wanted>
std::vector<std::filesystem::path> entries(const std::filesystem::path& folder,
                                           const Wanted& wanted) {
  std::error_code failure;
  std::vector<std::filesystem::path> paths;
  for (auto at = std::filesystem::directory_iterator(folder, failure);
       !failure && at != std::filesystem::directory_iterator(); at.increment(failure)) {
    if (!wanted(*at)) continue;
    paths.push_back(at->path());
    if (paths.size() > kMostEntries)
      throw Error(ErrorCode::corrupt_input, "the folder holds too many files", folder.string());
  }
  if (failure) {
    throw Error(
        failure == std::errc::no_such_file_or_directory ? ErrorCode::not_found : ErrorCode::io,
        "cannot read the folder: " + failure.message(), folder.string());
  }
  std::ranges::sort(paths);
  return paths;
}

}  // namespace

std::vector<std::filesystem::path> picture_files(const std::filesystem::path& folder) {
  return entries(folder, [](const std::filesystem::directory_entry& entry) {
    std::string extension = entry.path().extension().string();
    std::ranges::transform(extension, extension.begin(), [](char c) {
      return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
    });
    return extension == ".jpg" || extension == ".jpeg" || extension == ".png";
  });
}

std::vector<std::filesystem::path> subfolders(const std::filesystem::path& folder) {
  return entries(folder, [](const std::filesystem::directory_entry& entry) {
    return entry.is_directory() && entry.path().filename().string().front() != '.';
  });
}

}  // namespace qsweep
