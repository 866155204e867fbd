#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "src/base/node_memory.h"

namespace qsweep {

/// Fitted pictures by sample, each absent, claimed by whoever decodes it, or ready; a bounded
/// number of them are kept. Used by any number of threads, and of ranks when the memory is shared;
/// without locks, so a rank that dies leaves at most a claim. Claims only save work: publishing
/// does not ask for one.
class PictureTable {
 public:
  struct Extents {
    std::size_t pictures = 0;       ///< that there are
    std::size_t picture_bytes = 0;  ///< of each
    std::size_t most_bytes = 0;     ///< that are kept, of all
  };
  /// In memory of this process.
  explicit PictureTable(const Extents& extents);
  /// In memory of the node; equal for ranks that give the same `key` and extents.
  /// @throws Error(resource) when there is none
  PictureTable(const Extents& extents, const NodeShare& share, const std::string& key);

  /// The picture when it is ready, else null; valid while the table lives.
  [[nodiscard]] const std::uint8_t* find(std::size_t sample) const;
  /// True when the caller is to decode the picture: nobody is doing so, or it would not be kept.
  [[nodiscard]] bool claim(std::size_t sample);
  /// Gives a claim back: the picture could not be decoded.
  void release(std::size_t sample);
  /// Keeps a decoded picture while there is room, and counts it as decoded.
  void publish(std::size_t sample, std::span<const std::uint8_t> pixels);
  /// Nothing more will be kept: the bound is reached, or the node is short of memory.
  [[nodiscard]] bool is_full() const;

  /// Pictures decoded so far, by whoever uses the table; those not kept count each time.
  [[nodiscard]] std::int64_t decoded() const;

 private:
  struct Head {
    std::uint64_t next_slot = 0;
    std::int64_t decoded = 0;
  };
  [[nodiscard]] Head& head() const;
  [[nodiscard]] std::uint32_t& state(std::size_t sample) const;

  /// Head and states, then the slots; parts are whole pages, so that each is reserved by itself.
  struct Layout {
    explicit Layout(const Extents& extents);
    std::size_t picture_bytes, slot_bytes, slots, first_slot;
    [[nodiscard]] std::size_t bytes() const { return first_slot + slots * slot_bytes; }
  };

  Layout layout_;
  NodeMemory memory_;
};

}  // namespace qsweep
