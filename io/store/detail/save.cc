#include "io/store/detail/save.h"

#include "src/base/error.h"

#include "io/fs/file_system.h"

namespace qsweep::h5 {

void save(const std::filesystem::path& path, const std::function<void(const Handle& file)>& fill) {
  Bytes bytes;
  try {
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
  real_file_system().create_directories(std::filesystem::absolute(path).parent_path());
  real_file_system().replace(path, ByteView(bytes));
}

}  // namespace qsweep::h5
