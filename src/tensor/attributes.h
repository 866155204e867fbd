#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <variant>
#include <vector>

#include "src/tensor/tensor.h"

namespace qsweep {

/// Named attributes of an operator, as ONNX has them (no subgraphs).
class Attributes {
 public:
  using Value = std::variant<std::int64_t,
                             float,
                             std::string,
                             std::vector<std::int64_t>,
                             std::vector<float>,
                             std::vector<std::string>,
                             Tensor>;

  void set(std::string name, Value value) { values_[std::move(name)] = std::move(value); }
  [[nodiscard]] bool has(const std::string& name) const { return values_.contains(name); }
  void erase(const std::string& name) { values_.erase(name); }

  /// The attribute, or `fallback` when absent. Throws Error(corrupt_input) on another type.
  [[nodiscard]] std::int64_t i(const std::string& name, std::int64_t fallback) const;
  [[nodiscard]] float f(const std::string& name, float fallback) const;
  [[nodiscard]] std::string s(const std::string& name, const std::string& fallback) const;
  [[nodiscard]] std::vector<std::int64_t> ints(
      const std::string& name, const std::vector<std::int64_t>& fallback = {}) const;
  [[nodiscard]] std::vector<float> floats(const std::string& name) const;
  [[nodiscard]] std::vector<std::string> strings(const std::string& name) const;
  [[nodiscard]] const Tensor* tensor(const std::string& name) const;  ///< null when absent

  [[nodiscard]] const std::map<std::string, Value>& all() const { return values_; }

 private:
  std::map<std::string, Value> values_;
};

}  // namespace qsweep
