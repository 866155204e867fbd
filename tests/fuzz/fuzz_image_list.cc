// A list of pictures: any bytes are samples with labels in range, or an Error.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>

#include <unistd.h>

#include "src/base/error.h"

#include "io/data/dataset.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const std::filesystem::path file =
      std::filesystem::temp_directory_path() / ("fuzz_image_list." + std::to_string(getpid()));
  std::ofstream(file, std::ios::binary | std::ios::trunc)
      .write(reinterpret_cast<const char*>(data), static_cast<std::streamsize>(size));
  qsweep::InputSpec input;
  input.resize = qsweep::ResizeSpec{.mode = "stretch", .size = {8, 8}};
  try {
    const auto list = qsweep::open_dataset({"images", {file}}, input);
    for (std::int64_t i = 0; i < list->size(); ++i) {
      if (list->sample_name(i).empty()) std::abort();
      if (list->label(i) < 0 || list->label(i) >= list->classes()) std::abort();
    }
  } catch (const qsweep::Error& error) {
    if (error.code() == qsweep::ErrorCode::internal) std::abort();
  }
  std::filesystem::remove(file);
  return 0;
}
