#include "io/store/detail/save.h"

#include <mutex>

#include "src/base/error.h"

#include "io/fs/file_system.h"

namespace qsweep::h5 {

void save(FileSystem& files,
          const std::filesystem::path& path,
          const std::function<void(const Handle& file)>& fill) {
  // HDF5 is not made for threads, and ranks may be some.
  static std::mutex one_at_a_time;
  Bytes bytes;
  try {
    const std::lock_guard lock(one_at_a_time);
    const Quiet quiet;
    Handle file = create_file();
    fill(file);
    bytes = take(std::move(file));
  } catch (const Error& error) {
    if (!error.where().empty()) {
      throw;
    }
    throw Error(error.code(), error.message(), path.string(), error.hint());
  }
  files.create_directories(std::filesystem::absolute(path).parent_path());
  files.replace(path, ByteView(bytes));
}

}  // namespace qsweep::h5
