// Heads whose boxes are decoded already: YOLOv5 (v6.0 export), YOLOv8 and YOLO11 exports, and
// end-to-end exports without duplicates (YOLOv10).
#include <algorithm>
#include <cmath>

#include "src/metrics/heads/detail/grid.h"

namespace qsweep::heads {
namespace {

/// [A, 5+C]: the values of a box together.
class Yolov5 final : public Head {
 public:
  explicit Yolov5(std::int64_t classes) : classes_(classes) {}

  [[nodiscard]] Candidates decode(std::span<const Tensor> outputs,
                                  std::int64_t image) const override {
    Candidates found{.boxes = {}, .classes = classes_, .scores = {}};
    const float* row = image_of(outputs[0], image).data();
    for (std::int64_t a = 0; a < outputs[0].dim(1); ++a) {
      const auto at = [&](int i) { return static_cast<double>(row[i]); };
      found.boxes.push_back(from_centre(at(0), at(1), at(2), at(3)));
      for (std::int64_t c = 0; c < classes_; ++c) found.scores.push_back(row[4] * row[5 + c]);
      row += 5 + classes_;
    }
    return found;
  }

 private:
  std::int64_t classes_;
};

/// [4+C, A]: one row per value.
class Yolov8 final : public Head {
 public:
  explicit Yolov8(std::int64_t classes) : classes_(classes) {}

  [[nodiscard]] Candidates decode(std::span<const Tensor> outputs,
                                  std::int64_t image) const override {
    Candidates found{.boxes = {}, .classes = classes_, .scores = {}};
    const float* values = image_of(outputs[0], image).data();
    const std::int64_t boxes = outputs[0].dim(2);
    for (std::int64_t a = 0; a < boxes; ++a) {
      const auto at = [&](std::int64_t i) { return static_cast<double>(values[i * boxes + a]); };
      found.boxes.push_back(from_centre(at(0), at(1), at(2), at(3)));
      for (std::int64_t c = 0; c < classes_; ++c)
        found.scores.push_back(values[(4 + c) * boxes + a]);
    }
    return found;
  }

 private:
  std::int64_t classes_;
};

/// [A, 6]: corners, score, class.
class EndToEnd final : public Head {
 public:
  [[nodiscard]] Candidates decode(std::span<const Tensor> outputs,
                                  std::int64_t image) const override {
    Candidates found{.boxes = {}, .classes = 1, .scores = {}};
    const float* row = image_of(outputs[0], image).data();
    for (std::int64_t a = 0; a < outputs[0].dim(1); ++a, row += 6) {
      const auto at = [&](int i) { return static_cast<double>(row[i]); };
      found.boxes.push_back({at(0), at(1), at(2), at(3)});
      found.scores.push_back(std::isfinite(row[5]) ? row[4] : row[5]);
      // What is no class at all stays none when it is rounded.
      found.categories.push_back(static_cast<std::int32_t>(
          std::lrint(std::isnan(row[5]) ? -1.0f : std::clamp(row[5], -1.0f, 1e6f))));
    }
    return found;
  }
  [[nodiscard]] bool needs_nms() const override { return false; }
};

}  // namespace

std::unique_ptr<Head> make_yolov5(const HeadSpec&, const HeadContext& context) {
  const auto& outputs = context.outputs;
  if (outputs.size() != 1 || outputs[0].size() != 3 || outputs[0][2] != 5 + context.classes)
    refuse("yolov5", "one output [1, boxes, 5 + classes]", context);
  return std::make_unique<Yolov5>(context.classes);
}

std::unique_ptr<Head> make_yolov8(const HeadSpec&, const HeadContext& context) {
  const auto& outputs = context.outputs;
  if (outputs.size() != 1 || outputs[0].size() != 3 || outputs[0][1] != 4 + context.classes)
    refuse("yolov8", "one output [1, 4 + classes, boxes]", context);
  return std::make_unique<Yolov8>(context.classes);
}

std::unique_ptr<Head> make_end_to_end(const HeadSpec&, const HeadContext& context) {
  const auto& outputs = context.outputs;
  if (outputs.size() != 1 || outputs[0].size() != 3 || outputs[0][2] != 6)
    refuse("end_to_end", "one output [1, boxes, 6]", context);
  return std::make_unique<EndToEnd>();
}

}  // namespace qsweep::heads
