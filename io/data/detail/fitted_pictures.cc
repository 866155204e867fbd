#include "io/data/detail/fitted_pictures.h"

#include <algorithm>

#include <fmt/format.h>

#include "src/base/error.h"
#include "src/base/text.h"

#include "io/data/picture.h"

namespace qsweep {
namespace {

/// Fitted pictures kept in memory; what is over is decoded again.
constexpr std::size_t kCacheBytes = std::size_t{512} << 20;
constexpr std::size_t kShownProblems = 5;

}  // namespace

FittedPictures::FittedPictures(const InputSpec& input, const std::string& where) {
  if (!input.resize) {
    throw Error(ErrorCode::config, "pictures of any size need to know the model's input size",
                "input.resize", "Give mode and size, e.g. {mode: stretch, size: [224, 224]}");
  }
  resize_ = *input.resize;
  InputSpec pixels = input;
  pixels.resize.reset();
  pixels_ = std::make_unique<Pixels>(pixels, Extents{3, resize_.size.at(0), resize_.size.at(1)},
                                     Pixels::Storage::interleaved, where);
}

void FittedPictures::add(MappedFile file) {
  files_.push_back(std::move(file));
  sizes_.emplace_back();
  fitted_.emplace_back();
}

void FittedPictures::expect_size(std::int64_t sample, std::int64_t width, std::int64_t height) {
  sizes_.at(static_cast<std::size_t>(sample)) = {width, height};
}

Tensor FittedPictures::batch(std::span<const std::int64_t> samples) const {
  Tensor batch = pixels_->make_batch(static_cast<std::int64_t>(samples.size()));
  float* out = batch.mutable_data<float>().data();
  for (const std::int64_t sample : samples) {
    pixels_->convert(fitted(sample)->data(), out);
    out += pixels_->elements();
  }
  return batch;
}

FittedPictures::Fitted FittedPictures::fitted(std::int64_t sample) const {
  const auto at = static_cast<std::size_t>(sample);
  {
    const std::lock_guard lock(mutex_);
    if (fitted_.at(at)) return fitted_[at];
  }
  const MappedFile& source = file(sample);
  const Picture picture = decode_picture(source.bytes(), source.path().string());
  if (const Size& size = sizes_[at];
      size.width != 0 && (size.width != picture.width || size.height != picture.height)) {
    throw Error(ErrorCode::corrupt_input,
                fmt::format("the picture is {} x {}, its annotations are for {} x {}",
                            picture.width, picture.height, size.width, size.height),
                source.path().string(), "Use the pictures that the annotations were made for");
  }
  auto rgb = std::make_shared<const std::vector<std::uint8_t>>(fit(picture, resize_).rgb);
  const std::lock_guard lock(mutex_);
  if (cached_bytes_ + rgb->size() <= kCacheBytes && !fitted_[at]) {
    cached_bytes_ += rgb->size();
    fitted_[at] = rgb;
  }
  return rgb;
}

void FileList::add(FittedPictures& to, const std::filesystem::path& path, const std::string& note) {
  try {
    to.add(MappedFile(path));
  } catch (const Error&) {
    problems_.push_back(note);
  }
}

void FileList::raise(const std::string& where, const std::string& hint) const {
  if (problems_.empty()) return;
  const std::size_t shown = std::min(problems_.size(), kShownProblems);
  std::string text = join(std::span(problems_).first(shown), ", ");
  if (shown < problems_.size()) text += fmt::format(" and {} more", problems_.size() - shown);
  throw Error(ErrorCode::not_found, "pictures that cannot be read: " + text, where, hint);
}

}  // namespace qsweep
