#include <algorithm>
#include <charconv>
#include <fstream>
#include <mutex>

#include <fmt/format.h>

#include "src/base/error.h"
#include "src/base/hash.h"
#include "src/base/text.h"

#include "io/data/detail/containers.h"
#include "io/data/detail/mapped_file.h"
#include "io/data/detail/pixels.h"
#include "io/data/picture.h"

namespace qsweep {
namespace {

constexpr std::int64_t kMostLines = 10'000'000;
constexpr std::int64_t kMaxLabel = 1'000'000;
constexpr std::int64_t kNoLabel = -1;
/// Fitted pictures kept in memory; what is over is decoded again.
constexpr std::size_t kCacheBytes = std::size_t{512} << 20;

/// Lines `path label` or `path`, paths relative to the list's folder; empty lines and `#` comments.
class ImageList final : public Dataset {
 public:
  ImageList(const DataSpec& spec, const InputSpec& input) : list_(spec.paths.at(0)) {
    if (!input.resize) {
      throw Error(ErrorCode::config, "pictures of any size need to know the model's input size",
                  "input.resize", "Give mode and size, e.g. {mode: stretch, size: [224, 224]}");
    }
    resize_ = *input.resize;
    InputSpec pixels = input;
    pixels.resize.reset();
    pixels_ = std::make_unique<Pixels>(pixels, Extents{3, resize_.size.at(0), resize_.size.at(1)},
                                       Pixels::Storage::interleaved, list_.path().string());
    read_list();
    fitted_.resize(files_.size());
  }

  [[nodiscard]] std::int64_t size() const override {
    return static_cast<std::int64_t>(files_.size());
  }
  [[nodiscard]] std::int64_t classes() const override { return classes_; }
  [[nodiscard]] std::int64_t label(std::int64_t sample) const override {
    const std::int64_t label = labels_.at(static_cast<std::size_t>(sample));
    if (label == kNoLabel) {
      throw Error(ErrorCode::corrupt_input,
                  fmt::format("'{}' has no label", file(sample).path().filename().string()),
                  list_.path().string(),
                  "Write `path label` on its line, or sample without classes");
    }
    return label;
  }

  [[nodiscard]] Tensor images(std::span<const std::int64_t> ids) const override {
    Tensor batch = pixels_->make_batch(static_cast<std::int64_t>(ids.size()));
    float* out = batch.mutable_data<float>().data();
    for (const std::int64_t id : ids) {
      pixels_->convert(fitted(id)->data(), out);
      out += pixels_->elements();
    }
    return batch;
  }

  [[nodiscard]] ByteView sample_bytes(std::int64_t sample) const override {
    return file(sample).bytes();
  }
  [[nodiscard]] std::string digest() const override { return digest_of(files_); }

 private:
  [[nodiscard]] const MappedFile& file(std::int64_t sample) const {
    return files_.at(static_cast<std::size_t>(sample));
  }

  void read_list() {
    const std::string where = list_.path().string();
    std::vector<std::string> problems;
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
      try {
        files_.emplace_back(list_.path().parent_path() / std::string(line));
      } catch (const Error& e) {
        problems.push_back(fmt::format("{} (line {})", line, number));
        continue;
      }
      labels_.push_back(label);
      classes_ = std::max(classes_, label + 1);
    }
    if (!problems.empty()) {
      const std::size_t shown = std::min<std::size_t>(problems.size(), 5);
      std::string text = join(std::span(problems).first(shown), ", ");
      if (shown < problems.size()) text += fmt::format(" and {} more", problems.size() - shown);
      throw Error(ErrorCode::not_found, "pictures that cannot be read: " + text, where,
                  "Paths are relative to the list");
    }
    if (files_.empty()) throw Error(ErrorCode::corrupt_input, "the list names no picture", where);
  }

  using Fitted = std::shared_ptr<const std::vector<std::uint8_t>>;
  [[nodiscard]] Fitted fitted(std::int64_t id) const {
    const auto at = static_cast<std::size_t>(id);
    {
      const std::lock_guard lock(mutex_);
      if (fitted_.at(at)) return fitted_[at];
    }
    const MappedFile& source = file(id);
    auto rgb = std::make_shared<const std::vector<std::uint8_t>>(
        fit(decode_picture(source.bytes(), source.path().string()), resize_).rgb);
    const std::lock_guard lock(mutex_);
    if (cached_bytes_ + rgb->size() <= kCacheBytes && !fitted_[at]) {
      cached_bytes_ += rgb->size();
      fitted_[at] = rgb;
    }
    return rgb;
  }

  MappedFile list_;
  ResizeSpec resize_;
  std::unique_ptr<Pixels> pixels_;
  std::vector<MappedFile> files_;
  std::vector<std::int64_t> labels_;
  std::int64_t classes_ = 0;
  mutable std::mutex mutex_;
  mutable std::vector<Fitted> fitted_;
  mutable std::size_t cached_bytes_ = 0;
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
