#include <memory>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "src/base/text.h"

#include "src/quant/presets.h"

#include "src/cli/command.h"
#include "src/cli/table.h"

#include "io/json/json.h"

namespace qsweep {
namespace {

Json all_as_json() {
  Json presets = Json::array(), lists = Json::array();
  for (const Preset& p : known_presets()) presets.push_back(Json::verbatim(to_json(p)));
  for (const SkipList& l : known_skip_lists()) lists.push_back(Json::verbatim(to_json(l)));
  return {{"presets", presets}, {"skip_lists", lists}};
}

std::string list_text() {
  std::vector<std::vector<std::string>> rows = {{"preset", "algorithm", "needs", "what"}};
  for (const Preset& p : known_presets())
    rows.push_back({std::string(p.name), std::string(p.algorithm), std::string(p.needs),
                    std::string(p.summary)});
  std::vector<std::vector<std::string>> lists = {{"skip list", "what"}};
  for (const SkipList& l : known_skip_lists())
    lists.push_back({std::string(l.name), std::string(l.summary)});
  return render_table(rows) + "\n" + render_table(lists);
}

std::string rules_text(const Preset& p) {
  std::string text =
      fmt::format("{}: {}\nalgorithm: {}\nneeds: {}\n\n", p.name, p.summary, p.algorithm, p.needs);
  std::vector<std::vector<std::string>> rows = {{"rule", "format"}};
  for (const QuantRule& r : p.rules) rows.push_back({r.selector, attributes_json(r.format)});
  return text + render_table(rows);
}

std::string show(const std::string& name, bool json) {
  for (const SkipList& l : known_skip_lists()) {
    if (l.name != name) continue;
    if (json) return to_json(l);
    std::string text;
    for (const std::string_view pattern : l.patterns) text += std::string(pattern) + "\n";
    return text;
  }
  const Preset& preset = find_preset(name);
  return json ? to_json(preset) : rules_text(preset);
}

}  // namespace

void add_presets_command(CLI::App& app, Invocation& invocation) {
  CLI::App* command = app.add_subcommand("presets", "Named configurations and skip lists");
  command->require_subcommand(1);
  CLI::App* list = command->add_subcommand("list", "All of them");
  list->callback([&invocation] {
    invocation.action = [&invocation] {
      print(invocation.json ? all_as_json().text() : list_text());
      return kExitOk;
    };
  });
  CLI::App* one = command->add_subcommand("show", "The rules of one");
  auto name = std::make_shared<std::string>();
  one->add_option("name", *name, "Preset or skip list")->required();
  one->callback([name, &invocation] {
    invocation.action = [name, &invocation] {
      print(show(*name, invocation.json));
      return kExitOk;
    };
  });
  command->footer(
      "Examples:\n"
      "  qsweep presets list\n"
      "  qsweep presets show INT8_DEFAULT_CFG --json > mine.json    a start for --rules mine.json\n"
      "  qsweep presets show vit-skip");
}

}  // namespace qsweep
