#pragma once

#include <span>
#include <string>
#include <vector>

#include "src/base/error.h"

namespace qsweep {

/// Why a rank could not apply a configuration, in its own words.
struct Refusal {
  ErrorCode code = ErrorCode::internal;  ///< mismatch: the rank differs from rank 0
  std::string reason{};                  ///< one line: what is wrong and where
  std::string hint{};                    ///< what to do; may be empty
};

/// What there is to say about one rank.
struct Remark {
  int rank = 0;
  std::string host{};  ///< may be empty
  std::string text{};
};

/// `rank 3` or `ranks 3, 5-9, 12`; of many ranges the first ones and how many ranks are left.
/// @param ranks ascending
[[nodiscard]] std::string name_ranks(std::span<const int> ranks);

/// All remarks on one line; ranks of which the same is said are named together, with their hosts:
/// `ranks 3, 5-9 on node17: cannot open eval.bin; rank 12 on node18: out of memory`. Of many
/// different texts the first ones and how many are left.
/// @param remarks in the order of their ranks
[[nodiscard]] std::string list_remarks(std::span<const Remark> remarks);

}  // namespace qsweep
