#include "io/fs/outputs.h"

#include <system_error>

#include "src/base/error.h"

namespace qsweep {

bool is_same_file(const std::filesystem::path& a, const std::filesystem::path& b) {
  std::error_code either_missing;
  return std::filesystem::equivalent(a, b, either_missing) && !either_missing;
}

void check_not_input(const std::filesystem::path& output,
                     std::span<const std::filesystem::path> inputs) {
  for (const std::filesystem::path& input : inputs) {
    std::error_code unknown;
    if (!std::filesystem::is_character_file(output, unknown) && is_same_file(output, input)) {
      throw Error(ErrorCode::usage, "the output would replace the input '" + input.string() + "'",
                  output.string(), "Choose another name for the output");
    }
  }
}

}  // namespace qsweep
