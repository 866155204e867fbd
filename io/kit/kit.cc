#include "io/kit/kit.h"

#include <utility>

#include <fmt/format.h>

#include "src/base/text.h"

#include "io/json/json.h"
#include "io/kit/detail/assets.h"

namespace qsweep {
namespace {

Bytes to_bytes(std::string_view text) {
  const ByteView view = as_bytes(text);
  return {view.begin(), view.end()};
}

std::string replaced(std::string text, std::string_view from, std::string_view to) {
  for (std::size_t at = text.find(from); at != std::string::npos; at = text.find(from, at))
    text.replace(at, from.size(), to);
  return text;
}

std::string readme(const Kit& kit) {
  return fmt::format(
      "# Times of {} on a device\n\nCopy this folder to the device and run one of\n\n"
      "    python3 measure.py            # ONNX Runtime; writes measurements.json\n"
      "    bash measure_trtexec.sh       # TensorRT; fills the folder trtexec\n\n"
      "then, where the run is,\n\n"
      "    qsweep latency DIR --import measurements.json      # or trtexec/*\n\n"
      "models/ holds {} files, one for each scheme, named by its id; kit.json says which is "
      "which.\nmeasure.py also compares the device's answers on images.npy with those in "
      "predictions/.\n",
      kit.model, kit.models.size());
}

}  // namespace

std::vector<KitFile> kit_files(Kit kit) {
  Json models = Json::array();
  std::vector<KitFile> files;
  for (KitModel& model : kit.models) {
    const std::string file = fmt::format("models/{}.onnx", model.scheme_id);
    std::vector<std::string> predictions;
    for (std::size_t i = 0; i < model.predictions.size(); ++i) {
      predictions.push_back(fmt::format("predictions/{}-{}.npy", model.scheme_id, i));
      files.push_back({predictions.back(), std::move(model.predictions[i])});
    }
    files.push_back({file, std::move(model.file)});
    Json entry = Json::object();
    entry["scheme_id"] = model.scheme_id;
    entry["scheme"] = model.scheme;
    entry["file"] = file;
    entry["predictions"] = predictions;
    entry["profile"] = model.profile;
    models.push_back(std::move(entry));
  }
  Json json = Json::object();
  json["model"] = kit.model;
  json["input"] = kit.input;
  json["batch"] = kit.batch;
  json["images"] = "images.npy";
  json["models"] = std::move(models);
  std::vector<std::string> extents;
  for (const std::int64_t extent : kit.image) extents.push_back(std::to_string(extent));
  if (!extents.empty()) extents.front() = std::to_string(kit.batch);
  const std::string shapes =
      kit.open_batch ? fmt::format("\"--shapes={}:{}\"", kit.input, join(extents, "x")) : "";
  files.push_back({"README.md", to_bytes(readme(kit))});
  files.push_back({"images.npy", std::move(kit.images)});
  files.push_back({"measure.py", to_bytes(kit::kMeasureOnnxRuntime)});
  files.push_back(
      {"measure_trtexec.sh", to_bytes(replaced(std::string(kit::kMeasureTrtexec), "@SHAPES@ ",
                                               shapes.empty() ? shapes : shapes + " "))});
  files.push_back({"kit.json", to_bytes(json.text())});
  return files;
}

}  // namespace qsweep
