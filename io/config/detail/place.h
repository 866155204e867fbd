#pragma once

#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <yaml-cpp/yaml.h>

#include "src/base/error.h"

#include "io/config/job.h"

namespace qsweep::config {

/// A YAML document being read: its file, and what the command line put into it.
struct Document {
  std::filesystem::path file;
  std::filesystem::path folder;  ///< that relative paths in it start from; absolute
  std::vector<Override> overrides{};
};

/// The document of a file. One that is no plain file, as a pipe, has its paths start from the
/// current folder.
[[nodiscard]] Document document_of(const std::filesystem::path& file);

/// A value's place in a document, by its key path (`sweep.families.0.rest`). Makes the errors about
/// it. Must not outlive the document.
class Place {
 public:
  explicit Place(const Document& document, std::string path = {})
      : document_(&document), path_(std::move(path)) {}

  /// @param mark where the name stands, if it does
  [[nodiscard]] Place child(std::string_view name, YAML::Mark mark = YAML::Mark::null_mark()) const;
  [[nodiscard]] const Document& document() const { return *document_; }
  [[nodiscard]] const std::string& path() const { return path_; }

  /// What messages call the value: its key, or the flag that it came from.
  [[nodiscard]] std::string subject() const;
  /// `FILE:LINE`, or the option that the value came from, as it was typed.
  [[nodiscard]] std::string where(const YAML::Node& node) const;

  /// Throws Error(config): `SUBJECT <complaint> [where]. hint`.
  [[noreturn]] void fail(const YAML::Node& node,
                         std::string_view complaint,
                         std::string hint = {}) const;
  /// As fail(), adding `, got 'TEXT'`.
  [[noreturn]] void fail_value(const YAML::Node& node,
                               std::string_view complaint,
                               std::string hint = {}) const;

  /// The text of a scalar. Throws when it is anything else.
  [[nodiscard]] std::string scalar(const YAML::Node& node) const;

 private:
  /// The option that the value came from; null: the file.
  [[nodiscard]] const Override* origin() const;

  const Document* document_;
  std::string path_;
  YAML::Mark mark_ = YAML::Mark::null_mark();
};

}  // namespace qsweep::config
