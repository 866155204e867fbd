#pragma once

#include <map>
#include <string>
#include <vector>

#include "src/base/error.h"

#include "io/config/job.h"

namespace CLI {
class App;
class Option;
}  // namespace CLI

namespace qsweep {

/// The flag that stands for each key of the job, in one command.
using FlagNames = std::map<std::string, std::string>;

/// Flags that are keys of the job: what is typed goes through the table of keys, which knows
/// ranges, allowed values and defaults, for the help too. Stays where it is until the command line
/// is parsed.
class KeyFlags {
 public:
  enum class Kind {
    value,
    list,  ///< items separated by commas, or several arguments
    path,  ///< made absolute from the current folder
    yes,   ///< no value: the key becomes true
  };
  /// @param names separated by commas; the first is the one in the help
  /// @param help  what the table of keys does not say; kind of value and default are added
  CLI::Option* add(CLI::App& command,
                   const std::string& names,
                   const std::string& key,
                   const std::string& help,
                   Kind kind = Kind::value);
  /// Gives a key as a default of the command, which its flags override. `value` is YAML.
  void set_default(const std::string& key, const std::string& value);
  /// Says what flag stands for a key whose value is made otherwise.
  void name(const std::string& key, const std::string& flag) { names_[key] = flag; }

  /// What was given, defaults of the command first.
  [[nodiscard]] const std::vector<Override>& given() const { return given_; }
  [[nodiscard]] const FlagNames& names() const { return names_; }

 private:
  CLI::Option* add_one(CLI::App& command,
                       const std::string& flag,
                       const std::string& key,
                       const std::string& help,
                       Kind kind);

  std::vector<Override> given_;
  FlagNames names_;
};

/// A list of texts as YAML.
[[nodiscard]] std::string yaml_list(const std::vector<std::string>& items);
/// A path as YAML, absolute from the current folder.
[[nodiscard]] std::string yaml_path(const std::string& path);

/// The error with the flags of the command in place of keys of the job.
[[nodiscard]] Error with_flags(const Error& error, const FlagNames& flags);

}  // namespace qsweep
