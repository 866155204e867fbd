#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <utility>

#include "src/base/error.h"

#include "io/fs/file_system.h"

namespace qsweep::testing {

/// What goes wrong at the chosen operation. Afterwards every operation fails, as it would for a
/// process that is gone.
enum class Fault {
  fails,      ///< nothing of it happens
  shortens,   ///< an append leaves half of its bytes; anything else fails
  power_cut,  ///< as `shortens`, and appended bytes that were not synced are gone from all files
};

/// A file system over another one that breaks at its N-th operation (1, 2, ...), for tests that try
/// N = 1, 2, ... until one run passes clean. Counted are all operations that may touch the disk.
class FaultyFileSystem final : public FileSystem {
 public:
  using FileSystem::replace;
  FaultyFileSystem(FileSystem& inner, Fault fault, int at)
      : inner_(inner), fault_(fault), at_(at) {}

  [[nodiscard]] bool has_broken() const { return count_ >= at_; }

  bool exists(const std::filesystem::path& path) override { return inner_.exists(path); }
  Bytes read(const std::filesystem::path& path) override {
    operation();
    return inner_.read(path);
  }
  void create_directories(const std::filesystem::path& path) override {
    operation();
    inner_.create_directories(path);
  }
  /// An operation for each file; a failed one leaves all as they were.
  void replace(std::span<const NewFile> files) override {
    for (std::size_t i = 0; i < files.size(); ++i) operation();
    inner_.replace(files);
    for (const NewFile& file : files) synced_[file.path] = file.contents.size();
  }
  void check_replace(const std::filesystem::path& path) override { inner_.check_replace(path); }
  void check_create_directories(const std::filesystem::path& path) override {
    inner_.check_create_directories(path);
  }
  void truncate(const std::filesystem::path& path, std::uint64_t size) override {
    operation();
    inner_.truncate(path, size);
    synced_[path] = size;
  }
  void remove(const std::filesystem::path& path) override {
    operation();
    inner_.remove(path);
    synced_.erase(path);
  }
  std::uint64_t free_bytes(const std::filesystem::path& path) override {
    operation();
    return inner_.free_bytes(path);
  }
  std::unique_ptr<AppendFile> open_append(const std::filesystem::path& path) override {
    operation();
    auto file = inner_.open_append(path);
    synced_.emplace(path, std::filesystem::file_size(path));
    return std::make_unique<File>(*this, path, std::move(file));
  }

 private:
  class File final : public AppendFile {
   public:
    File(FaultyFileSystem& files, std::filesystem::path path, std::unique_ptr<AppendFile> inner)
        : files_(files), path_(std::move(path)), inner_(std::move(inner)) {}
    void append(ByteView bytes) override {
      files_.operation([&] { inner_->append(bytes.first(bytes.size() / 2)); });
      inner_->append(bytes);
    }
    void sync() override {
      files_.operation();
      inner_->sync();
      files_.synced_[path_] = std::filesystem::file_size(path_);
    }

   private:
    FaultyFileSystem& files_;
    std::filesystem::path path_;
    std::unique_ptr<AppendFile> inner_;
  };

  void operation() {
    operation([] {});
  }
  /// @param half what a shortened operation still does
  template <class Half>
  void operation(Half half) {
    if (++count_ < at_) return;
    if (count_ == at_) {
      if (fault_ != Fault::fails) half();
      if (fault_ == Fault::power_cut) {
        for (const auto& [path, size] : synced_) inner_.truncate(path, size);
      }
    }
    throw Error(ErrorCode::io, "the disk is broken on purpose");
  }

  FileSystem& inner_;
  Fault fault_;
  int at_;
  int count_ = 0;
  std::map<std::filesystem::path, std::uint64_t> synced_;  ///< sizes that survive a power cut
};

}  // namespace qsweep::testing
