#include <algorithm>
#include <cstddef>
#include <mutex>
#include <set>
#include <string>
#include <vector>

#include <cblas.h>
#include <dnnl.h>
#include <fmt/format.h>
#include <omp.h>
#include <sys/mman.h>

#include "src/base/error.h"

#include "src/kernels/detail/threads.h"
#include "src/kernels/linear.h"

// OpenBLAS's own, which it exports and declares in no header of the package.
extern "C" void* blas_memory_alloc(int);
extern "C" void blas_memory_free(void*);

namespace qsweep {

std::string kernel_libraries() {
  const dnnl_version_t* dnnl = dnnl_version();
  // `OpenBLAS 0.3.21 NO_LAPACKE DYNAMIC_ARCH ... SINGLE_THREADED`: the first two words are name and
  // version.
  const std::string config = openblas_get_config();
  const std::string blas = config.substr(0, config.find(' ', config.find(' ') + 1));
  const bool is_serial = openblas_get_parallel() == OPENBLAS_SEQUENTIAL;
  return fmt::format("oneDNN {}.{}.{}, {} ({}, {})", dnnl->major, dnnl->minor, dnnl->patch, blas,
                     openblas_get_corename(), is_serial ? "serial" : "with threads of its own");
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
namespace {

/// More than a buffer of OpenBLAS, so that there is room for what others ask for meanwhile.
constexpr std::size_t kBlasBytes = std::size_t{160} << 20;

/// More than oneDNN takes for the code of a layer.
constexpr std::size_t kCodeBytes = std::size_t{32} << 20;

/// Whether the system gives that much; taken and given back at once.
void require_room(std::size_t bytes, const char* what) {
  void* room = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (room == MAP_FAILED) {
    throw Error(ErrorCode::resource,
                fmt::format("out of memory: {} needs {} MiB of addresses", what, bytes >> 20), {},
                "Raise the limit (ulimit -v, ulimit -d), or start fewer ranks");
  }
  ::munmap(room, bytes);
}

/// What a thread needs of OpenBLAS as long as it lives: there are as many buffers as threads that
/// use it, so no product ever waits for one.
class BlasBuffer {
 public:
  BlasBuffer() {
    Buffers& all = buffers();
    const std::lock_guard lock(all.mutex);
    std::vector<void*> held;
    try {
      while (all.known.size() <= all.users) {
        require_room(kBlasBytes, "OpenBLAS");
        // One that is known and free, or else a new one.
        void* buffer = blas_memory_alloc(0);
        if (buffer == nullptr)
          throw Error(ErrorCode::resource, "OpenBLAS serves no more threads", {},
                      "Start fewer ranks");
        held.push_back(buffer);
        all.known.insert(buffer);
      }
    } catch (...) {
      std::ranges::for_each(held, blas_memory_free);
      throw;
    }
    std::ranges::for_each(held, blas_memory_free);
    ++all.users;
  }
  ~BlasBuffer() {
    const std::lock_guard lock(buffers().mutex);
    --buffers().users;
  }
  BlasBuffer(const BlasBuffer&) = delete;
  BlasBuffer& operator=(const BlasBuffer&) = delete;

 private:
  struct Buffers {
    std::mutex mutex;
    std::set<void*> known;
    std::size_t users = 0;
  };
  /// OpenBLAS has one pool in the process. Never destroyed: threads may outlive main().
  static Buffers& buffers() {
    static auto* const all = new Buffers;
    return *all;
  }
};

}  // namespace

void use_one_thread() {
  static const bool blas_is_single = (openblas_set_num_threads(1), true);
  (void)blas_is_single;
  omp_set_num_threads(1);
}

void require_code_room() {
  require_room(kCodeBytes, "oneDNN");
}

void begin_blas() {
  use_one_thread();
  thread_local const BlasBuffer buffer;
}

}  // namespace detail
}  // namespace qsweep
