#include "io/config/detail/keys.h"

#include <fmt/format.h>

#include "src/base/text.h"

namespace qsweep::config {

void fail_unknown_key(const YAML::Node& key,
                      const Place& place,
                      const std::vector<std::string>& known) {
  std::string hint = did_you_mean(key.Scalar(), known);
  if (hint.empty()) {
    hint = "Keys here: " + join(known, ", ");
  }
  throw Error(ErrorCode::config, fmt::format("unknown key '{}'", key.Scalar()), place.where(key),
              std::move(hint));
}

std::string key_text(const YAML::Node& key, const Place& place) {
  if (!key.IsScalar()) {
    place.fail(key, "has a key that is not plain text");
  }
  return key.Scalar();
}

std::string value_text(std::optional<YAML::Node> value) {
  if (!value) return "~";
  if (!value->IsScalar()) value->SetStyle(YAML::EmitterStyle::Flow);
  return YAML::Dump(*value);
}

}  // namespace qsweep::config
