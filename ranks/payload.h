#pragma once

#include <memory>
#include <utility>

#include "src/base/bytes.h"

namespace qsweep {

/// An immutable byte string or a part of one. Copies share one buffer, so a message to many ranks
/// exists once. Thread-safe, as immutable values are.
class Payload {
 public:
  Payload() = default;
  explicit Payload(Bytes bytes)
      : whole_(std::make_shared<const Bytes>(std::move(bytes))), view_(*whole_) {}

  [[nodiscard]] ByteView view() const { return view_; }
  [[nodiscard]] std::size_t size() const { return view_.size(); }
  /// `inner`, a part of view(), as a payload of its own that keeps the buffer alive.
  [[nodiscard]] Payload part(ByteView inner) const { return {whole_, inner}; }

 private:
  Payload(std::shared_ptr<const Bytes> whole, ByteView view)
      : whole_(std::move(whole)), view_(view) {}

  std::shared_ptr<const Bytes> whole_;
  ByteView view_;
};

}  // namespace qsweep
