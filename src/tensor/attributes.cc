#include "src/tensor/attributes.h"

#include <fmt/format.h>

namespace qsweep {
namespace {

template <class T>
const T* find(const std::map<std::string, Attributes::Value>& values, const std::string& name) {
  const auto at = values.find(name);
  if (at == values.end()) return nullptr;
  const T* value = std::get_if<T>(&at->second);
  if (!value)
    throw Error(ErrorCode::corrupt_input,
                fmt::format("attribute '{}' has another type than its operator defines", name));
  return value;
}

template <class T>
T value_or(const std::map<std::string, Attributes::Value>& values,
           const std::string& name,
           const T& fallback) {
  const T* value = find<T>(values, name);
  return value ? *value : fallback;
}

}  // namespace

std::int64_t Attributes::i(const std::string& name, std::int64_t fallback) const {
  return value_or(values_, name, fallback);
}
float Attributes::f(const std::string& name, float fallback) const {
  return value_or(values_, name, fallback);
}
std::string Attributes::s(const std::string& name, const std::string& fallback) const {
  return value_or(values_, name, fallback);
}
std::vector<std::int64_t> Attributes::ints(const std::string& name,
                                           const std::vector<std::int64_t>& fallback) const {
  return value_or(values_, name, fallback);
}
std::vector<float> Attributes::floats(const std::string& name) const {
  return value_or(values_, name, std::vector<float>{});
}
std::vector<std::string> Attributes::strings(const std::string& name) const {
  return value_or(values_, name, std::vector<std::string>{});
}
const Tensor* Attributes::tensor(const std::string& name) const {
  return find<Tensor>(values_, name);
}

}  // namespace qsweep
