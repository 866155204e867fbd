#include "src/base/error.h"

#include <utility>

namespace qsweep {
namespace {

std::string compose(const std::string& message, const std::string& where, const std::string& hint) {
  std::string text = message;
  if (!where.empty()) text += " [" + where + "]";
  if (!hint.empty()) {
    text += ". " + hint;
    if (hint.back() != '?' && hint.back() != '.') text += '.';
  }
  return text;
}

}  // namespace

Error::Error(ErrorCode code, std::string message, std::string where, std::string hint)
    : std::runtime_error(compose(message, where, hint)),
      code_(code),
      message_(std::move(message)),
      where_(std::move(where)),
      hint_(std::move(hint)) {}

std::string_view name_of(ErrorCode code) {
  switch (code) {
    case ErrorCode::usage:
      return "usage";
    case ErrorCode::config:
      return "config";
    case ErrorCode::unsupported:
      return "unsupported";
    case ErrorCode::corrupt_input:
      return "corrupt_input";
    case ErrorCode::numeric:
      return "numeric";
    case ErrorCode::mismatch:
      return "mismatch";
    case ErrorCode::not_found:
      return "not_found";
    case ErrorCode::io:
      return "io";
    case ErrorCode::resource:
      return "resource";
    case ErrorCode::interrupted:
      return "interrupted";
    case ErrorCode::internal:
      return "internal";
  }
  return "internal";
}

ExitCode exit_code(ErrorCode code) {
  switch (code) {
    case ErrorCode::usage:
    case ErrorCode::config:
      return kExitUsage;
    case ErrorCode::unsupported:
    case ErrorCode::corrupt_input:
    case ErrorCode::numeric:
    case ErrorCode::mismatch:
    case ErrorCode::not_found:
      return kExitInput;
    case ErrorCode::io:
    case ErrorCode::resource:
      return kExitEnvironment;
    case ErrorCode::interrupted:
      return kExitResumable;
    case ErrorCode::internal:
      return kExitInternal;
  }
  return kExitInternal;
}

void throw_check_failure(const char* condition, const char* file, int line) {
  throw Error(ErrorCode::internal, std::string("an invariant does not hold: ") + condition,
              std::string(file) + ":" + std::to_string(line), "Please report this");
}

}  // namespace qsweep
