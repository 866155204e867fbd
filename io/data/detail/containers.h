#pragma once

#include <memory>

#include "io/data/dataset.h"

namespace qsweep {

/// One opener per container; open_dataset() holds the list.
[[nodiscard]] std::unique_ptr<Dataset> open_cifar10(const DataSpec& spec, const InputSpec& input);
[[nodiscard]] std::unique_ptr<Dataset> open_cifar100(const DataSpec& spec, const InputSpec& input);
[[nodiscard]] std::unique_ptr<Dataset> open_npy(const DataSpec& spec, const InputSpec& input);

[[nodiscard]] std::unique_ptr<Dataset> open_image_list(const DataSpec& spec,
                                                       const InputSpec& input);
[[nodiscard]] std::unique_ptr<Dataset> open_picture_folder(const DataSpec& spec,
                                                           const InputSpec& input);
[[nodiscard]] std::unique_ptr<Dataset> open_coco(const DataSpec& spec, const InputSpec& input);
[[nodiscard]] std::unique_ptr<Dataset> open_masks(const DataSpec& spec, const InputSpec& input);

}  // namespace qsweep
