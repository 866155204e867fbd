#include "src/tensor/tensor.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <bit>
#include <cstdlib>
#include <cstring>
#include <new>
#include <utility>

#include <fmt/format.h>
#include <sys/mman.h>

#include "src/tensor/transpose.h"

namespace qsweep {
namespace {

constexpr std::size_t kAlignment = 64;
/// Most bytes a thread keeps for reuse; beyond it buffers go back to the system.
constexpr std::size_t kPoolLimit = std::size_t{256} << 20;

std::atomic<std::uint64_t> live_bytes{0};
std::atomic<std::uint64_t> peak_bytes{0};

void count_allocation(std::size_t bytes) {
  const std::uint64_t now = live_bytes.fetch_add(bytes) + bytes;
  std::uint64_t peak = peak_bytes.load();
  while (now > peak && !peak_bytes.compare_exchange_weak(peak, now)) {
  }
}

/// Capacities are powers of two and their midpoints, so a pooled buffer wastes at most a third.
std::size_t capacity_for(std::size_t bytes) {
  const std::size_t least = std::max(bytes, kAlignment);
  const std::size_t power = std::bit_ceil(least);
  const std::size_t middle = power / 4 * 3;
  return middle >= least && middle % kAlignment == 0 ? middle : power;
}

#if defined(__SANITIZE_ADDRESS__)
#define QSWEEP_SEES_OVERRUNS
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define QSWEEP_SEES_OVERRUNS
#endif
#endif

/// Memory that the system may back by huge pages, as large tensors like it: their lines are read in
/// order, and what fetches ahead stops at each page's end. Null when memory is short.
void* huge_pages(std::size_t alignment, std::size_t bytes) {
  void* p = nullptr;
  if (posix_memalign(&p, alignment, bytes) != 0) return nullptr;  // takes sizes of any kind
#ifdef MADV_HUGEPAGE
  (void)madvise(p, bytes, MADV_HUGEPAGE);  // a wish: nothing depends on it
#endif
  return p;
}

constexpr std::size_t kHugePage = std::size_t{2} << 20;

/// Several buffers that are smaller than a huge page, or not much larger, in a row. It lives as
/// long as one of them, or as a pool cuts more from it. Buffers find it by its alignment.
class Region {
 public:
  static constexpr std::size_t kBytes = 4 * kHugePage;
  /// Capacities that are cut from regions; smaller ones are malloc's.
  static constexpr std::size_t kLeast = std::size_t{128} << 10;
#ifdef QSWEEP_SEES_OVERRUNS
  static constexpr std::size_t kMost = 0;  // buffers of their own, so that overruns are seen
#else
  static constexpr std::size_t kMost = kHugePage;
#endif

  static Region* make() {
    void* p = huge_pages(kBytes, kBytes);
    return p ? new (p) Region : nullptr;
  }
  static bool holds(std::size_t capacity) {
    return capacity >= kLeast && capacity <= kMost;
  }
  static Region* of(void* p) {
    std::byte* own = static_cast<std::byte*>(p) - reinterpret_cast<std::uintptr_t>(p) % kBytes;
    return std::launder(reinterpret_cast<Region*>(own));
  }
  /// One user more, until it leaves.
  void enter() {
    users_.fetch_add(1, std::memory_order_relaxed);
  }
  /// Null when it is used up.
  void* cut(std::size_t capacity) {
    if (used_ + capacity > kBytes) return nullptr;
    enter();
    return reinterpret_cast<std::byte*>(this) + std::exchange(used_, used_ + capacity);
  }
  void leave() {
    if (users_.fetch_sub(1, std::memory_order_acq_rel) > 1) return;
    this->~Region();
    std::free(this);
  }

