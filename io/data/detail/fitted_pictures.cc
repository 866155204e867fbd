#include "io/data/detail/fitted_pictures.h"

#include <algorithm>
#include <chrono>
#include <thread>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "src/base/error.h"
#include "src/base/hash.h"
#include "src/base/text.h"

namespace qsweep {
namespace {

/// Fitted pictures kept by a node, and by each rank of what the node does not keep; what is over is
/// decoded again.
constexpr std::size_t kMostBytes = std::size_t{512} << 20;
/// For a picture that another rank has claimed. It takes milliseconds, unless that rank died.
constexpr std::chrono::milliseconds kPatience{1000};
constexpr std::chrono::microseconds kNap{200};
constexpr std::size_t kShownProblems = 5;

}  // namespace

FittedPictures::FittedPictures(const InputSpec& input, const std::string& where) : where_(where) {
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

void FittedPictures::add(std::string path) {
  files_.add(std::move(path));
}

void FittedPictures::expect_size(std::int64_t sample, std::int64_t width, std::int64_t height) {
  sizes_.resize(files_.size());
  sizes_.at(static_cast<std::size_t>(sample)) = {width, height};
}

std::string FittedPictures::key() const {
  Sha256 hash;
  hash.update(fmt::format("{} {} {} {} {} {}\n", resize_.mode, fmt::join(resize_.size, "x"),
                          resize_.interpolation, resize_.pad, resize_.align, resize_.shorter));
  for (std::size_t i = 0; i < files_.size(); ++i) hash.update(files_.path(i) + '\n');
  return hash.hex();
}

PictureTable::Extents FittedPictures::extents() const {
  return {files_.size(), static_cast<std::size_t>(pixels_->elements()), kMostBytes};
}

void FittedPictures::share(const NodeShare& share) {
  ranks_ = share.ranks;
  if (share.ranks > 1) {
    try {
      shared_ = std::make_unique<PictureTable>(extents(), share, key());
    } catch (const Error& e) {
      unshared_ = e.what();
    }
  }
  own_ = std::make_unique<PictureTable>(extents());
}

Tensor FittedPictures::batch(std::span<const std::int64_t> samples) const {
  Tensor batch = pixels_->make_batch(static_cast<std::int64_t>(samples.size()));
  float* first = batch.mutable_data<float>().data();
  const auto place = [&](std::size_t i) {
    return first + static_cast<std::int64_t>(i) * pixels_->elements();
  };
  // Ranks at the same batch share its pictures out among themselves.
  std::vector<std::size_t> left;
  for (std::size_t i = 0; i < samples.size(); ++i) {
    if (!convert(samples[i], place(i), IfClaimed::leave)) left.push_back(i);
  }
  for (const std::size_t i : left) {
    const auto deadline = std::chrono::steady_clock::now() + kPatience;
    while (!convert(samples[i], place(i), IfClaimed::leave)) {
      if (std::chrono::steady_clock::now() < deadline) {
        std::this_thread::sleep_for(kNap);
      } else {
        convert(samples[i], place(i), IfClaimed::decode);
        break;
      }
    }
  }
  return batch;
}

bool FittedPictures::convert(std::int64_t sample, float* out, IfClaimed if_claimed) const {
  const auto at = static_cast<std::size_t>(sample);
  for (const PictureTable* table : {shared_.get(), own_.get()}) {
    if (const std::uint8_t* pixels = table == nullptr ? nullptr : table->find(at)) {
      pixels_->convert(pixels, out);
      return true;
    }
  }
  PictureTable& table = shared_ && !shared_->is_full() ? *shared_ : *own_;
  if (!table.claim(at) && if_claimed == IfClaimed::leave) return false;
  Picture picture;
  try {
    picture = decode(sample);
  } catch (...) {
    table.release(at);
    throw;
  }
  table.publish(at, picture.rgb);
  pixels_->convert(picture.rgb.data(), out);
  return true;
}

Picture FittedPictures::picture(std::int64_t sample) const {
  const auto at = static_cast<std::size_t>(sample);
  return decode_picture(files_.read(at), files_.path(at));
}

Picture FittedPictures::decode(std::int64_t sample) const {
  const Picture picture = this->picture(sample);
  const auto at = static_cast<std::size_t>(sample);
  if (const Size size = sizes_.empty() ? Size{} : sizes_.at(at);
      size.width != 0 && (size.width != picture.width || size.height != picture.height)) {
    throw Error(ErrorCode::corrupt_input,
                fmt::format("the picture is {} x {}, its annotations are for {} x {}",
                            picture.width, picture.height, size.width, size.height),
                files_.path(at), "Use the pictures that the annotations were made for");
  }
  return fit(picture, resize_);
}

std::string FittedPictures::decoding() const {
  const std::int64_t own = own_->decoded();
  if (!shared_) {
    const std::string why = unshared_.empty() ? "" : fmt::format(" ({})", unshared_);
    return fmt::format("{} pictures decoded by this rank for itself{}", own, why);
  }
  std::string text = fmt::format("{} pictures decoded once for the {} ranks of this node",
                                 shared_->decoded(), ranks_);
  if (own > 0) text += fmt::format(", {} by this rank for itself: the node has no room", own);
  return text;
}

void require_files(const FileSet& files,
                   std::span<const std::int64_t> wanted,
                   const std::function<std::string(std::int64_t)>& name,
                   const std::string& where,
                   const std::string& hint) {
  std::vector<std::string> missing;
  std::string reason;
  std::size_t more = 0;
  for (const std::int64_t sample : wanted) {
    try {
      static_cast<void>(DataFile(files.path(static_cast<std::size_t>(sample))));
    } catch (const Error& e) {
      if (reason.empty()) reason = e.message();
      if (missing.size() < kShownProblems) {
        missing.push_back(name(sample));
      } else {
        ++more;
      }
    }
  }
  if (missing.empty()) return;
  std::string text = join(missing, ", ");
  if (more > 0) text += fmt::format(" and {} more", more);
  throw Error(ErrorCode::not_found,
              fmt::format("pictures that cannot be read: {} ({})", text, reason), where, hint);
}

}  // namespace qsweep
