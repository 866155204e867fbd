#pragma once

#include <functional>
#include <string>
#include <type_traits>
#include <vector>

#include "io/store/detail/h5.h"

namespace qsweep::h5 {

/// A table is a group with one one-dimensional data set per column, all of the same length: what
/// `pandas.DataFrame({name: group[name][:] for name in group})` takes.
template <class Row>
class Table {
 public:
  Table(const Handle& parent, const std::string& name, const std::vector<Row>& rows)
      : group_(create_group(parent, name)), rows_(&rows) {}

  /// @param of a member of Row, or a function of it: text, bool (0 or 1), an integer or a number
  template <class Of>
  Table& column(const std::string& name,
                const std::string& units,
                const std::string& description,
                Of of) {
    using Value = std::remove_cvref_t<std::invoke_result_t<Of, const Row&>>;
    using Stored = std::conditional_t<std::is_same_v<Value, bool>, std::uint8_t, Value>;
    std::vector<Stored> values;
    values.reserve(rows_->size());
    for (const Row& row : *rows_) {
      values.push_back(static_cast<Stored>(std::invoke(of, row)));
    }
    if constexpr (std::is_same_v<Stored, std::string>) {
      write_texts(group_, name, values, {units, description});
    } else {
      write_list<Stored>(group_, name, values, {units, description});
    }
    return *this;
  }
  [[nodiscard]] const Handle& group() const { return group_; }

 private:
  Handle group_;
  const std::vector<Row>* rows_;
};

}  // namespace qsweep::h5
