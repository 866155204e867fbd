#include "src/tensor/shared_tensors.h"

#include <array>
#include <atomic>
#include <chrono>
#include <cstring>
#include <thread>

#include "src/base/bytes.h"
#include "src/base/error.h"
#include "src/base/hash.h"

namespace qsweep {
namespace {

/// Smaller tensors are not worth pages of their own.
constexpr std::size_t kLeastBytes = 4 * NodeMemory::kPageBytes;
constexpr std::size_t kSlots = 8192;
/// Slots looked at for one content before it is given up.
constexpr std::size_t kMostProbes = 64;
/// Where a slot's bytes lie, and one: nowhere yet, or never.
constexpr std::uint64_t kNotYet = 0, kNever = ~std::uint64_t{0};
/// How long another rank may take to publish what it has claimed; it may have died.
constexpr std::chrono::milliseconds kPatience{20};
constexpr std::chrono::microseconds kNap{50};

/// Never 0, which is an empty slot's.
std::uint64_t hash_of(ByteView bytes) {
  return mix64(crc32c(bytes), bytes.size()) | 1;
}

std::uint64_t wait_for(std::uint64_t& place) {
  const auto end = std::chrono::steady_clock::now() + kPatience;
  std::uint64_t now = NodeMemory::atomic(place).load(std::memory_order_acquire);
  while (now == kNotYet && std::chrono::steady_clock::now() < end) {
    std::this_thread::sleep_for(kNap);
    now = NodeMemory::atomic(place).load(std::memory_order_acquire);
  }
  return now;
}

}  // namespace

struct SharedTensors::Slot {
  std::uint64_t hash;  ///< 0: empty
  std::uint64_t size;  ///< of the content, once it has a place
  std::uint64_t place;
};

struct SharedTensors::Head {
  std::uint64_t used;  ///< bytes behind the head
  std::array<Slot, kSlots> slots;
};

SharedTensors::SharedTensors(const NodeShare& share, const std::string& key, std::size_t most_bytes)
    : bytes_(NodeMemory::whole_pages(most_bytes)),
      memory_(std::make_shared<NodeMemory>(
          share, key, NodeMemory::whole_pages(sizeof(Head)) + bytes_)) {
  if (!memory_->reserve(0, sizeof(Head)))
    throw Error(ErrorCode::resource, "too little memory can be shared", share.folder.string());
}

SharedTensors::Head& SharedTensors::head() const {
  return *reinterpret_cast<Head*>(memory_->data());
}

Tensor SharedTensors::view(const Tensor& like, std::uint64_t offset) const {
  std::byte* at = memory_->data() + NodeMemory::whole_pages(sizeof(Head)) + offset;
  return {std::shared_ptr<std::byte>(memory_, at), like.dtype(), like.shape(), like.layout()};
}

bool SharedTensors::publish(Slot& slot, const Tensor& tensor) const {
  const std::size_t room = NodeMemory::whole_pages(tensor.bytes());
  const std::uint64_t offset = NodeMemory::atomic(head().used).fetch_add(room);
  const bool fits = offset <= bytes_ && room <= bytes_ - offset &&
                    memory_->reserve(NodeMemory::whole_pages(sizeof(Head)) + offset, room);
  if (fits) {
    std::memcpy(view(tensor, offset).mutable_raw(), tensor.raw(), tensor.bytes());
    slot.size = tensor.bytes();
  }
  NodeMemory::atomic(slot.place).store(fits ? offset + 1 : kNever, std::memory_order_release);
  return fits;
}

Tensor SharedTensors::keep(Tensor own) const {
  if (own.bytes() < kLeastBytes) return own;
  const ByteView content(static_cast<const std::byte*>(own.raw()), own.bytes());
  const std::uint64_t hash = hash_of(content);
  for (std::size_t probe = 0; probe < kMostProbes; ++probe) {
    Slot& slot = head().slots[(hash / 2 + probe) % kSlots];
    std::uint64_t found = 0;
    if (NodeMemory::atomic(slot.hash).compare_exchange_strong(found, hash))
      return publish(slot, own) ? view(own, slot.place - 1) : own;
    if (found != hash) continue;
    const std::uint64_t place = wait_for(slot.place);
    if (place == kNotYet || place == kNever) return own;
    if (slot.size != own.bytes()) continue;
    Tensor shared = view(own, place - 1);
    if (std::memcmp(shared.raw(), own.raw(), own.bytes()) == 0) return shared;
  }
  return own;
}

}  // namespace qsweep
