#pragma once

#include <compare>
#include <concepts>
#include <cstddef>
#include <cstdint>

namespace qsweep {

/// A position in a list of one kind of thing, from 0, or none. Indices of different kinds do not
/// convert into each other, and to and from numbers only where it is written out: at the edges
/// (files, messages, containers).
template <class Tag>
class Index {
 public:
  /// None.
  constexpr Index() = default;
  /// @param value what value() gave: -1 is none
  template <std::integral Number>
  explicit constexpr Index(Number value) : value_(static_cast<std::int32_t>(value)) {}

  /// Whether there is one.
  [[nodiscard]] explicit constexpr operator bool() const { return value_ >= 0; }
  /// As a number, for files and messages; -1 for none.
  [[nodiscard]] constexpr std::int32_t value() const { return value_; }
  /// As a subscript. That of none is larger than any container.
  [[nodiscard]] constexpr std::size_t index() const { return static_cast<std::size_t>(value_); }

  constexpr Index& operator++() {
    ++value_;
    return *this;
  }
  friend constexpr bool operator==(Index, Index) = default;
  /// By position; none comes before all others.
  friend constexpr auto operator<=>(Index a, Index b) { return a.value_ <=> b.value_; }

 private:
  std::int32_t value_ = -1;
};

using NodeId = Index<struct NodeTag>;    ///< in Graph::nodes
using LayerId = Index<struct LayerTag>;  ///< in Program::layers()
using StepId = Index<struct StepTag>;    ///< in Program::steps()
using ShardId = Index<struct ShardTag>;  ///< of a scope's images, see EvaluationScope

/// The indices 0, 1, ... of a list of `count`, for range-based loops.
template <class Id>
class IdRange {
 public:
  class Iterator {
   public:
    explicit constexpr Iterator(Id at) : at_(at) {}
    [[nodiscard]] constexpr Id operator*() const { return at_; }
    constexpr Iterator& operator++() {
      ++at_;
      return *this;
    }
    friend constexpr bool operator==(const Iterator&, const Iterator&) = default;

   private:
    Id at_;
  };

  explicit constexpr IdRange(std::size_t count) : end_(count) {}
  [[nodiscard]] constexpr Iterator begin() const { return Iterator(Id(0)); }
  [[nodiscard]] constexpr Iterator end() const { return Iterator(end_); }
  [[nodiscard]] constexpr std::size_t size() const { return end_.index(); }

 private:
  Id end_;
};

template <class Id>
[[nodiscard]] constexpr IdRange<Id> ids(std::size_t count) {
  return IdRange<Id>(count);
}

}  // namespace qsweep
