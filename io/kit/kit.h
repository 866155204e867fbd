#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "src/base/bytes.h"

namespace qsweep {

/// A model file of a kit and what qsweep predicts of it.
struct KitModel {
  std::string scheme_id, scheme;     ///< id and text form
  Bytes file{};                      ///< ONNX
  std::vector<Bytes> predictions{};  ///< .npy of each output on the kit's images
  bool profile = false;              ///< measured kernel by kernel too
};

/// What a device needs to measure a run's schemes.
struct Kit {
  std::string model;                ///< name of the run's model
  std::string input;                ///< name of its input
  std::vector<std::int64_t> image;  ///< [1, C, H, W]
  bool open_batch = false;          ///< the files leave the batch open
  std::int64_t batch = 1;           ///< images per call
  Bytes images;                     ///< .npy, preprocessed, [N, C, H, W]
  std::vector<KitModel> models{};
};

struct KitFile {
  std::string path;  ///< below the kit's folder
  Bytes contents;
};

/// The kit's folder: kit.json, images.npy, models/<scheme id>.onnx, predictions/, README.md and the
/// scripts measure.py (NumPy and onnxruntime) and measure_trtexec.sh. A pure function of the kit.
/// Files of a scheme are named by its id, so that what measures them names the scheme.
[[nodiscard]] std::vector<KitFile> kit_files(Kit kit);

}  // namespace qsweep
