#pragma once

namespace qsweep::detail {

/// Makes oneDNN (OpenMP) and OpenBLAS compute on the calling thread alone. Cheap; OpenMP keeps the
/// setting per thread, so every entry into a library calls this first.
void use_one_thread();

/// Before oneDNN makes a layer: where the system refuses memory for its code, it writes to address
/// 0.
/// @throws Error(resource) when there is none
void require_code_room();

/// use_one_thread(), and room for OpenBLAS's work on this thread; before each of its products.
/// OpenBLAS takes 128 MiB of addresses for every product under way, keeps them, and where the
/// system refuses them asks again for ever: here that is Error(resource).
void begin_blas();

}  // namespace qsweep::detail
