#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "io/config/job.h"

namespace qsweep {

/// What an identity is asked for: each use needs the entries that decide its numbers, and no
/// others.
enum class IdentityUse : std::uint8_t {
  statistics,  ///< calibration statistics, the calibration cache
  schemes,     ///< ids of schemes: equal wherever a scheme means the same, on any machine
  records,     ///< the journal's records, the ranks of a run
  latency,     ///< the latency table of a run
};

/// What the numbers of a run follow from, as named values: the job's keys (job_values()), digests
/// of model, images and annotations, and the engine (program, libraries, instruction sets, layout
/// of records). Two runs of equal identity compute the same bits. A value type; not thread-safe.
class Identity {
 public:
  struct Entry {
    std::string name;   ///< dotted key of the job, or e.g. `model`
    std::string value;  ///< one line
    Decides decides = Decides::nothing;
    bool is_engine = false;  ///< of program and machine: no part of what a scheme means
    friend bool operator==(const Entry&, const Entry&) = default;
  };
  struct Difference {
    std::string name, was, is;  ///< an absent entry has the value `none`
  };

  void add(std::string name, std::string value, Decides decides);
  void add_engine(std::string name, std::string value);
  [[nodiscard]] std::span<const Entry> entries() const { return entries_; }

  /// The entries that a use needs, in order.
  [[nodiscard]] Identity part(IdentityUse use) const;
  /// SHA-256 of text(), in hexadecimal.
  [[nodiscard]] std::string digest() const;
  /// A line `name value` for each entry; what journals and caches keep, and ranks exchange.
  [[nodiscard]] std::string text() const;
  /// Reads text() back; lines without a blank have no value. Marks are not part of the text.
  [[nodiscard]] static Identity parse(std::string_view text);

 private:
  std::vector<Entry> entries_;
};

/// Entries that two identities do not share, in the order of `is`, then of `was`.
[[nodiscard]] std::vector<Identity::Difference> differences(const Identity& was,
                                                            const Identity& is);

/// `seed was 42, is 43; model was ..., is ...`: at most eight, long values cut.
[[nodiscard]] std::string describe(std::span<const Identity::Difference> differences);

/// Program, source digest, libraries and instruction sets: what must be equal for ranks to compute
/// the same bits.
void add_engine(Identity& identity);
/// The same as one line, for the first message between ranks.
[[nodiscard]] std::string engine_identity();

}  // namespace qsweep
