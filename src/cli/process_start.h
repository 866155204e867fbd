#pragma once

#include <exception>

#include "src/base/error.h"

namespace qsweep {

/// What a process needs before anything opens a file or fails: descriptors 0, 1 and 2 that a
/// launcher closed lead to /dev/null, or else a file of the run would get their numbers and the
/// messages; a full disk and a closed pipe are errors of the write, not signals; an exception that
/// nobody can catch ends in a message and an exit code.
void prepare_process();

/// An exception as the error to report. The standard library's are failures of the environment as
/// far as they tell: of memory, of a file, of a thread; else they are bugs.
[[nodiscard]] Error to_error(std::exception_ptr failure);

}  // namespace qsweep
