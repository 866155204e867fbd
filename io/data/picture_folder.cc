#include "io/data/detail/picture_folder.h"

#include <fmt/format.h>

#include "src/base/error.h"

#include "io/data/detail/containers.h"
#include "io/data/detail/picture_dataset.h"

namespace qsweep {
namespace {

/// One folder per class, sorted by name: the first is class 0. Pictures lie in them or below, and
/// go by class, then by folder and name.
class PictureFolder final : public PictureDataset<Dataset> {
 public:
  PictureFolder(const std::filesystem::path& folder, const InputSpec& input)
      : PictureDataset(input, folder, "Check that the files are complete and readable"),
        folder_(folder) {
    const FolderList classes = subfolders(folder);
    if (classes.paths.empty()) {
      throw Error(ErrorCode::corrupt_input, "the folder holds no folder of a class",
                  folder.string(), "Put the pictures of each class in a folder of its own");
    }
    note(classes.left_out, folder.string() + " itself");
    LeftOut left_out;
    for (const std::string& name : classes.paths) {
      const FolderList found = files_below(folder / name, picture_types());
      if (found.paths.empty()) {
        throw Error(ErrorCode::corrupt_input, "the class has no picture", (folder / name).string(),
                    "Add .jpg or .png files, or remove the folder");
      }
      for (const std::string& picture : found.paths) {
        pictures_.add((folder / name / picture).string());
        labels_.push_back(classes_);
      }
      left_out.add(found.left_out, name);
      ++classes_;
    }
    note(left_out, folder.string());
  }

  [[nodiscard]] std::int64_t classes() const override { return classes_; }
  [[nodiscard]] bool declares_classes() const override { return true; }
  [[nodiscard]] std::int64_t label(std::int64_t sample) const override {
    return labels_.at(static_cast<std::size_t>(sample));
  }
  [[nodiscard]] std::string sample_name(std::int64_t sample) const override {
    return path_below(folder_, sample);
  }

 private:
  void note(const LeftOut& left_out, const std::string& where) {
    if (std::string text = left_out.remark(where); !text.empty())
      remarks_.push_back(std::move(text));
  }

  std::filesystem::path folder_;
  std::vector<std::int32_t> labels_;
  std::int32_t classes_ = 0;
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
