#pragma once

#include <stdexcept>
#include <string>
#include <string_view>

namespace qsweep {

/// What kind of thing went wrong. One code per exit-code class and per reaction of the caller.
enum class ErrorCode {
  usage,          ///< the command line is wrong
  config,         ///< the job file or an option value is wrong
  unsupported,    ///< valid input that qsweep cannot handle (an operator, a format)
  corrupt_input,  ///< a model, data or image file is damaged or not what it claims
  numeric,        ///< NaN or infinity where a number is needed
  mismatch,       ///< two things that must belong together do not (digests, shapes of files)
  not_found,      ///< a model, data or job file is not there
  io,             ///< the file system or the disk failed
  resource,       ///< memory, MPI or another resource of the machine is missing
  interrupted,    ///< stopped by a signal; state is saved
  internal,       ///< our own bug
};

/// The one exception type of qsweep. Raised where the cause is known, printed once, at the top.
/// The text is `<what> [<where>]. <hint>`: what is wrong, where (file, node, line, option), what to
/// do.
class Error : public std::runtime_error {
 public:
  /// @param where may be empty; a path, `path:line`, a node or an option name
  /// @param hint  may be empty; an imperative sentence without the final full stop
  Error(ErrorCode code, std::string message, std::string where = {}, std::string hint = {});

  [[nodiscard]] ErrorCode code() const { return code_; }
  [[nodiscard]] const std::string& message() const { return message_; }
  [[nodiscard]] const std::string& where() const { return where_; }
  [[nodiscard]] const std::string& hint() const { return hint_; }

 private:
  ErrorCode code_;
  std::string message_;
  std::string where_;
  std::string hint_;
};

/// Stable lower-case name, e.g. `corrupt_input`.
[[nodiscard]] std::string_view name_of(ErrorCode code);

/// Exit codes of the program (DESIGN.md section 1).
enum ExitCode : int {
  kExitOk = 0,
  kExitPartial = 1,
  kExitUsage = 2,
  kExitInput = 3,
  kExitEnvironment = 4,
  kExitInternal = 70,
  kExitResumable = 75,
  kExitInterrupted = 130,
};

/// The exit code of a program that ends with this error.
[[nodiscard]] ExitCode exit_code(ErrorCode code);

/// Always-on check of an invariant of our own; throws Error(internal) naming the expression.
#define QSWEEP_CHECK(condition)                                                      \
  do {                                                                               \
    if (!(condition)) ::qsweep::throw_check_failure(#condition, __FILE__, __LINE__); \
  } while (false)

[[noreturn]] void throw_check_failure(const char* condition, const char* file, int line);

}  // namespace qsweep
