#pragma once

namespace qsweep::detail {

/// Makes oneDNN (OpenMP) and OpenBLAS compute on the calling thread alone. Cheap; OpenMP keeps the
/// setting per thread, so every entry into a library calls this first.
void use_one_thread();

}  // namespace qsweep::detail
