#include "io/data/detail/picture_table.h"

#include <algorithm>
#include <atomic>

#include "src/base/error.h"

namespace qsweep {
namespace {

/// For pictures that two ranks published, and so that a table of all pictures never looks full.
constexpr std::size_t kSpareSlots = 64;
/// States of a picture; above them, the number of its slot and kFirstSlot.
constexpr std::uint32_t kAbsent = 0, kClaimed = 1, kFirstSlot = 2;

}  // namespace

PictureTable::Layout::Layout(const Extents& extents)
    : picture_bytes(extents.picture_bytes),
      slot_bytes(NodeMemory::whole_pages(extents.picture_bytes)),
      slots(std::min(extents.pictures + kSpareSlots,
                     extents.most_bytes / std::max(slot_bytes, NodeMemory::kPageBytes))),
      first_slot(NodeMemory::whole_pages(sizeof(Head) + extents.pictures * sizeof(std::uint32_t))) {
}

PictureTable::PictureTable(const Extents& extents) : layout_(extents), memory_(layout_.bytes()) {}

PictureTable::PictureTable(const Extents& extents, const NodeShare& share, const std::string& key)
    : layout_(extents), memory_(share, key, layout_.bytes()) {
  if (!memory_.reserve(0, layout_.first_slot))
    throw Error(ErrorCode::resource, "too little memory can be shared", share.folder.string());
}

PictureTable::Head& PictureTable::head() const {
  return *reinterpret_cast<Head*>(memory_.data());
}

std::uint32_t& PictureTable::state(std::size_t sample) const {
  return reinterpret_cast<std::uint32_t*>(memory_.data() + sizeof(Head))[sample];
}

const std::uint8_t* PictureTable::find(std::size_t sample) const {
  const std::uint32_t found = NodeMemory::atomic(state(sample)).load(std::memory_order_acquire);
  if (found < kFirstSlot) return nullptr;
  return reinterpret_cast<const std::uint8_t*>(memory_.data() + layout_.first_slot +
                                               (found - kFirstSlot) * layout_.slot_bytes);
}

bool PictureTable::claim(std::size_t sample) {
  if (is_full()) return true;
  std::uint32_t expected = kAbsent;
  return NodeMemory::atomic(state(sample)).compare_exchange_strong(expected, kClaimed);
}

void PictureTable::release(std::size_t sample) {
  std::uint32_t expected = kClaimed;
  NodeMemory::atomic(state(sample)).compare_exchange_strong(expected, kAbsent);
}

void PictureTable::publish(std::size_t sample, std::span<const std::uint8_t> pixels) {
  QSWEEP_CHECK(pixels.size() == layout_.picture_bytes);
  NodeMemory::atomic(head().decoded).fetch_add(1);
  const std::uint64_t slot =
      is_full() ? layout_.slots : NodeMemory::atomic(head().next_slot).fetch_add(1);
  if (slot >= layout_.slots) return release(sample);
  const std::size_t at = layout_.first_slot + slot * layout_.slot_bytes;
  if (!memory_.reserve(at, layout_.slot_bytes)) {
    NodeMemory::atomic(head().next_slot).store(layout_.slots);
    return release(sample);
  }
  std::ranges::copy(std::as_bytes(pixels), memory_.data() + at);
  NodeMemory::atomic(state(sample))
      .store(kFirstSlot + static_cast<std::uint32_t>(slot), std::memory_order_release);
}

bool PictureTable::is_full() const {
  return NodeMemory::atomic(head().next_slot).load() >= layout_.slots;
}

std::int64_t PictureTable::decoded() const {
  return NodeMemory::atomic(head().decoded).load();
}

}  // namespace qsweep
