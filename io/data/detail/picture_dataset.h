#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "io/data/dataset.h"
#include "io/data/detail/fitted_pictures.h"

namespace qsweep {

/// What all sets of picture files do alike. @tparam Base a Dataset
template <class Base>
class PictureDataset : public Base {
 public:
  [[nodiscard]] std::int64_t size() const override {
    return static_cast<std::int64_t>(pictures_.files().size());
  }
  [[nodiscard]] Tensor images(std::span<const std::int64_t> ids) const override {
    return pictures_.batch(ids);
  }
  [[nodiscard]] Bytes sample_bytes(std::int64_t sample) const override {
    return pictures_.files().read(static_cast<std::size_t>(sample));
  }
  [[nodiscard]] std::uint64_t sample_hash(std::int64_t sample) const override {
    return pictures_.files().hash(static_cast<std::size_t>(sample));
  }
  void require(std::span<const std::int64_t> ids) const override {
    const auto name = [&](std::int64_t sample) { return this->sample_name(sample); };
    require_files(pictures_.files(), ids, name, pictures_.where(), hint_);
  }
  [[nodiscard]] std::string decoding() const override { return pictures_.decoding(); }
  [[nodiscard]] std::vector<std::string> remarks() const override { return remarks_; }

 protected:
  /// @param where the list or folder of the pictures, @param hint what to do where one is missing
  PictureDataset(const InputSpec& input, const std::filesystem::path& where, std::string hint)
      : pictures_(input, where.string()), hint_(std::move(hint)) {}

  [[nodiscard]] const std::string& path(std::int64_t sample) const {
    return pictures_.files().path(static_cast<std::size_t>(sample));
  }
  /// The path below a folder; a path elsewhere as it is.
  [[nodiscard]] std::string path_below(const std::filesystem::path& folder,
                                       std::int64_t sample) const {
    const std::string below = std::filesystem::path(path(sample)).lexically_relative(folder);
    return below.empty() ? path(sample) : below;
  }

  FittedPictures pictures_;
  std::vector<std::string> remarks_;

 private:
  void share(const NodeShare& share) override { pictures_.share(share); }

  std::string hint_;
};

}  // namespace qsweep
