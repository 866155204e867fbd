#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "src/tensor/tensor.h"

#include "io/config/job.h"
#include "io/data/dataset.h"

namespace qsweep {

/// [begin, end) of a list.
struct Range {
  std::int64_t begin = 0;
  std::int64_t end = 0;
  [[nodiscard]] std::int64_t size() const { return end - begin; }
  friend bool operator==(const Range&, const Range&) = default;
};
/// Cuts [0, n) into runs of at most `most`.
[[nodiscard]] std::vector<Range> cut(std::int64_t n, std::int64_t most);

/// The images that a job uses of one of its data sets, in the order in which they are used.
/// Immutable, shared by threads.
class ImageSet {
 public:
  /// A job that names no such data.
  ImageSet() = default;
  ImageSet(std::unique_ptr<const Dataset> data, std::vector<std::int64_t> ids);

  [[nodiscard]] bool is_given() const { return data_ != nullptr; }
  [[nodiscard]] std::int64_t size() const { return std::ssize(ids_); }
  [[nodiscard]] std::span<const std::int64_t> ids() const { return ids_; }
  [[nodiscard]] std::span<const std::int64_t> ids(Range range) const;
  /// @pre is_given()
  [[nodiscard]] const Dataset& data() const { return *data_; }
  /// Digest of the images' content and labels, made once.
  [[nodiscard]] const std::string& digest() const { return digest_; }
  [[nodiscard]] Tensor images(Range range) const { return data_->images(ids(range)); }

 private:
  std::unique_ptr<const Dataset> data_;
  std::vector<std::int64_t> ids_;
  std::string digest_;
};

/// Opens `data` of the job (calibration or evaluation) and chooses its images.
/// @param share of the processes that keep decoded pictures together
/// @param role tells the data sets of a job apart
[[nodiscard]] ImageSet open_images(const JobConfig& job,
                                   const JobConfig::Data& data,
                                   NodeShare share,
                                   const char* role);

/// @throws Error(mismatch) when calibration images are evaluation images too (R049)
void check_disjoint(const ImageSet& calibration, const ImageSet& evaluation, const JobConfig& job);

}  // namespace qsweep
