#include "io/data/detail/picture_folder.h"

#include <algorithm>
#include <array>
#include <system_error>
#include <utility>

#include <fmt/format.h>
#include <sys/stat.h>

#include "src/base/error.h"
#include "src/base/text.h"

namespace qsweep {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kMostEntries = 10'000'000;
constexpr std::array<std::string_view, 5> kPictures = {".jpg", ".jpeg", ".jpe", ".jfif", ".png"};
constexpr std::array<std::string_view, 1> kMasks = {".png"};

std::string type_of(const std::string& name) {
  std::string extension = fs::path(name).extension().string();
  std::ranges::transform(extension, extension.begin(), [](char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  });
  return extension;
}

struct Entry {
  std::string name;
  enum class Kind { folder, file, unreachable } kind;
};

Entry::Kind kind_of(const fs::directory_entry& entry) {
  std::error_code failure;
  if (entry.is_directory(failure)) return Entry::Kind::folder;
  return entry.exists(failure) && !failure ? Entry::Kind::file : Entry::Kind::unreachable;
}

/// All that is not hidden, sorted by name.
std::vector<Entry> entries_of(const fs::path& folder) {
  std::error_code failure;
  std::vector<Entry> entries;
  for (auto at = fs::directory_iterator(folder, failure);
       !failure && at != fs::directory_iterator(); at.increment(failure)) {
    std::string name = at->path().filename().string();
    if (name.front() == '.') continue;
    entries.push_back({std::move(name), kind_of(*at)});
    if (entries.size() > kMostEntries)
      throw Error(ErrorCode::corrupt_input, "the folder holds too many files", folder.string());
  }
  if (failure) {
    throw Error(
        failure == std::errc::no_such_file_or_directory ? ErrorCode::not_found : ErrorCode::io,
        "cannot read the folder: " + failure.message(), folder.string());
  }
  std::ranges::sort(entries, {}, &Entry::name);
  return entries;
}

/// @param path below the folder
void leave_out(LeftOut& out, const std::string& path, Entry::Kind kind) {
  if (out.example.empty()) out.example = path;
  if (kind == Entry::Kind::unreachable) {
    ++out.unreachable;
    return;
  }
  const std::string type = type_of(path);
  ++out.by_type[type.empty() ? "without a type" : type];
}

/// Which folder a path leads to, whatever it is called.
std::pair<dev_t, ino_t> identity_of(const fs::path& folder) {
  struct stat found {};
  if (::stat(folder.c_str(), &found) != 0) return {};
  return {found.st_dev, found.st_ino};
}

/// Gathers the files of one folder after the other.
class Walk {
 public:
  Walk(fs::path root, std::span<const std::string_view> types)
      : root_(std::move(root)), types_(types) {}

  FolderList run() {
    visit("");
    // By the folder's path as a whole: "a-b" before "a/b".
    std::ranges::stable_sort(folders_, {}, &Folder::path);
    for (Folder& folder : folders_)
      std::ranges::move(folder.files, std::back_inserter(list_.paths));
    return std::move(list_);
  }

 private:
  struct Folder {
    std::string path;  ///< below the root
    std::vector<std::string> files;
  };

  void visit(const std::string& path) {
    const auto identity = identity_of(root_ / path);
    if (std::ranges::find(open_, identity) != open_.end())
      return leave_out(list_.left_out, path, Entry::Kind::unreachable);
    open_.push_back(identity);
    Folder folder{path, {}};
    for (const Entry& entry : entries_of(root_ / path)) {
      const std::string below = path.empty() ? entry.name : path + "/" + entry.name;
      if (entry.kind == Entry::Kind::folder) {
        visit(below);
      } else if (std::ranges::find(types_, type_of(entry.name)) != types_.end()) {
        folder.files.push_back(below);  // though it may lead nowhere: then it is missed
      } else {
        leave_out(list_.left_out, below, entry.kind);
      }
    }
    folders_.push_back(std::move(folder));
    open_.pop_back();
  }

  fs::path root_;
  std::span<const std::string_view> types_;
  std::vector<std::pair<dev_t, ino_t>> open_;  ///< from the root to where the walk is
  std::vector<Folder> folders_;
  FolderList list_;
};

}  // namespace

void LeftOut::add(const LeftOut& below, const std::string& name) {
  for (const auto& [type, count] : below.by_type) by_type[type] += count;
  unreachable += below.unreachable;
  if (example.empty() && !below.example.empty()) example = name + "/" + below.example;
}

std::string LeftOut::remark(const std::string& folder) const {
  std::vector<std::string> parts;
  std::int64_t files = unreachable;
  for (const auto& [type, count] : by_type) {
    parts.push_back(fmt::format("{} {}", count, type));
    files += count;
  }
  if (files == 0) return {};
  if (unreachable > 0)
    parts.push_back(fmt::format("{} linked to nowhere or in a circle", unreachable));
  return fmt::format("{} {} of {} {} left out: {} (such as {})", files,
                     files == 1 ? "file" : "files", folder, files == 1 ? "is" : "are",
                     join(parts, ", "), example);
}

std::span<const std::string_view> picture_types() {
  return kPictures;
}
std::span<const std::string_view> mask_types() {
  return kMasks;
}

FolderList files_below(const fs::path& folder, std::span<const std::string_view> types) {
  return Walk(folder, types).run();
}

FolderList subfolders(const fs::path& folder) {
  FolderList list;
  for (const Entry& entry : entries_of(folder)) {
    if (entry.kind == Entry::Kind::folder) {
      list.paths.push_back(entry.name);
    } else {
      leave_out(list.left_out, entry.name, entry.kind);
    }
  }
  return list;
}

}  // namespace qsweep
