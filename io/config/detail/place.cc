#include "io/config/detail/place.h"

#include <fmt/format.h>

namespace qsweep::config {

Document document_of(const std::filesystem::path& file) {
  const std::filesystem::path path = std::filesystem::absolute(file);
  std::error_code code;
  const auto type = std::filesystem::status(path, code).type();
  const bool is_stream = (type != std::filesystem::file_type::regular &&
                          type != std::filesystem::file_type::not_found) ||
                         path.string().starts_with("/dev/") || path.string().starts_with("/proc/");
  return {file, is_stream ? std::filesystem::current_path() : path.parent_path()};
}

Place Place::child(std::string_view name, YAML::Mark mark) const {
  Place place(*document_, path_.empty() ? std::string(name) : fmt::format("{}.{}", path_, name));
  place.mark_ = mark;
  return place;
}

const Override* Place::origin() const {
  for (auto it = document_->overrides.rbegin(); it != document_->overrides.rend(); ++it) {
    if (path_ == it->key || path_.starts_with(it->key + ".")) return &*it;
  }
  return nullptr;
}

std::string Place::subject() const {
  const Override* from = origin();
  if (from != nullptr && !from->flag.empty()) return from->flag;
  return path_.empty() ? "the document" : "'" + path_ + "'";
}

std::string Place::where(const YAML::Node& node) const {
  if (const Override* from = origin()) return from->typed;
  // An absent value begins, to the library, at whatever comes next: the key's own line is right.
  const bool has_line = !node.IsNull() && !node.Mark().is_null();
  const YAML::Mark mark = has_line || mark_.is_null() ? node.Mark() : mark_;
  return mark.is_null() ? document_->file.string()
                        : fmt::format("{}:{}", document_->file.string(), mark.line + 1);
}

void Place::fail(const YAML::Node& node, std::string_view complaint, std::string hint) const {
  throw Error(ErrorCode::config, fmt::format("{} {}", subject(), complaint), where(node),
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
