#include "sweep/work/layer_inputs.h"

#include <algorithm>

#include "src/base/hash.h"

#include "src/exec/bank.h"

namespace qsweep {
namespace {

/// Rows of a layer's sample: enough to tell scales apart, few enough for wide layers.
constexpr std::int64_t kMostRows = 512, kLeastRows = 64;
constexpr std::int64_t kMostValues = std::int64_t{1} << 19;

std::int64_t sample_rows(const InputRows& rows) {
  return std::clamp(kMostValues / (rows.channels() * rows.area()), kLeastRows, kMostRows);
}

/// Adds `count` images of one batch, the first of them number `first` of the set.
void add_batch(const Workload& w,
               LayerId layer,
               const Tensor& tensor,
               std::int64_t first,
               std::int64_t count,
               LayerInputs& inputs) {
  const Tensor x = tensor.to_layout(Layout::row_major);
  const bool by_image = x.rank() > 0 && x.dim(0) % count == 0;
  const std::int64_t images = by_image ? count : 1;
  Shape one = x.shape();
  one.at(0) /= images;
  const LinearSpec spec = w.model.program->spec(layer);
  const InputRows rows(spec, w.model.program->weight(layer).shape(), one);
  inputs.sample.channels = rows.channels();
  inputs.sample.area = rows.area();
  inputs.sample.groups = spec.group;
  const std::int64_t size = x.size() / images;
  const bool is_image = spec.kind != LinearSpec::Kind::gemm;
  const std::int64_t inner = is_image ? size / (one.at(0) * rows.channels()) : 1;
  const std::int64_t wanted = sample_rows(rows);
  const std::int64_t set = w.calibration.size();
  for (std::int64_t i = 0; i < images; ++i) {
    const auto image =
        x.data<float>().subspan(static_cast<std::size_t>(i * size), static_cast<std::size_t>(size));
    inputs.add_image(image, inner);
    const std::int64_t number = first + i;
    const auto id =
        static_cast<std::uint64_t>(w.calibration.ids()[static_cast<std::size_t>(number)]);
    // Row r belongs to image r * set / wanted.
    const auto first_row = [&](std::int64_t n) { return (n * wanted + set - 1) / set; };
    for (std::int64_t r = first_row(number); r < first_row(number + 1); ++r) {
      const std::uint64_t drawn = mix64(mix64(id, static_cast<std::uint64_t>(layer.value())),
                                        static_cast<std::uint64_t>(r));
      rows.append(image, static_cast<std::int64_t>(drawn % static_cast<std::uint64_t>(rows.rows())),
                  inputs.sample.values);
    }
  }
}

}  // namespace

std::vector<LayerInputs> gather_inputs(const Workload& w, Range images) {
  const auto& layers = w.layers();
  std::vector<LayerInputs> by_layer(layers.size());
  FloatRunner runner(*w.model.program);
  for (const Range& r : cut(images.size(), w.model.batch)) {
    const std::int64_t first = images.begin + r.begin;
    const Tensor batch = w.calibration.images({first, images.begin + r.end});
    (void)runner.run({&batch, 1}, [&](ValueId value, const Tensor& tensor) {
      for (const LayerId layer : ids<LayerId>(layers.size())) {
        const Layer& l = layers[layer.index()];
        if (l.input == value && l.op != "ConvTranspose")
          add_batch(w, layer, tensor, first, r.size(), by_layer[layer.index()]);
      }
    });
  }
  return by_layer;
}

}  // namespace qsweep
