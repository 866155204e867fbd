#pragma once

/// Marks a function with a hot loop: built for several instruction sets, the widest the CPU has is
/// chosen when the program loads. The bits are the same on each, since multiply-adds are fused only
/// where the text says so. Sanitizers do not survive the load-time choice, so their builds take the
/// plain body.
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__) && \
    !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
#define QSWEEP_VECTOR_CLONES \
  __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#else
#define QSWEEP_VECTOR_CLONES
#endif
