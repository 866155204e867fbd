#include <algorithm>
#include <charconv>

#include <fmt/format.h>

#include "src/base/error.h"
#include "src/base/text.h"

#include "io/data/detail/containers.h"
#include "io/data/detail/fitted_pictures.h"

namespace qsweep {
namespace {

constexpr std::int64_t kMostLines = 10'000'000;
constexpr std::int64_t kMaxLabel = 1'000'000;
constexpr std::int64_t kNoLabel = -1;

/// Lines `path label` or `path`, paths relative to the list's folder; empty lines and `#` comments.
class ImageList final : public Dataset {
 public:
  ImageList(const DataSpec& spec, const InputSpec& input)
      : list_(spec.paths.at(0)), pictures_(input, list_.path().string()) {
    read_list();
  }

  [[nodiscard]] std::int64_t size() const override {
    return static_cast<std::int64_t>(labels_.size());
  }
  [[nodiscard]] std::int64_t classes() const override { return classes_; }
  [[nodiscard]] std::int64_t label(std::int64_t sample) const override {
    const std::int64_t label = labels_.at(static_cast<std::size_t>(sample));
    if (label == kNoLabel) {
      throw Error(
          ErrorCode::corrupt_input,
          fmt::format("'{}' has no label", pictures_.file(sample).path().filename().string()),
          list_.path().string(), "Write `path label` on its line, or sample without classes");
    }
    return label;
  }

  [[nodiscard]] bool has_labels() const override { return classes_ > 0; }

  [[nodiscard]] Tensor images(std::span<const std::int64_t> ids) const override {
    return pictures_.batch(ids);
  }

  [[nodiscard]] ByteView sample_bytes(std::int64_t sample) const override {
    return pictures_.file(sample).bytes();
  }
  [[nodiscard]] std::string digest() const override { return digest_of(pictures_.files()); }
  [[nodiscard]] std::string decoding() const override { return pictures_.decoding(); }

 private:
  void share(const NodeShare& share) override { pictures_.share(share); }

  void read_list() {
    const std::string where = list_.path().string();
    FileList opened;
    std::int64_t number = 0;
    for (const std::string& raw : split(std::string(as_text(list_.bytes())), '\n')) {
      if (++number > kMostLines)
        throw Error(ErrorCode::corrupt_input, "the list is too long", where);
      std::string_view line = trim(raw);
      if (line.empty() || line.front() == '#') continue;
      std::int64_t label = kNoLabel;
      if (const std::size_t space = line.find_last_of(" \t"); space != std::string_view::npos) {
        const std::string_view word = line.substr(space + 1);
        const auto [end, status] = std::from_chars(word.data(), word.data() + word.size(), label);
        if (status == std::errc{} && end == word.data() + word.size()) {
          line = trim(line.substr(0, space));
          if (label < 0 || label > kMaxLabel) {
            throw Error(ErrorCode::corrupt_input,
                        fmt::format("label {} is outside 0 to {}", label, kMaxLabel),
                        fmt::format("{}:{}", where, number));
          }
        } else {
          label = kNoLabel;  // a path with a space in it
        }
      }
      opened.add(pictures_, list_.path().parent_path() / std::string(line),
                 fmt::format("{} (line {})", line, number));
      labels_.push_back(label);
      classes_ = std::max(classes_, label + 1);
    }
    opened.raise(where, "Paths are relative to the list");
    if (labels_.empty()) throw Error(ErrorCode::corrupt_input, "the list names no picture", where);
  }

  MappedFile list_;
  FittedPictures pictures_;
  std::vector<std::int64_t> labels_;
  std::int64_t classes_ = 0;
};

}  // namespace

std::unique_ptr<Dataset> open_image_list(const DataSpec& spec, const InputSpec& input) {
  if (spec.paths.size() != 1) {
    throw Error(ErrorCode::config,
                fmt::format("images data takes one list, not {} files", spec.paths.size()),
                "images", "Write images:LIST.txt with lines `path label`");
  }
  return std::make_unique<ImageList>(spec, input);
}

}  // namespace qsweep
