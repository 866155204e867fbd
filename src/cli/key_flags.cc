#include "src/cli/key_flags.h"

#include <algorithm>
#include <filesystem>
#include <span>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "src/base/text.h"

namespace qsweep {
namespace {

/// ` (bilinear | area | nearest; default: bilinear)`
std::string value_help(const std::string& key) {
  static const std::vector<JobKey> reference = job_reference();
  const auto found = std::ranges::find(reference, key, &JobKey::path);
  QSWEEP_CHECK(found != reference.end());
  std::string text = found->type;
  if (!found->fallback.empty()) text += "; default: " + found->fallback;
  return " (" + text + ")";
}

bool is_key_character(char c) {
  return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' || c == '.';
}

/// Keys with a dot are told apart from other words anywhere, the others only as the whole text.
std::string with_flags(const std::string& text, const FlagNames& flags) {
  if (const auto whole = flags.find(text); whole != flags.end()) return whole->second;
  std::string out;
  for (std::size_t at = 0; at < text.size();) {
    std::size_t end = at;
    while (end < text.size() && is_key_character(text[end])) ++end;
    if (end == at) {
      out += text[at++];
      continue;
    }
    std::string word = text.substr(at, end - at);
    while (word.ends_with('.')) word.pop_back();
    const auto flag = flags.find(word);
    const bool stands_alone = at == 0 || text[at - 1] == ' ' || text[at - 1] == '\'';
    if (flag == flags.end() || !stands_alone || word.find('.') == std::string::npos) {
      out += text.substr(at, end - at);
      at = end;
      continue;
    }
    at += word.size();
    const bool quoted = out.ends_with('\'') && at < text.size() && text[at] == '\'';
    if (quoted) {
      out.pop_back();
      ++at;
    }
    out += flag->second;
  }
  return out;
}

}  // namespace

CLI::Option* KeyFlags::add(CLI::App& command,
                           const std::string& names,
                           const std::string& key,
                           const std::string& help,
                           Kind kind) {
  const std::vector<std::string> all = split(names, ',');
  std::string text = help;
  if (all.size() > 1) text += "; also " + join(std::span(all).subspan(1), ", ");
  CLI::Option* first = add_one(command, all.front(), key, text, kind);
  // Options of their own, so that messages name the one that was typed.
  for (std::size_t i = 1; i < all.size(); ++i) add_one(command, all[i], key, help, kind)->group("");
  name(key, all.front());
  return first;
}

CLI::Option* KeyFlags::add_one(CLI::App& command,
                               const std::string& flag,
                               const std::string& key,
                               const std::string& help,
                               Kind kind) {
  if (kind == Kind::yes) {
    return command.add_flag_function(
        flag,
        [=, this](std::int64_t) {
          given_.push_back({key, "true", flag, flag});
        },
        help);
  }
  if (kind == Kind::list) {
    return command
        .add_option_function<std::vector<std::string>>(
            flag,
            [=, this](const std::vector<std::string>& items) {
              given_.push_back({key, yaml_list(items), flag, flag + " " + join(items, ",")});
            },
            help + value_help(key))
        ->delimiter(',');
  }
  return command.add_option_function<std::string>(
      flag,
      [=, this](const std::string& text) {
        const std::string value = kind == Kind::path ? yaml_path(text) : yaml_scalar(text);
        given_.push_back({key, value, flag, flag + " " + text});
      },
      kind == Kind::path ? help : help + value_help(key));
}

void KeyFlags::set_default(const std::string& key, const std::string& value) {
  given_.insert(given_.begin(), Override{key, value, {}, "default of the command"});
}

std::string yaml_list(const std::vector<std::string>& items) {
  std::string text;
  for (const std::string& item : items) text += (text.empty() ? "" : ", ") + yaml_scalar(item);
  return "[" + text + "]";
}

std::string yaml_path(const std::string& path) {
  const bool is_refused = path.empty() || path.starts_with("~/");  // by the table of keys
  return yaml_scalar(is_refused ? path : std::filesystem::absolute(path).string());
}

Error with_flags(const Error& error, const FlagNames& flags) {
  return {error.code(), with_flags(error.message(), flags), with_flags(error.where(), flags),
          with_flags(error.hint(), flags)};
}

}  // namespace qsweep
