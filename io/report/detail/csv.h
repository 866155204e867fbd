#pragma once

#include <string>
#include <vector>

/// What the renderers share: how numbers and cells are written.
namespace qsweep::report {

/// Shortest text that reads back as the same number; empty for NaN and infinity.
[[nodiscard]] std::string number(double value);

/// Rows of an RFC 4180 file: cells with a comma, quote or line break are quoted, lines end in LF.
class Csv {
 public:
  explicit Csv(const std::vector<std::string>& header) { row(header); }
  void row(const std::vector<std::string>& cells);
  [[nodiscard]] const std::string& text() const { return text_; }

 private:
  std::string text_;
};

}  // namespace qsweep::report
