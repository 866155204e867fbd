#include "src/cli/process_start.h"

#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <new>
#include <system_error>

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

namespace qsweep {
namespace {

void open_standard_descriptors() {
  // The lowest free number is given out, so those below are taken.
  for (const int fd : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) {
    if (::fcntl(fd, F_GETFD) < 0 && errno == EBADF) (void)::open("/dev/null", O_RDWR);
  }
}

/// Where an exception left a thread, a destructor or a static initializer: unwinding is over.
[[noreturn]] void end_process() {
  ExitCode code = kExitInternal;
  try {
    const Error error = to_error(std::current_exception());
    code = exit_code(error.code());
    (void)std::fprintf(stderr, "qsweep: error: %s\n", error.what());
  } catch (...) {
    code = kExitEnvironment;
    (void)std::fputs("qsweep: error: out of memory\n", stderr);
  }
  ::_exit(code);
}

ErrorCode code_of(const std::error_code& reason) {
  return reason == std::errc::resource_unavailable_try_again ||
                 reason == std::errc::not_enough_memory
             ? ErrorCode::resource
             : ErrorCode::io;
}

}  // namespace

void prepare_process() {
  open_standard_descriptors();
  std::set_terminate(end_process);
  std::signal(SIGXFSZ, SIG_IGN);
  std::signal(SIGPIPE, SIG_IGN);
}

Error to_error(std::exception_ptr failure) {
  try {
    if (failure) std::rethrow_exception(failure);
  } catch (const Error& e) {
    return e;
  } catch (const std::bad_alloc&) {
    return {ErrorCode::resource,
            "out of memory",
            {},
            "Lower memory_budget_mb or batch, or start fewer ranks (--threads N)"};
  } catch (const std::filesystem::filesystem_error& e) {
    return {code_of(e.code()), e.code().message(), e.path1().string()};
  } catch (const std::system_error& e) {
    if (code_of(e.code()) == ErrorCode::io) return {ErrorCode::io, e.what()};
    return {ErrorCode::resource,
            fmt::format("memory or threads are short: {}", e.what()),
            {},
            "Raise the limits (ulimit -v, ulimit -u), or start fewer ranks (--threads N)"};
  } catch (const std::exception& e) {
    return {ErrorCode::internal, e.what(), {}, "Please report this"};
  } catch (...) {
  }
  return {ErrorCode::internal, "an exception of no known type", {}, "Please report this"};
}

}  // namespace qsweep
