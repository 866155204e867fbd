// YOLOX (Ge et al. 2021) as exported without its decoder: demo/ONNXRuntime of the YOLOX repository.
#include <cmath>

#include "src/metrics/heads/detail/grid.h"

namespace qsweep::heads {
namespace {

class Yolox final : public Head {
 public:
  Yolox(std::vector<Cell> cells, std::int64_t classes)
      : cells_(std::move(cells)), classes_(classes) {}

  [[nodiscard]] Candidates decode(std::span<const Tensor> outputs,
                                  std::int64_t image) const override {
    Candidates found{.boxes = {}, .classes = classes_, .scores = {}};
    found.boxes.reserve(cells_.size());
    found.scores.reserve(cells_.size() * static_cast<std::size_t>(classes_));
    const float* row = image_of(outputs[0], image).data();
    for (const Cell& cell : cells_) {
      const auto at = [&](int i) { return static_cast<double>(row[i]); };
      found.boxes.push_back(from_centre((at(0) + cell.x) * cell.stride,
                                        (at(1) + cell.y) * cell.stride,
                                        static_cast<double>(std::exp(row[2])) * cell.stride,
                                        static_cast<double>(std::exp(row[3])) * cell.stride));
      for (std::int64_t c = 0; c < classes_; ++c) found.scores.push_back(row[4] * row[5 + c]);
      row += 5 + classes_;
    }
    return found;
  }

 private:
  std::vector<Cell> cells_;
  std::int64_t classes_;
};

}  // namespace

std::unique_ptr<Head> make_yolox(const HeadSpec& spec, const HeadContext& context) {
  std::vector<Cell> cells = make_cells(context, spec.strides);
  const Shape wanted = {1, static_cast<std::int64_t>(cells.size()), 5 + context.classes};
  if (context.outputs.size() != 1 || context.outputs[0] != wanted)
    refuse("yolox", "one output [1, cells, 5 + classes]", context);
  return std::make_unique<Yolox>(std::move(cells), context.classes);
}

}  // namespace qsweep::heads
