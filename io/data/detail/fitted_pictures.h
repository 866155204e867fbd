#pragma once

#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "io/data/dataset.h"
#include "io/data/detail/data_file.h"
#include "io/data/detail/picture_table.h"
#include "io/data/detail/pixels.h"
#include "io/data/picture.h"

namespace qsweep {

/// Picture files as model inputs: decoded on first use, fitted to the input's size, kept while
/// there is room: first on the node, by the ranks that share() them, then by this rank. Thread-safe
/// once share() has returned.
class FittedPictures {
 public:
  /// @param where the list of the pictures, for errors
  /// @throws Error(config) when `input` does not say the size
  FittedPictures(const InputSpec& input, const std::string& where);

  void add(std::string path);
  /// The pictures' extents are checked when they are decoded. @param sample one that was added
  void expect_size(std::int64_t sample, std::int64_t width, std::int64_t height);
  /// The pictures are complete and will be asked for. Without memory to share, or in a `share`
  /// without other ranks, they are kept by this rank alone.
  void share(const NodeShare& share);
  /// Of the tables they are kept in.
  [[nodiscard]] PictureTable::Extents extents() const;
  /// Names the pictures and how they are fitted.
  [[nodiscard]] std::string key() const;
  /// As Dataset::decoding().
  [[nodiscard]] std::string decoding() const;

  [[nodiscard]] const ResizeSpec& resize() const { return resize_; }
  [[nodiscard]] const FileSet& files() const { return files_; }
  [[nodiscard]] const std::string& where() const { return where_; }
  /// As the file holds it, decoded anew.
  [[nodiscard]] Picture picture(std::int64_t sample) const;
  /// As Dataset::images().
  [[nodiscard]] Tensor batch(std::span<const std::int64_t> samples) const;

 private:
  struct Size {
    std::int64_t width = 0, height = 0;  ///< 0: any
  };
  enum class IfClaimed { leave, decode };
  /// @return false when another thread or rank has claimed the picture, and so it is left to it
  bool convert(std::int64_t sample, float* out, IfClaimed if_claimed) const;
  [[nodiscard]] Picture decode(std::int64_t sample) const;

  std::string where_;
  ResizeSpec resize_;
  std::unique_ptr<Pixels> pixels_;
  FileSet files_;
  std::vector<Size> sizes_;               ///< by sample; empty: any
  int ranks_ = 1;                         ///< that share the pictures
  std::string unshared_;                  ///< why they are not shared; empty when nothing is wrong
  std::unique_ptr<PictureTable> shared_;  ///< null when they are not
  std::unique_ptr<PictureTable> own_;
};

/// Checks that files can be opened, and reports those that cannot together.
/// @param name what the error says of a file, e.g. its line
/// @throws Error(not_found) naming the first few
void require_files(const FileSet& files,
                   std::span<const std::int64_t> wanted,
                   const std::function<std::string(std::int64_t)>& name,
                   const std::string& where,
                   const std::string& hint);

}  // namespace qsweep
