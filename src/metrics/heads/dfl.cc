// Raw heads with distribution focal loss (Li et al. 2020): YOLOv8 to YOLOv10 cut before their
// decoder, in one output or one pair per level (PicoDet).
#include "src/base/error.h"

#include "src/metrics/heads/detail/grid.h"

namespace qsweep::heads {
namespace {

/// One value of a box every `box_step` floats, one box every `value_step`.
struct View {
  const float* data = nullptr;
  std::int64_t box_step = 1, value_step = 1;
};

void append(Candidates& found,
            std::span<const Cell> cells,
            const View& bins,
            std::int64_t bin_count,
            const View& classes,
            bool are_logits) {
  for (std::size_t a = 0; a < cells.size(); ++a) {
    const auto box = static_cast<std::int64_t>(a);
    const float* logits = bins.data + box * bins.box_step;
    double distances[4];
    for (int side = 0; side < 4; ++side)
      distances[side] =
          expected_bin(logits + side * bin_count * bins.value_step, bin_count, bins.value_step);
    found.boxes.push_back(around(cells[a], distances));
    const float* scores = classes.data + box * classes.box_step;
    for (std::int64_t c = 0; c < found.classes; ++c) {
      const float score = scores[c * classes.value_step];
      found.scores.push_back(are_logits ? sigmoid(score) : score);
    }
  }
}

class Dfl final : public Head {
 public:
  Dfl(std::vector<Cell> cells, std::int64_t bins, std::int64_t classes, bool are_logits)
      : cells_(std::move(cells)), bins_(bins), classes_(classes), are_logits_(are_logits) {}

  [[nodiscard]] Candidates decode(std::span<const Tensor> outputs,
                                  std::int64_t image) const override {
    Candidates found{.boxes = {}, .classes = classes_, .scores = {}};
    const float* values = image_of(outputs[0], image).data();
    const auto boxes = static_cast<std::int64_t>(cells_.size());
    append(found, cells_, {values, 1, boxes}, bins_, {values + 4 * bins_ * boxes, 1, boxes},
           are_logits_);
    return found;
  }

 private:
  std::vector<Cell> cells_;
  std::int64_t bins_, classes_;
  bool are_logits_;
};

/// How one output of a level lies in memory.
struct LevelOutput {
  std::size_t output = 0;
  std::int64_t values = 0;  ///< per box
  std::int64_t boxes = 0;
  bool values_first = false;  ///< [N, values, H, W]
};

class DflLevels final : public Head {
 public:
  struct Level {
    LevelOutput bins, classes;
    std::vector<Cell> cells;
  };
  DflLevels(std::vector<Level> levels, std::int64_t classes, bool are_logits)
      : levels_(std::move(levels)), classes_(classes), are_logits_(are_logits) {}

  [[nodiscard]] Candidates decode(std::span<const Tensor> outputs,
                                  std::int64_t image) const override {
    Candidates found{.boxes = {}, .classes = classes_, .scores = {}};
    const auto view = [&](const LevelOutput& o) {
      const float* data = image_of(outputs[o.output], image).data();
      return o.values_first ? View{data, 1, o.boxes} : View{data, o.values, 1};
    };
    for (const Level& level : levels_) {
      append(found, level.cells, view(level.bins), level.bins.values / 4, view(level.classes),
             are_logits_);
    }
    return found;
  }

 private:
  std::vector<Level> levels_;
  std::int64_t classes_;
  bool are_logits_;
};

constexpr const char* kLevels =
    "per level [1, 4 x bins, H, W] and [1, classes, H, W], or "
    "[1, boxes, 4 x bins] and [1, boxes, classes]";

}  // namespace

std::unique_ptr<Head> make_dfl(const HeadSpec& spec, const HeadContext& context) {
  std::vector<Cell> cells = make_cells(context, spec.strides);
  const auto& outputs = context.outputs;
  const bool fits = outputs.size() == 1 && outputs[0].size() == 3 &&
                    outputs[0][2] == static_cast<std::int64_t>(cells.size()) &&
                    outputs[0][1] > context.classes && (outputs[0][1] - context.classes) % 4 == 0;
  if (!fits) refuse("dfl", "one output [1, 4 x bins + classes, cells]", context);
  return std::make_unique<Dfl>(std::move(cells), (outputs[0][1] - context.classes) / 4,
                               context.classes, spec.scores != "probabilities");
}

std::unique_ptr<Head> make_dfl_levels(const HeadSpec& spec, const HeadContext& context) {
  const std::size_t levels = spec.strides.size();
  if (context.outputs.size() != 2 * levels) refuse("dfl_levels", kLevels, context);
  std::vector<LevelOutput> bins, classes;
  for (std::size_t i = 0; i < context.outputs.size(); ++i) {
    const Shape& shape = context.outputs[i];
    LevelOutput o{.output = i};
    if (shape.size() == 4) {
      o.values = shape[1];
      o.boxes = shape[2] * shape[3];
      o.values_first = true;
    } else if (shape.size() == 3) {
      o.boxes = shape[1];
      o.values = shape[2];
    } else {
      refuse("dfl_levels", kLevels, context);
    }
    // Where there are as many bins as classes, classes come first.
    const bool is_classes = o.values == context.classes && classes.size() < levels;
    (is_classes ? classes : bins).push_back(o);
  }
  if (bins.size() != levels) refuse("dfl_levels", kLevels, context);
  std::vector<DflLevels::Level> all;
  for (std::size_t l = 0; l < levels; ++l) {
    std::vector<Cell> cells = make_cells(context, std::span(spec.strides).subspan(l, 1));
    const auto boxes = static_cast<std::int64_t>(cells.size());
    if (bins[l].boxes != boxes || classes[l].boxes != boxes || bins[l].values % 4 != 0)
      refuse("dfl_levels", kLevels, context);
    all.push_back({bins[l], classes[l], std::move(cells)});
  }
  return std::make_unique<DflLevels>(std::move(all), context.classes, spec.scores == "logits");
}

}  // namespace qsweep::heads
