#include "sweep/run/annotate.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <map>

#include "src/base/error.h"
#include "src/base/random.h"

#include "io/data/detection_data.h"
#include "io/fs/file_system.h"

namespace qsweep {
namespace {

constexpr std::int64_t kThickness = 2;
constexpr std::uint64_t kColourSeed = 1;
using Colour = std::array<std::uint8_t, 3>;

/// Bright, and the same for a class everywhere.
Colour colour_of(std::int32_t category) {
  Random random(kColourSeed, static_cast<std::uint64_t>(category));
  Colour colour{};
  for (std::uint8_t& channel : colour) channel = static_cast<std::uint8_t>(random.below(160));
  colour[random.below(3)] = 255;
  return colour;
}

void fill(Picture& picture,
          std::int64_t left,
          std::int64_t top,
          std::int64_t right,
          std::int64_t bottom,
          const Colour& colour) {
  for (std::int64_t y = std::max<std::int64_t>(top, 0); y < std::min(bottom, picture.height); ++y) {
    for (std::int64_t x = std::max<std::int64_t>(left, 0); x < std::min(right, picture.width);
         ++x) {
      std::copy(colour.begin(), colour.end(), picture.rgb.begin() + 3 * (y * picture.width + x));
    }
  }
}

void draw_frame(Picture& picture, const Box& box, const Colour& colour) {
  const std::int64_t left = std::lround(box.x), top = std::lround(box.y);
  const std::int64_t right = std::lround(box.x + box.width);
  const std::int64_t bottom = std::lround(box.y + box.height);
  fill(picture, left, top, right, top + kThickness, colour);
  fill(picture, left, bottom - kThickness, right, bottom, colour);
  fill(picture, left, top, left + kThickness, bottom, colour);
  fill(picture, right - kThickness, top, right, bottom, colour);
}

}  // namespace

std::int64_t save_annotated(const Workload& workload,
                            const Verdict& verdict,
                            const std::filesystem::path& directory,
                            double least_score) {
  const auto* data = workload.evaluation.is_given()
                         ? dynamic_cast<const DetectionData*>(&workload.evaluation.data())
                         : nullptr;
  if (data == nullptr || workload.job.task != "detection") {
    throw Error(ErrorCode::config, "only detections can be drawn", "--save-annotated",
                "Evaluate a detector on coco: data");
  }
  std::map<std::int64_t, std::vector<Detection>> by_sample;
  for (const Detection& d : verdict.summary().detections) {
    if (static_cast<double>(d.score) >= least_score) by_sample[d.image].push_back(d);
  }
  FileSystem& files = real_file_system();
  files.create_directories(directory);
  for (const auto& [sample, detections] : by_sample) {
    Picture picture = data->picture(sample);
    // The surest is drawn last, on top.
    for (auto d = detections.rbegin(); d != detections.rend(); ++d)
      draw_frame(picture, d->box, colour_of(d->category));
    const std::filesystem::path name =
        data->annotations().pictures.at(static_cast<std::size_t>(sample)).file;
    files.replace(directory / (name.stem().string() + ".png"), encode_png(picture));
  }
  return static_cast<std::int64_t>(by_sample.size());
}

}  // namespace qsweep
