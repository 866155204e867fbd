#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace qsweep {

/// Files of a folder that are no pictures, or cannot be reached.
struct LeftOut {
  std::map<std::string, std::int64_t> by_type;  ///< by extension in lower case, with its dot
  std::int64_t unreachable = 0;                 ///< links that lead nowhere or in a circle
  std::string example;                          ///< below the folder

  /// Adds what a folder below this one leaves out.
  void add(const LeftOut& below, const std::string& name);
  /// A sentence about the files left out of `folder`; empty when there are none.
  [[nodiscard]] std::string remark(const std::string& folder) const;
};

/// Paths below a folder, as text.
struct FolderList {
  std::vector<std::string> paths;
  LeftOut left_out;
};

/// Extensions, in any case, of pictures and of masks.
[[nodiscard]] std::span<const std::string_view> picture_types();
[[nodiscard]] std::span<const std::string_view> mask_types();

/// The files of these types in a folder and in the folders below it: folders by path, then names
/// (torchvision's ImageFolder). Hidden files and folders are passed over.
/// @throws Error(not_found) or Error(io) naming the folder
[[nodiscard]] FolderList files_below(const std::filesystem::path& folder,
                                     std::span<const std::string_view> types);
/// The names of the folders directly in a folder, sorted; hidden ones are passed over. What is left
/// out are the files beside them.
[[nodiscard]] FolderList subfolders(const std::filesystem::path& folder);

}  // namespace qsweep
