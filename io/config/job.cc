#include "io/config/job.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>

#include <fmt/format.h>
#include <yaml-cpp/yaml.h>

#include "src/quant/format.h"
#include "src/quant/presets.h"

#include "io/config/detail/job_keys.h"
#include "io/config/detail/rule_keys.h"
#include "io/config/detail/yaml.h"

namespace qsweep {

namespace {

using config::Document;
using config::Place;

constexpr std::uintmax_t kMaxFileBytes = 1 << 20;

std::string read_text(const std::filesystem::path& path) {
  std::error_code code;
  const std::filesystem::file_status status = std::filesystem::status(path, code);
  if (code) {
    throw Error(ErrorCode::not_found, "cannot read the file: " + code.message(), path.string());
  }
  if (std::filesystem::is_directory(status)) {
    throw Error(ErrorCode::not_found, "this is a folder, not a YAML file", path.string());
  }
  errno = 0;
  std::ifstream file(path, std::ios::binary);
  // A pipe has no size: reading stops at the first byte too many.
  std::string text(kMaxFileBytes + 1, '\0');
  file.read(text.data(), static_cast<std::streamsize>(text.size()));
  if (!file.is_open() || file.bad()) {
    throw Error(ErrorCode::io, fmt::format("cannot read the file: {}", std::strerror(errno)),
                path.string());
  }
  text.resize(static_cast<std::size_t>(file.gcount()));
  if (text.size() > kMaxFileBytes) {
    throw Error(ErrorCode::config, "the file is over 1 MiB, which no configuration is",
                path.string());
  }
  return text;
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
void check_together(const JobConfig& job, const Place& place) {
  const auto fail = [&](std::string_view key, const std::string& complaint, std::string hint = {}) {
    place.child(key).fail(YAML::Node(), complaint, std::move(hint));
  };
  const std::size_t means = job.input.mean.size(), stds = job.input.std.size();
  if (means == 0) fail("input.mean", "is empty");
  if (stds == 0) fail("input.std", "is empty");
  if (means != stds && means != 1 && stds != 1) {
    fail("input.mean", fmt::format("has {} values and 'input.std' {}", means, stds),
         "Give one of each per channel");
  }
  if (job.latency.source == "roofline" && job.latency.device.empty()) {
    fail("latency.device", "is missing", "Name the device that 'source: roofline' models");
  }
  if (job.latency.source == "table" && job.latency.table.empty()) {
    fail("latency.table", "is missing", "Name the file that 'source: table' reads");
  }
  if (job.objectives.empty()) fail("objectives", "is empty");
}

/// @throws Error(config) naming the key when more images are wanted than there are
void check_count(std::int64_t wanted, std::int64_t available, const char* key) {
  if (wanted <= available) return;
  throw Error(ErrorCode::config,
              fmt::format("{} images requested, but the data set has only {}", wanted, available),
              key, "Ask for fewer");
}

void check_calibration(const JobConfig& job, const std::string& where) {
  if (!job.calibration.format.empty()) return;
  if (const std::string needy = needs_calibration(job); !needy.empty()) {
    throw Error(ErrorCode::config,
                fmt::format("'data.calibration' is missing, and {} needs activation ranges", needy),
                where, "Give images that are not evaluated");
  }
}

/// @param document gets the overrides, for messages about them
JobConfig read_job(YAML::Node root,
                   Document& document,
                   const std::vector<Override>& overrides,
                   config::Completeness completeness) {
  JobConfig job;
  guarded(document, [&] {
    for (const Override& over : overrides) {
      config::apply_override(root, over, document);
    }
    const Place place(document);
    if (root.IsMap() && root["model"]) {
      const auto model = config::file_path().parse(root["model"], place.child("model"));
      // A job may lie beside its model under the model's own name: it is no card then.
      std::error_code code;
      if (!std::filesystem::equivalent(model_card_path(model), document.file, code)) {
        load_model_card(model, job);
      }
    }
    config::read_keys(root, place, config::job_keys(completeness), job);
    check_together(job, place);
  });
  if (completeness == config::Completeness::whole) {
    check_calibration(job, document.file.string());
  }
  return job;
}

YAML::Node parse_document(const std::string& text, const Document& document) {
  return config::parse_yaml(text, document.file.string(), true);
}

}  // namespace

std::string JobConfig::Data::path_text() const {
  std::string text;
  for (const std::filesystem::path& path : paths) {
    text += (text.empty() ? "" : ",") + path.string();
  }
  return text;
}

Override parse_override(const std::string& text) {
  const std::size_t equals = text.find('=');
  const std::string typed = "--set " + text;
  if (equals == std::string::npos) {
    throw Error(ErrorCode::config, "an override is not of the form KEY.KEY=VALUE", typed);
  }
  return {text.substr(0, equals), text.substr(equals + 1), {}, typed};
}

std::string yaml_scalar(const std::string& text) {
  if (!config::is_utf8(text)) {
    throw Error(ErrorCode::config, "not UTF-8 text, which a job cannot hold", text,
                "Rename the file");
  }
  YAML::Emitter emitter;
  emitter << YAML::DoubleQuoted << text;
  return emitter.c_str();
}

JobConfig load_job(const std::filesystem::path& path,
                   const std::vector<std::string>& set,
                   const std::vector<Override>& flags) {
  return parse_job(read_text(path), path, set, flags);
}

JobConfig parse_job(const std::string& text,
                    const std::filesystem::path& path,
                    const std::vector<std::string>& set,
                    const std::vector<Override>& flags) {
  std::vector<Override> overrides;
  for (const std::string& one : set) overrides.push_back(parse_override(one));
  overrides.insert(overrides.end(), flags.begin(), flags.end());
  Document document = config::document_of(path);
  const YAML::Node root = parse_document(text, document);
  if (root.IsNull() && overrides.empty()) {
    throw Error(ErrorCode::config, "the job file is empty", path.string(),
                "See `qsweep run --help-job` for its keys");
  }
  return read_job(root, document, overrides, config::Completeness::whole);
}

JobConfig parse_composed(const std::string& yaml, const std::string& where) {
  Document document{where, std::filesystem::current_path()};
  return read_job(parse_document(yaml, document), document, {}, config::Completeness::partial);
}

JobConfig compose_job(const std::filesystem::path& model, const std::vector<Override>& flags) {
  Document document{model, std::filesystem::current_path()};
  YAML::Node root(YAML::NodeType::Map);
  root["model"] = model.string();
  return read_job(root, document, flags, config::Completeness::partial);
}

QuantConfig load_rules(const std::filesystem::path& path) {
  const Document document = config::document_of(path);
  const YAML::Node root = parse_document(config::from_python(read_text(path)), document);
  QuantConfig rules;
  guarded(document, [&] { rules = config::parse_rules(root, Place(document)); });
  return rules;
}

std::string to_yaml(const JobConfig& job) {
  const YAML::Node node = config::write_keys(config::job_keys(), job);
  std::string text = YAML::Dump(node);
  // Plain text cannot hold every character of a path.
  if (std::ranges::any_of(text, [](char c) { return c >= 0 && c < ' ' && c != '\n'; })) {
    YAML::Emitter emitter;
    emitter.SetStringFormat(YAML::DoubleQuoted);
    emitter << node;
    text = emitter.c_str();
  }
  return text + "\n";
}

std::filesystem::path model_card_path(const std::filesystem::path& model) {
  std::filesystem::path card = model, other = model;
  card.replace_extension(".yaml");
  other.replace_extension(".yml");
  std::error_code code;
  if (!std::filesystem::exists(other, code)) return card;
  if (!std::filesystem::exists(card, code)) return other;
  throw Error(ErrorCode::config, "two YAML files lie beside the model", other.string(),
              fmt::format("Keep one of '{}' and '{}'", card.filename().string(),
                          other.filename().string()));
}

std::string model_card(const JobConfig& job) {
  return YAML::Dump(config::write_keys(config::card_keys(), job)) + "\n";
}

bool load_model_card(const std::filesystem::path& model, JobConfig& job) {
  const std::filesystem::path card = model_card_path(model);
  std::error_code failure;
  const std::filesystem::file_type type = std::filesystem::status(card, failure).type();
  // A name that cannot be looked up is the model's own trouble if its model cannot be either.
  if (type == std::filesystem::file_type::not_found ||
      (type == std::filesystem::file_type::none && !std::filesystem::exists(model, failure))) {
    return false;
  }
  const Document document = config::document_of(card);
  const YAML::Node root = parse_document(read_text(card), document);
  guarded(document, [&] { config::read_keys(root, Place(document), config::card_keys(), job); });
  return true;
}

void require_input(const JobConfig& job) {
  if (!job.has_input) {
    throw Error(ErrorCode::config,
                fmt::format("preprocessing of '{}' is unknown", job.model.filename().string()),
                "input",
                fmt::format("Give input.scale, input.mean and input.std, or '{}' beside the model",
                            model_card_path(job.model).filename().string()));
  }
}

DataSpec data_spec(const JobConfig::Data& data) {
  return {data.format, data.paths};
}

std::int64_t calibration_images(const JobConfig& job, std::int64_t available) {
  constexpr std::int64_t kDefault = 256;
  if (job.calibration.images == 0) return std::min(kDefault, available);
  check_count(job.calibration.images, available, "data.calibration.images");
  return job.calibration.images;
}

std::int64_t evaluation_images(const JobConfig& job, std::int64_t available) {
  if (job.evaluation.images == 0) return available;
  check_count(job.evaluation.images, available, "data.evaluation.images");
  return job.evaluation.images;
}

std::vector<JobValue> job_values(const JobConfig& job) {
  std::vector<JobValue> values;
  config::list_values(config::job_keys(), "", job, values);
  return values;
}

std::vector<JobKey> job_reference() {
  std::vector<JobKey> keys;
  config::describe_keys(config::job_keys(), "", JobConfig{}, keys);
  return keys;
}

std::string describe_job_keys() {
  std::string text;
  for (const JobKey& key : job_reference()) {
    text += fmt::format("{}:{}{}\n    {} ({})\n", key.path, key.fallback.empty() ? "" : " ",
                        key.fallback, key.meaning, key.type);
  }
  return text;
}

}  // namespace qsweep
