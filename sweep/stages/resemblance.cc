#include "sweep/stages/resemblance.h"

#include <cmath>

#include <fmt/format.h>

namespace qsweep {
namespace {

constexpr double kFarApart = 1.0;
constexpr std::array<const char*, 3> kNames = {"mean", "contrast", "roughness"};

ImageTraits traits_of(std::span<const float> image, std::size_t width, std::size_t stride) {
  double sum = 0.0, squares = 0.0, steps = 0.0;
  std::size_t pairs = 0;
  const std::size_t row = width * stride;
  for (std::size_t i = 0; i < image.size(); ++i) {
    const auto x = static_cast<double>(image[i]);
    sum += x;
    squares += x * x;
    if (i % row + stride < row) {
      steps += std::fabs(static_cast<double>(image[i + stride]) - x);
      ++pairs;
    }
  }
  const auto n = static_cast<double>(image.size());
  const double mean = sum / n;
  const double deviation = std::sqrt(std::max(0.0, squares / n - mean * mean));
  const double step = pairs > 0 ? steps / static_cast<double>(pairs) : 0.0;
  return {mean, deviation, deviation > 0.0 ? step / deviation : 0.0};
}

struct Moments {
  double mean = 0.0, variance = 0.0;
};

Moments moments(const std::vector<ImageTraits>& images, std::size_t trait) {
  Moments m;
  for (const ImageTraits& t : images) m.mean += t[trait] / static_cast<double>(images.size());
  for (const ImageTraits& t : images) {
    m.variance += (t[trait] - m.mean) * (t[trait] - m.mean) / static_cast<double>(images.size());
  }
  return m;
}

}  // namespace

std::vector<ImageTraits> image_traits(const Dataset& data,
                                      std::span<const std::int64_t> ids,
                                      const InputSpec& input) {
  std::vector<ImageTraits> traits;
  for (const std::int64_t id : ids) {
    const Tensor image = data.images(std::span(&id, 1));
    const bool channels_last = input.layout == "NHWC";
    const int rank = static_cast<int>(image.rank());
    if (rank < 3) return {};
    traits.push_back(
        traits_of(image.data<float>(),
                  static_cast<std::size_t>(image.dim(channels_last ? rank - 2 : rank - 1)),
                  channels_last ? static_cast<std::size_t>(image.dim(rank - 1)) : 1));
  }
  return traits;
}

std::string describe_mismatch(const std::vector<ImageTraits>& calibration,
                              const std::vector<ImageTraits>& evaluation) {
  if (calibration.empty() || evaluation.empty()) return {};
  std::string found;
  for (std::size_t t = 0; t < kNames.size(); ++t) {
    const Moments c = moments(calibration, t), e = moments(evaluation, t);
    const double pooled = std::sqrt((c.variance + e.variance) / 2.0);
    const double apart = std::fabs(c.mean - e.mean);
    if (!(apart > kFarApart * pooled) || !(apart > 1e-6 * std::fabs(e.mean))) continue;
    found += fmt::format("{}{} {:.4g} against {:.4g}", found.empty() ? "" : ", ", kNames[t], c.mean,
                         e.mean);
  }
  if (found.empty()) return {};
  return "The calibration images do not resemble the evaluation images (" + found +
         "): ranges taken from them may not fit.";
}

}  // namespace qsweep
