#include "io/config/job.h"

#include <algorithm>
#include <charconv>
#include <fstream>
#include <iterator>
#include <span>

#include <fmt/format.h>
#include <yaml-cpp/yaml.h>

#include "src/base/text.h"

#include "src/quant/format.h"
#include "src/quant/observer.h"
#include "src/quant/presets.h"

#include "io/config/detail/job_keys.h"
#include "io/config/detail/rule_keys.h"

namespace qsweep {

namespace {

using config::Document;
using config::Place;

constexpr std::uintmax_t kMaxFileBytes = 1 << 20;

std::string read_text(const std::filesystem::path& path) {
  std::error_code code;
  const std::uintmax_t bytes = std::filesystem::file_size(path, code);
  if (code) {
    throw Error(ErrorCode::not_found, "cannot read the file: " + code.message(), path.string());
  }
  if (bytes > kMaxFileBytes) {
    throw Error(ErrorCode::config, "the file is over 1 MiB, which no configuration is",
                path.string());
  }
  std::ifstream file(path, std::ios::binary);
  std::string text(std::istreambuf_iterator<char>(file), {});
  if (!file.is_open() || file.bad()) {
    throw Error(ErrorCode::io, "cannot read the file", path.string());
  }
  return text;
}

/// Parses YAML; `where` gets `:LINE` appended for a file.
YAML::Node parse_yaml(const std::string& text, const std::string& where, bool is_file) {
  try {
    return YAML::Load(text);
  } catch (const YAML::Exception& error) {
    throw Error(ErrorCode::config, "not valid YAML: " + error.msg,
                is_file ? fmt::format("{}:{}", where, error.mark.line + 1) : where);
  }
}

/// Puts `value` at the path `keys` below `node`, making mappings on the way.
void assign(YAML::Node node,
            std::span<const std::string> keys,
            const YAML::Node& value,
            const Place& place) {
  if (keys.empty()) {
    node = value;
    return;
  }
  const Place child = place.child(keys.front());
  if (node.IsSequence()) {
    std::size_t index = 0;
    const std::string& text = keys.front();
    const auto [stop, error] = std::from_chars(text.data(), text.data() + text.size(), index);
    if (error != std::errc() || stop != text.data() + text.size() || index >= node.size()) {
      child.fail(node, fmt::format("names no item of a list of {}", node.size()));
    }
    assign(node[index], keys.subspan(1), value, child);
  } else if (node.IsScalar()) {
    child.fail(node, fmt::format("lies below '{}', which is a single value", place.path()));
  } else {
    assign(node[keys.front()], keys.subspan(1), value, child);
  }
}

void apply_override(const YAML::Node& root, const std::string& text, Document& document) {
  const std::size_t equals = text.find('=');
  const std::string key = text.substr(0, equals);
  const std::vector<std::string> keys = split(key, '.');
  if (equals == std::string::npos || std::ranges::any_of(keys, &std::string::empty)) {
    throw Error(ErrorCode::config, "an override is not of the form KEY.KEY=VALUE", "--set " + text);
  }
  document.overrides.emplace_back(key, text);
  assign(root, keys, parse_yaml(text.substr(equals + 1), "--set " + text, false), Place(document));
}

/// A conversion from YAML can only fail in ways that Place reports; anything else from the library
/// is about the document too.
template <class Read>
void guarded(const Document& document, Read read) {
  try {
    read();
  } catch (const YAML::Exception& error) {
    throw Error(ErrorCode::config, "not valid YAML: " + error.msg,
                fmt::format("{}:{}", document.file.string(), error.mark.line + 1));
  }
}

std::filesystem::path card_path(std::filesystem::path model) {
  return model.replace_extension(".yaml");
}

/// What the job names that needs activation ranges, or empty.
std::string needs_calibration(const JobConfig& job) {
  std::vector<std::string> used = job.sensitivity.precisions;
  if (!used.empty()) used.push_back(job.sensitivity.base);
  for (const JobConfig::Family& family : job.families) {
    used.insert(used.end(), {family.rest, family.keep});
  }
  for (const std::string& name : used) {
    if (needs_range(parse_precision(name).activation)) return name;
  }
  const auto needy = [](const QuantRule& rule) {
    return !rule.selector.ends_with("weight_quantizer") && needs_range(rule.format);
  };
  const auto& q = job.quantization;
  if (!q.preset.empty() && std::ranges::any_of(find_preset(q.preset).rules, needy)) return q.preset;
  const auto rule = std::ranges::find_if(q.rules, needy);
  return rule == q.rules.end() ? std::string() : "rule '" + rule->selector + "'";
}

/// What no single key can tell.
void check_together(const JobConfig& job, const std::string& where) {
  if (job.input.resize && job.input.resize->size.size() != 2) {
    throw Error(ErrorCode::config, "'input.resize.size' must be [height, width]", where);
  }
  if (job.latency.source == "roofline" && job.latency.device.empty()) {
    throw Error(ErrorCode::config, "'latency.device' is missing", where,
                "Name the device that 'source: roofline' models");
  }
  if (job.latency.source == "table" && job.latency.table.empty()) {
    throw Error(ErrorCode::config, "'latency.table' is missing", where,
                "Name the file that 'source: table' reads");
  }
  if (!is_bin_count(job.quantization.bins)) {
    throw Error(ErrorCode::config, "'quantization.bins' must be a power of two from 128 to 4096",
                where);
  }
  if (job.objectives.empty()) {
    throw Error(ErrorCode::config, "'objectives' is empty", where);
  }
  if (!job.calibration.format.empty()) {
    return;
  }
  if (const std::string needy = needs_calibration(job); !needy.empty()) {
    throw Error(ErrorCode::config,
                fmt::format("'data.calibration' is missing, and {} needs activation ranges", needy),
                where, "Give images that are not evaluated");
  }
}

JobConfig read_job(const std::string& text,
                   const std::filesystem::path& path,
                   const std::vector<std::string>& overrides,
                   config::Completeness completeness) {
  Document document{path, {}};
  const YAML::Node root = parse_yaml(text, path.string(), true);
  JobConfig job;
  guarded(document, [&] {
    for (const std::string& override_text : overrides) {
      apply_override(root, override_text, document);
    }
    const Place place(document);
    if (root.IsMap() && root["model"]) {
      const auto model = config::file_path().parse(root["model"], place.child("model"));
      // A job may lie beside its model under the model's own name: it is no card then.
      if (card_path(model) != std::filesystem::absolute(path).lexically_normal()) {
        load_model_card(model, job);
      }
    }
    config::read_keys(root, place, config::job_keys(completeness), job);
  });
  check_together(job, path.string());
  return job;
}

}  // namespace

JobConfig load_job(const std::filesystem::path& path, const std::vector<std::string>& overrides) {
  return parse_job(read_text(path), path, overrides);
}

JobConfig parse_job(const std::string& text,
                    const std::filesystem::path& path,
                    const std::vector<std::string>& overrides) {
  return read_job(text, path, overrides, config::Completeness::whole);
}

JobConfig parse_composed(const std::string& yaml, const std::string& where) {
  return read_job(yaml, where, {}, config::Completeness::partial);
}

QuantConfig load_rules(const std::filesystem::path& path) {
  const Document document{path, {}};
  const YAML::Node root = parse_yaml(config::from_python(read_text(path)), path.string(), true);
  QuantConfig rules;
  guarded(document, [&] { rules = config::parse_rules(root, Place(document)); });
  return rules;
}

std::string to_yaml(const JobConfig& job) {
  return YAML::Dump(config::write_keys(config::job_keys(), job)) + "\n";
}

bool load_model_card(const std::filesystem::path& model, JobConfig& job) {
  const Document document{card_path(model), {}};
  if (!std::filesystem::exists(document.file)) {
    return false;
  }
  const YAML::Node root = parse_yaml(read_text(document.file), document.file.string(), true);
  guarded(document, [&] { config::read_keys(root, Place(document), config::card_keys(), job); });
  return true;
}

void require_input(const JobConfig& job) {
  if (!job.has_input) {
    throw Error(ErrorCode::config,
                fmt::format("preprocessing of '{}' is unknown", job.model.filename().string()),
                "input",
                fmt::format("Give an 'input:' block in the job, --scale, --mean and --std, or '{}' "
                            "beside the model",
                            card_path(job.model).filename().string()));
  }
}

DataSpec data_spec(const JobConfig::Data& data) {
  return parse_data_spec(data.format + ":" + data.path.string());
}

std::vector<JobValue> job_values(const JobConfig& job) {
  std::vector<JobValue> values;
  config::list_values(config::job_keys(), "", job, values);
  return values;
}

std::string describe_job_keys() {
  std::vector<config::KeyText> keys;
  config::describe_keys(config::job_keys(), "", JobConfig{}, keys);
  std::string text;
  for (const config::KeyText& key : keys) {
    text += fmt::format("{}:{}{}\n    {} ({})\n", key.path, key.fallback.empty() ? "" : " ",
                        key.fallback, key.meaning, key.type);
  }
  return text;
}

}  // namespace qsweep
