#pragma once

#include <filesystem>
#include <functional>

#include "io/store/detail/h5.h"

namespace qsweep {
class FileSystem;  // io/fs/file_system.h
}

namespace qsweep::h5 {

/// Builds an HDF5 file in memory by `fill` and puts it at `path`, atomically: a full disk or a
/// crash leaves the old file. @throws Error naming `path`.
void save(FileSystem& files,
          const std::filesystem::path& path,
          const std::function<void(const Handle& file)>& fill);

}  // namespace qsweep::h5
