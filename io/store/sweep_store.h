#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "src/tensor/tensor.h"

#include "src/results/results.h"

namespace qsweep {

class FileSystem;  // io/fs/file_system.h

/// Raw activations of the sampled images for one layer, in sample order.
struct ActivationPart {
  std::string layer;
  Tensor float_values;      ///< f32 [n, ...]
  Tensor quantized_values;  ///< f32 [n, ...] under the reference scheme
};

/// Writes one rank's part file (`activations/rank-<r>.h5`), atomically. @throws Error(io) on a full
/// disk.
void write_activation_part(FileSystem& files,
                           const std::filesystem::path& path,
                           const std::vector<ActivationPart>& parts);

/// Writes DIR/sweep.h5 with the schema of DESIGN.md section 3, atomically (written beside, synced,
/// renamed). `activation_parts` are linked as external links, by path relative to the file.
void write_sweep_store(FileSystem& files,
                       const std::filesystem::path& path,
                       const RunResults& results,
                       const std::vector<std::filesystem::path>& activation_parts);

/// Version of the HDF5 library at run time.
[[nodiscard]] std::string hdf5_version();

}  // namespace qsweep