 private:
  std::atomic<std::size_t> users_{0};  ///< buffers, and the pool that cuts
  std::size_t used_ = kAlignment;      ///< bytes: this object, and what is cut
};
static_assert(sizeof(Region) <= kAlignment);

/// Gives a buffer back to the system.
void release(void* p, std::size_t capacity) {
  if (Region::holds(capacity)) {
    Region::of(p)->leave();
  } else {
    std::free(p);
  }
}

/// Freed buffers of one thread, by capacity class: lists threaded through the buffers themselves,
/// so that neither taking nor keeping one can fail. A buffer goes to the pool of the thread that
/// drops it.
class Pool {
 public:
  Pool() = default;
  Pool(const Pool&) = delete;
  Pool& operator=(const Pool&) = delete;
  ~Pool() {
    for (std::size_t i = 0; i < lists_.size(); ++i) {
      Free*& list = lists_[i];
      while (list) release(std::exchange(list, list->next), capacity_of(i));
    }
    if (region_) region_->leave();
  }
  void* take(std::size_t capacity) {
    Free*& list = lists_[class_of(capacity)];
    if (!list) return nullptr;
    held_ -= capacity;
    return std::exchange(list, list->next);
  }
  /// A fresh buffer of a capacity that regions hold.
  void* cut(std::size_t capacity) {
    void* p = region_ ? region_->cut(capacity) : nullptr;
    if (p) return p;
    Region* next = Region::make();
    if (!next) return nullptr;
    next->enter();
    if (region_) region_->leave();
    region_ = next;
    return region_->cut(capacity);
  }
  bool keep(void* p, std::size_t capacity) {
    if (held_ + capacity > kPoolLimit) return false;
    Free*& list = lists_[class_of(capacity)];
    list = new (p) Free{list};
    held_ += capacity;
    return true;
  }

