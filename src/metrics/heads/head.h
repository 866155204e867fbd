#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "src/tensor/tensor.h"

namespace qsweep {

/// How a detector's outputs become detections: the `head:` block of a job or of the YAML beside a
/// model.
struct HeadSpec {
  std::string kind;                   ///< see make_head(); empty: by the shapes of the outputs
  std::vector<std::int64_t> strides;  ///< input pixels per grid cell, by level; empty: 8, 16, 32
  std::string scores;         ///< dfl kinds: probabilities or logits; empty: see make_head()
  double confidence = 0.001;  ///< least score of a detection
  double nms_iou = 0.65;      ///< detections of one class overlap at most so much
  std::int64_t max_detections = 300;  ///< per picture
  friend bool operator==(const HeadSpec&, const HeadSpec&) = default;
};

/// Corners in pixels.
struct Corners {
  double left = 0.0, top = 0.0, right = 0.0, bottom = 0.0;
};

/// Everything a detector proposes for one picture, in the order of its outputs.
struct Candidates {
  std::vector<Corners> boxes;              ///< in the model's input
  std::int64_t classes = 0;                ///< scores per box
  std::vector<float> scores;               ///< [box * classes + class], probabilities
  std::vector<std::int32_t> categories{};  ///< by box, where the head names the class (classes = 1)
};

/// One decoder of raw outputs. Immutable, thread-safe.
class Head {
 public:
  virtual ~Head() = default;
  /// @param outputs f32 row_major, the batch first. @param image index within the batch
  [[nodiscard]] virtual Candidates decode(std::span<const Tensor> outputs,
                                          std::int64_t image) const = 0;
  /// False where the model has removed duplicates itself.
  [[nodiscard]] virtual bool needs_nms() const { return true; }
};

/// What a head has to fit: the shapes of the outputs for one image, the classes, the input's size.
struct HeadContext {
  std::vector<Shape> outputs;
  std::int64_t classes = 0;
  std::int64_t height = 0, width = 0;
};

/// The head that `spec.kind` names. C classes, A boxes (anchors or cells of all levels):
///   yolox       [N, A, 5+C]  offsets in cells, log sizes, objectness, classes; not decoded
///   yolov5      [N, A, 5+C]  centre and size in input pixels, objectness, classes
///   yolov8      [N, 4+C, A]  centre and size in input pixels, classes
///   dfl         [N, 4B+C, A] logits: B bins for each distance to left, top, right, bottom (mean of
///               their softmax, in cells, from the cell's centre), then classes (logits unless
///               `scores` says probabilities)
///   dfl_levels  per level one output of bins, [N, 4B, H, W] or [N, A, 4B], and one of classes,
///               [N, C, H, W] or [N, A, C] (probabilities unless `scores` says logits); the levels
///               of either sort in the order of the strides
///   end_to_end  [N, A, 6]    corners in input pixels, score, class; nothing to suppress
/// An empty kind is one of end_to_end, yolov8 and dfl by the shapes.
/// @throws Error(config) when the kind is unknown or cannot be told; Error(mismatch) when the
/// outputs are not such.
[[nodiscard]] std::unique_ptr<Head> make_head(const HeadSpec& spec, const HeadContext& context);

/// Names of the kinds.
[[nodiscard]] const std::vector<std::string>& head_kinds();

}  // namespace qsweep
