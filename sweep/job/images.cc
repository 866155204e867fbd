#include "sweep/job/images.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "src/base/error.h"

namespace qsweep {

std::vector<Range> cut(std::int64_t n, std::int64_t most) {
  std::vector<Range> ranges;
  for (std::int64_t at = 0; at < n;) {
    const std::int64_t end = n - at <= most ? n : at + most;
    ranges.push_back({at, end});
    at = end;
  }
  return ranges;
}

ImageSet::ImageSet(std::unique_ptr<const Dataset> data, std::vector<std::int64_t> ids)
    : data_(std::move(data)), ids_(std::move(ids)), digest_(data_->digest(ids_)) {}

std::span<const std::int64_t> ImageSet::ids(Range range) const {
  QSWEEP_CHECK(0 <= range.begin && range.begin <= range.end && range.end <= size());
  return std::span(ids_).subspan(static_cast<std::size_t>(range.begin),
                                 static_cast<std::size_t>(range.size()));
}

ImageSet open_images(const JobConfig& job,
                     const JobConfig::Data& data,
                     NodeShare share,
                     const char* role) {
  if (data.format.empty()) return {};
  share.run += role;
  std::unique_ptr<const Dataset> set = open_dataset(data_spec(data), job.input, share);
  const std::int64_t wanted = &data == &job.calibration ? calibration_images(job, set->size())
                                                        : evaluation_images(job, set->size());
  std::vector<std::int64_t> ids =
      choose_samples(*set, wanted, parse_sampling(data.sampling), job.seed);
  return {std::move(set), std::move(ids)};
}

void check_disjoint(const ImageSet& calibration, const ImageSet& evaluation, const JobConfig& job) {
  const auto leaked = overlapping_samples(calibration.data(), calibration.ids(), evaluation.data(),
                                          evaluation.ids());
  if (leaked.empty()) return;
  throw Error(
      ErrorCode::mismatch,
      fmt::format("{} of {} calibration images are also evaluation images (the first is sample {})",
                  leaked.size(), calibration.size(), leaked.front()),
      job.calibration.path_text(), "Calibrate on training images");
}

}  // namespace qsweep
