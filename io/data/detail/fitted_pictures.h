#pragma once

#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <vector>

#include "io/data/dataset.h"
#include "io/data/detail/mapped_file.h"
#include "io/data/detail/pixels.h"

namespace qsweep {

/// Picture files as model inputs: decoded on first use, fitted to the input's size, kept while
/// there is room. Thread-safe.
class FittedPictures {
 public:
  /// @param where the list of the pictures, for errors
  /// @throws Error(config) when `input` does not say the size
  FittedPictures(const InputSpec& input, const std::string& where);

  void add(MappedFile file);
  /// The pictures' extents are checked when they are decoded. @param sample one that was added
  void expect_size(std::int64_t sample, std::int64_t width, std::int64_t height);

  [[nodiscard]] const ResizeSpec& resize() const { return resize_; }
  [[nodiscard]] const std::vector<MappedFile>& files() const { return files_; }
  [[nodiscard]] const MappedFile& file(std::int64_t sample) const {
    return files_.at(static_cast<std::size_t>(sample));
  }
  /// As Dataset::images().
  [[nodiscard]] Tensor batch(std::span<const std::int64_t> samples) const;

 private:
  using Fitted = std::shared_ptr<const std::vector<std::uint8_t>>;
  struct Size {
    std::int64_t width = 0, height = 0;  ///< 0: any
  };
  [[nodiscard]] Fitted fitted(std::int64_t sample) const;

  ResizeSpec resize_;
  std::unique_ptr<Pixels> pixels_;
  std::vector<MappedFile> files_;
  std::vector<Size> sizes_;
  mutable std::mutex mutex_;
  mutable std::vector<Fitted> fitted_;
  mutable std::size_t cached_bytes_ = 0;
};

/// Opens files and reports those that cannot be read together.
class FileList {
 public:
  /// @param note what the error says about it, e.g. its line
  void add(FittedPictures& to, const std::filesystem::path& path, const std::string& note);
  /// @throws Error(not_found) naming the first few
  void raise(const std::string& where, const std::string& hint) const;

 private:
  std::vector<std::string> problems_;
};

}  // namespace qsweep
