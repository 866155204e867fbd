#include "io/config/detail/place.h"

#include <fmt/format.h>

namespace qsweep::config {

std::filesystem::path Document::folder() const {
  return std::filesystem::absolute(file).parent_path();
}

Place Place::child(std::string_view name, YAML::Mark mark) const {
  Place place(*document_, path_.empty() ? std::string(name) : fmt::format("{}.{}", path_, name));
  place.mark_ = mark;
  return place;
}

std::string Place::where(const YAML::Node& node) const {
  for (auto it = document_->overrides.rbegin(); it != document_->overrides.rend(); ++it) {
    if (path_ == it->first || path_.starts_with(it->first + ".")) {
      return "--set " + it->second;
    }
  }
  // An absent value begins, to the library, at whatever comes next: the key's own line is right.
  const YAML::Mark mark = node.IsNull() && !mark_.is_null() ? mark_ : node.Mark();
  return mark.is_null() ? document_->file.string()
                        : fmt::format("{}:{}", document_->file.string(), mark.line + 1);
}

void Place::fail(const YAML::Node& node, std::string_view complaint, std::string hint) const {
  const std::string subject = path_.empty() ? std::string("the document") : "'" + path_ + "'";
  throw Error(ErrorCode::config, fmt::format("{} {}", subject, complaint), where(node),
              std::move(hint));
}

void Place::fail_value(const YAML::Node& node, std::string_view complaint, std::string hint) const {
  fail(node, fmt::format("{}, got '{}'", complaint, node.Scalar()), std::move(hint));
}

std::string Place::scalar(const YAML::Node& node) const {
  if (node.IsNull()) {
    fail(node, "has no value");
  }
  if (!node.IsScalar()) {
    fail(node, node.IsMap() ? "must be a single value, not a mapping"
                            : "must be a single value, not a list");
  }
  return node.Scalar();
}

}  // namespace qsweep::config
