#pragma once

#include <memory>
#include <string>

#include "src/base/node_memory.h"

#include "src/tensor/tensor.h"

namespace qsweep {

/// Constants that the ranks of a node hold once: the first of them to keep a tensor publishes its
/// bytes, the others read those instead of a copy of their own. Found by content, so that what is
/// read is equal whoever made it. Thread-safe; a rank that dies costs the others at most a moment.
class SharedTensors {
 public:
  /// @param most_bytes of all tensors; room is taken as they come
  /// @throws Error(resource) when the node has no such memory
  SharedTensors(const NodeShare& share, const std::string& key, std::size_t most_bytes);

  /// A tensor equal to `own`, not to be written to; `own` itself where it is small or there is no
  /// room. The memory lives as long as this object or one of its tensors.
  [[nodiscard]] Tensor keep(Tensor own) const;

 private:
  struct Slot;
  struct Head;
  [[nodiscard]] Head& head() const;
  [[nodiscard]] Tensor view(const Tensor& like, std::uint64_t offset) const;
  [[nodiscard]] bool publish(Slot& slot, const Tensor& tensor) const;

  std::size_t bytes_;
  std::shared_ptr<NodeMemory> memory_;
};

}  // namespace qsweep
