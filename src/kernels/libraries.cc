#include <string>

#include <cblas.h>
#include <dnnl.h>
#include <fmt/format.h>
#include <omp.h>

#include "src/kernels/detail/threads.h"
#include "src/kernels/linear.h"

namespace qsweep {

std::string kernel_libraries() {
  const dnnl_version_t* dnnl = dnnl_version();
  // `OpenBLAS 0.3.21 NO_LAPACKE DYNAMIC_ARCH ...`: the first two words are name and version.
  const std::string config = openblas_get_config();
  const std::string blas = config.substr(0, config.find(' ', config.find(' ') + 1));
  return fmt::format("oneDNN {}.{}.{}, {} ({})", dnnl->major, dnnl->minor, dnnl->patch, blas,
                     openblas_get_corename());
}

std::string library_instruction_set() {
  switch (dnnl_get_effective_cpu_isa()) {
    case dnnl_cpu_isa_sse41:
      return "sse41";
    case dnnl_cpu_isa_avx:
      return "avx";
    case dnnl_cpu_isa_avx2:
      return "avx2";
    case dnnl_cpu_isa_avx2_vnni:
      return "avx2_vnni";
    case dnnl_cpu_isa_avx512_core:
      return "avx512_core";
    case dnnl_cpu_isa_avx512_core_vnni:
      return "avx512_core_vnni";
    case dnnl_cpu_isa_avx512_core_bf16:
      return "avx512_core_bf16";
    case dnnl_cpu_isa_avx512_core_amx:
      return "avx512_core_amx";
    default:
      return fmt::format("{:#x}", static_cast<int>(dnnl_get_effective_cpu_isa()));
  }
}

namespace detail {

void use_one_thread() {
  static const bool blas_is_single = (openblas_set_num_threads(1), true);
  (void)blas_is_single;
  omp_set_num_threads(1);
}

}  // namespace detail
}  // namespace qsweep
