#include "io/data/detail/picture_folder.h"

#include <algorithm>

#include <fmt/format.h>

#include "src/base/error.h"
#include "src/base/hash.h"

#include "io/data/detail/containers.h"
#include "io/data/detail/fitted_pictures.h"

namespace qsweep {
namespace {

/// One folder per class, sorted by name: the first is class 0. Pictures lie directly in them and go
/// by class, then by name.
class PictureFolder final : public Dataset {
 public:
  PictureFolder(const std::filesystem::path& folder, const InputSpec& input)
      : pictures_(input, folder.string()) {
    const auto classes = subfolders(folder);
    if (classes.empty()) {
      throw Error(ErrorCode::corrupt_input, "the folder holds no folder of a class",
                  folder.string(), "Put the pictures of each class in a folder of its own");
    }
    FileList opened;
    for (const std::filesystem::path& of_class : classes) {
      const auto files = picture_files(of_class);
      if (files.empty()) {
        throw Error(ErrorCode::corrupt_input, "the class has no picture", of_class.string(),
                    "Add .jpg or .png files, or remove the folder");
      }
      for (const std::filesystem::path& file : files) {
        opened.add(pictures_, file, (of_class.filename() / file.filename()).string());
        labels_.push_back(classes_);
      }
      names_ += of_class.filename().string() + '\n';
      ++classes_;
    }
    opened.raise(folder.string(), "Check that the files are complete and readable");
  }

  [[nodiscard]] std::int64_t size() const override {
    return static_cast<std::int64_t>(labels_.size());
  }
  [[nodiscard]] std::int64_t classes() const override { return classes_; }
  [[nodiscard]] std::int64_t label(std::int64_t sample) const override {
    return labels_.at(static_cast<std::size_t>(sample));
  }
  [[nodiscard]] Tensor images(std::span<const std::int64_t> ids) const override {
    return pictures_.batch(ids);
  }
  [[nodiscard]] ByteView sample_bytes(std::int64_t sample) const override {
    return pictures_.file(sample).bytes();
  }
  /// The names of the classes count too: they decide the labels.
  [[nodiscard]] std::string digest() const override {
    return sha256_hex(names_ + digest_of(pictures_.files()));
  }
  [[nodiscard]] std::string decoding() const override { return pictures_.decoding(); }

 private:
  void share(const NodeShare& share) override { pictures_.share(share); }

  FittedPictures pictures_;
  std::vector<std::int64_t> labels_;
  std::int64_t classes_ = 0;
  std::string names_;
};

}  // namespace

std::unique_ptr<Dataset> open_picture_folder(const DataSpec& spec, const InputSpec& input) {
  if (spec.paths.size() != 1) {
    throw Error(ErrorCode::config,
                fmt::format("folder data takes one folder, not {}", spec.paths.size()), "folder",
                "Write folder:DIR, with a folder for each class in it");
  }
  return std::make_unique<PictureFolder>(spec.paths.front(), input);
}

}  // namespace qsweep
