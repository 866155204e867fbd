#include "io/store/detail/link_names.h"

#include <algorithm>

namespace qsweep::h5 {

std::string LinkNames::add(const std::string& name) {
  std::string base = name;
  std::ranges::replace(base, '/', '_');
  if (base.empty() || base == ".") {  // HDF5 reads `.` as the group itself
    base += '_';
  }
  std::string link = base;
  for (int n = 2; !taken_.insert(link).second; ++n) {
    link = base + "~" + std::to_string(n);
  }
  return link;
}

}  // namespace qsweep::h5
