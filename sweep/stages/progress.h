#pragma once

#include <string_view>

namespace qsweep {

/// Told about long work as it happens, on one thread. The default hears nothing.
class Progress {
 public:
  virtual ~Progress() = default;
  /// A stage of `total` units of work begins; `total` 0 when its length is unknown.
  virtual void begin(std::string_view stage, double total) { (void)stage, (void)total; }
  /// `done` units of the stage are finished; `tasks` pieces were counted so far.
  virtual void advance(double done, std::string_view detail) { (void)done, (void)detail; }
  virtual void end() {}
};

}  // namespace qsweep