 private:
  struct Free {
    Free* next;
  };
  static std::size_t class_of(std::size_t capacity) {
    const auto log = static_cast<std::size_t>(std::bit_width(capacity) - 1);
    return 2 * log + (std::has_single_bit(capacity) ? 0 : 1);
  }
  static std::size_t capacity_of(std::size_t c) {
    const std::size_t power = std::size_t{1} << (c / 2);
    return c % 2 == 0 ? power : power / 2 * 3;
  }
  std::array<Free*, 128> lists_{};
  Region* region_ = nullptr;
  std::size_t held_ = 0;
};

/// Null once the thread's storage is gone: buffers dropped that late are simply freed.
Pool* pool() {
  struct Owner {
    Pool* pool = new Pool;
    bool* gone;
    explicit Owner(bool* flag) : gone(flag) {}
    ~Owner() {
      *gone = true;
      delete pool;
    }
    Owner(const Owner&) = delete;
    Owner& operator=(const Owner&) = delete;
  };
  thread_local bool gone = false;
  if (gone) return nullptr;
  thread_local Owner owner(&gone);
  return owner.pool;
}

void* fresh(Pool* pool, std::size_t capacity) {
  if (Region::holds(capacity)) {
    if (pool) return pool->cut(capacity);
    Region* own = Region::make();
    return own ? own->cut(capacity) : nullptr;
  }
  return capacity < kHugePage ? std::aligned_alloc(kAlignment, capacity)
                              : huge_pages(kHugePage, capacity);
}

std::shared_ptr<std::byte> allocate(std::size_t bytes) {
  const std::size_t capacity = capacity_for(bytes);
  Pool* mine = pool();
  void* p = mine ? mine->take(capacity) : nullptr;
  if (!p) p = fresh(mine, capacity);
  if (!p)
    throw Error(ErrorCode::resource, fmt::format("out of memory for a tensor of {} bytes", bytes));
  count_allocation(capacity);
  return {static_cast<std::byte*>(p), [capacity](std::byte* q) {
            live_bytes.fetch_sub(capacity);
            Pool* here = pool();
            if (!here || !here->keep(q, capacity)) release(q, capacity);
          }};
}

}  // namespace

std::int64_t element_count(const Shape& shape) {
  std::int64_t count = 1;
  for (std::int64_t extent : shape) {
    if (extent < 0 || __builtin_mul_overflow(count, extent, &count) ||
        count > (std::int64_t{1} << 40)) {
      throw Error(ErrorCode::corrupt_input,
                  "a tensor shape is negative or too large: " + to_string(shape));
    }
  }
  return count;
}

std::string to_string(const Shape& shape) {
  if (shape.empty()) return "scalar";
  std::string text;
  for (std::int64_t extent : shape) text += (text.empty() ? "" : "x") + std::to_string(extent);
  return text;
}

Tensor::Tensor(DType dtype, Shape shape, Layout layout)
    : dtype_(dtype),
      layout_(shape.size() < 3 ? Layout::row_major : layout),
      shape_(std::move(shape)),
      size_(element_count(shape_)) {
  buffer_ = allocate(bytes());
}

Tensor::Tensor(std::shared_ptr<std::byte> elements, DType dtype, Shape shape, Layout layout)
    : dtype_(dtype),
      layout_(shape.size() < 3 ? Layout::row_major : layout),
      shape_(std::move(shape)),
      size_(element_count(shape_)),
      buffer_(std::move(elements)) {}

std::int64_t Tensor::dim(int axis) const {
  const int at = axis < 0 ? axis + rank() : axis;
  QSWEEP_CHECK(at >= 0 && at < rank());
  return shape_[static_cast<std::size_t>(at)];
}

Tensor Tensor::reshaped(Shape shape) const {
  const bool keeps_channels =
      shape.size() >= 3 && rank() >= 3 && shape[0] == shape_[0] && shape[1] == shape_[1];
  QSWEEP_CHECK((layout_ == Layout::row_major || keeps_channels) && element_count(shape) == size_);
  Tensor t = *this;
  t.shape_ = std::move(shape);
  return t;
}

Tensor Tensor::reinterpreted(DType dtype) const {
  QSWEEP_CHECK(element_bytes(dtype) == element_bytes(dtype_));
  Tensor t = *this;
  t.dtype_ = dtype;
  return t;
}

Tensor Tensor::to_layout(Layout layout) const {
  if (layout == layout_ || rank() < 3) return *this;
  Tensor t(dtype_, shape_, layout);
  const std::int64_t channels = dim(1);
  const std::int64_t images = dim(0);
  const std::int64_t pixels = images * channels == 0 ? 0 : size_ / (images * channels);
  const bool to_last = layout == Layout::channels_last;
  const std::int64_t rows = to_last ? channels : pixels;
  const std::int64_t columns = to_last ? pixels : channels;
  const auto run = [&]<class T>(T) {
    const T* in = reinterpret_cast<const T*>(raw());
    T* out = reinterpret_cast<T*>(t.mutable_raw());
    for (std::int64_t n = 0; n < images; ++n, in += rows * columns, out += rows * columns)
      transpose_plane(in, columns, out, rows, rows, columns);
  };
  switch (element_bytes(dtype_)) {
    case 1:
      run(std::uint8_t{});
      break;
    case 2:
      run(std::uint16_t{});
      break;
    case 4:
      run(std::uint32_t{});
      break;
    default:
      run(std::uint64_t{});
      break;
  }
  return t;
}

Tensor Tensor::rows(std::int64_t begin, std::int64_t end) const {
  QSWEEP_CHECK(rank() > 0 && begin >= 0 && begin <= end && end <= dim(0));
  Shape shape = shape_;
  shape[0] = end - begin;
  Tensor t(dtype_, std::move(shape), layout_);
  const std::size_t row = dim(0) == 0 ? 0 : bytes() / static_cast<std::size_t>(dim(0));
  std::memcpy(t.mutable_raw(), buffer_.get() + row * static_cast<std::size_t>(begin),
              row * static_cast<std::size_t>(end - begin));
  return t;
}

std::uint64_t tensor_bytes() {
  return live_bytes.load();
}
std::uint64_t tensor_peak_bytes() {
  return peak_bytes.load();
}
void reset_tensor_peak() {
  peak_bytes.store(live_bytes.load());
}

}  // namespace qsweep
