#pragma once

#include <set>
#include <string>

namespace qsweep::h5 {

/// Names for the members of one group, made from names of the model, which may hold `/`: that
/// becomes `_`, and a name that is taken gets `~2`, `~3`, ... The original belongs into an
/// attribute.
class LinkNames {
 public:
  [[nodiscard]] std::string add(const std::string& name);

 private:
  std::set<std::string> taken_;
};

}  // namespace qsweep::h5
