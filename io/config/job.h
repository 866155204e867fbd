#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "src/quant/rules.h"

#include "src/metrics/heads/head.h"

#include "io/data/dataset.h"

namespace qsweep {

/// The job file as values, defaults filled in. Paths are absolute after loading.
struct JobConfig {
  std::filesystem::path model;
  std::string target = "generic";  ///< the runtime that the files are for (src/target)
  std::string task = "classification";
  std::int64_t classes = 0;  ///< 0: taken from the data set
  HeadSpec head;             ///< task detection: what the outputs mean

  /// Model input; from the job's `input:` block or the YAML beside the model. Never guessed.
  InputSpec input;
  bool has_input = false;  ///< some `input:` was given; see require_input()
  std::map<std::string, std::vector<std::int64_t>> shapes;  ///< `--shape input:1x3x32x32`

  struct Data {
    std::string format{};                        ///< empty: not given
    std::vector<std::filesystem::path> paths{};  ///< see data_spec()
    std::int64_t images = 0;  ///< 0: by default; see evaluation_images(), calibration_images()
    std::string sampling = "first";
    std::int64_t shard = 250;       ///< evaluation: images per shard
    std::filesystem::path cache{};  ///< calibration: statistics kept between runs; empty: none
    /// The paths for messages, joined by commas.
    [[nodiscard]] std::string path_text() const;
    friend bool operator==(const Data&, const Data&) = default;
  };
  Data calibration{.sampling = "stratified"};
  Data evaluation;

  struct Quantization {
    std::string calibrator = "minmax";
    double percentile = 99.999;
    std::int64_t bins = 128;              ///< calibrator entropy: bins of its histogram
    std::string weight_axis = "channel";  ///< channel or tensor
    bool weight_symmetric = true;
    bool weight_narrow_range = true;
    bool weight_reduce_range = false;
    std::string weight_type = "int8";  ///< int8 or uint8
    bool activation_symmetric = false;
    std::string activation_type = "uint8";  ///< uint8 or int8
    std::string algorithm = "rtn";
    double smoothquant_alpha = 0.5;
    bool smoothquant_alpha_auto = false;  ///< chosen by layer instead
    bool bias_correction = false;
    /// A named configuration, rules after it, and what stays in high precision after both; together
    /// they make one more scheme.
    std::string preset;
    std::vector<QuantRule> rules;
    std::vector<std::string> skip;           ///< patterns, or names of skip lists
    std::vector<std::string> exclude_nodes;  ///< exact names or regular expressions
    std::vector<std::string> exclude_types;  ///< operator types
    [[nodiscard]] bool has_rules() const {
      return !preset.empty() || !rules.empty() || !skip.empty() || !exclude_nodes.empty() ||
             !exclude_types.empty();
    }
    friend bool operator==(const Quantization&, const Quantization&) = default;
  } quantization;

  struct Sensitivity {
    std::vector<std::string> precisions = {"W8A8", "W4A16", "W4A8"};
    std::vector<std::string> modes = {"only"};  ///< only, all_but
    std::string base = "FP32";                  ///< of the layers not at the probed precision
    std::int64_t images = 0;                    ///< 0 = all evaluation images
    std::string score = "kl";                   ///< kl, mse, sqnr, drop
    friend bool operator==(const Sensitivity&, const Sensitivity&) = default;
  } sensitivity;

  struct Family {
    std::string rest;
    std::string keep;
    std::vector<std::int64_t> k;  ///< -1 stands for `all`
    bool every = false;           ///< k: every
    friend bool operator==(const Family&, const Family&) = default;
  };
  std::vector<Family> families;
  std::vector<std::string> schemes;  ///< explicit schemes in text form

  /// A space of schemes beyond families and lists.
  struct Search {
    std::string method;                         ///< exhaustive; empty: none
    std::vector<std::string> precisions{};      ///< each layer's choices
    std::vector<std::string> layers = {"all"};  ///< those that vary; selectors
    std::string rest = "FP32";                  ///< precision of the others
    std::int64_t schemes = 100'000;             ///< budget: more are refused
    friend bool operator==(const Search&, const Search&) = default;
  } search;
  double confidence = 0.95;
  /// Layers that meet in a sum or a concatenation: `auto` ranks and sweeps them as one.
  std::string tie = "none";
  std::vector<std::string> untie;  ///< selectors of layers that stay alone all the same

  struct Latency {
    std::string source = "measured";  ///< none, measured, roofline, table
    std::string device;               ///< roofline: its name
    std::filesystem::path table{};    ///< table: a latency.csv
    std::int64_t batch = 1;
    std::int64_t iterations = 50;
    double warmup_ms = 200.0;
    friend bool operator==(const Latency&, const Latency&) = default;
  } latency;

  struct Activations {
    std::int64_t images = 4;
    std::vector<std::string> layers = {"all"};
    friend bool operator==(const Activations&, const Activations&) = default;
  } activations;

  std::vector<std::string> objectives = {"latency", "accuracy"};
  std::int64_t batch = 0;  ///< images per forward pass, cut from the shard; 0 = natural_batch()
  std::int64_t memory_budget_mb = 1024;  ///< live tensors per rank
  std::uint64_t seed = 42;
  friend bool operator==(const JobConfig&, const JobConfig&) = default;
};

/// A value of one key, given on the command line.
struct Override {
  std::string key;    ///< dotted path; list items by index: `sweep.families.0.k`
  std::string value;  ///< YAML; see yaml_scalar()
  std::string flag;   ///< what messages call the value (`--scale`); empty: the key
  std::string typed;  ///< where messages say it stands: `--scale 0`
};

/// `a.b=c`, c being YAML, as `--set` takes it.
/// @throws Error(config) for another form
[[nodiscard]] Override parse_override(const std::string& text);

/// `text` as a YAML scalar that reads back to it. @throws Error(config) where it is not UTF-8
[[nodiscard]] std::string yaml_scalar(const std::string& text);

/// Loads a job file over the YAML beside its model (load_model_card), then applies `set`
/// (parse_override) and `flags`, each in order. Relative paths, those in overrides too, start from
/// the file's folder, or from the current one where the file is a pipe. `..` and links mean what
/// they mean to the kernel.
/// @throws Error(config) with file:line (or the override) for a wrong type or value, a missing key,
/// and an
///         unknown key with the nearest known ones; Error(unsupported) for keys and values of the
///         language that this version does not serve; Error(not_found) when there is no such file.
[[nodiscard]] JobConfig load_job(const std::filesystem::path& path,
                                 const std::vector<std::string>& set = {},
                                 const std::vector<Override>& flags = {});

/// As load_job() for text that came from `path`; only the YAML beside the model is read from disk.
[[nodiscard]] JobConfig parse_job(const std::string& text,
                                  const std::filesystem::path& path,
                                  const std::vector<std::string>& set = {},
                                  const std::vector<Override>& flags = {});

/// The job of a command without a job file: the YAML beside the model, and `flags` over it. Data
/// may be missing. Relative paths start from the current folder.
/// @throws as load_job()
[[nodiscard]] JobConfig compose_job(const std::filesystem::path& model,
                                    const std::vector<Override>& flags);

/// The composed configuration as YAML: loading it again gives an equal JobConfig.
[[nodiscard]] std::string to_yaml(const JobConfig& job);

/// What to_yaml() made of any job, also of one that evaluates nothing and names no images for it.
/// @param where for messages
[[nodiscard]] JobConfig parse_composed(const std::string& yaml, const std::string& where);

/// Reads `task`, `classes`, `input` and `head` of the YAML beside a model (same stem, `.yaml` or
/// `.yml`). load_job() and compose_job() have done so already.
/// @return false when there is no such file
/// @throws Error(config) as load_job(), and where there are two
bool load_model_card(const std::filesystem::path& model, JobConfig& job);

/// What load_model_card() reads, of this job: the text of a YAML for a model made from its model.
[[nodiscard]] std::string model_card(const JobConfig& job);

/// The YAML beside a model, whether there is one or not.
/// @throws Error(config) where there are two
[[nodiscard]] std::filesystem::path model_card_path(const std::filesystem::path& model);

/// @throws Error(config) unless the preprocessing of the model's input is known (has_input).
void require_input(const JobConfig& job);

/// What open_dataset() takes, of `data.calibration` or `data.evaluation`.
[[nodiscard]] DataSpec data_spec(const JobConfig::Data& data);

/// What the value of a key decides: the records that it is part of the identity of. A record is
/// valid while nothing that decides it has changed.
enum class Decides : std::uint8_t {
  nothing,     ///< where files lie, which schemes are tried, what is timed and reported how
  statistics,  ///< the calibration statistics; schemes and outcomes with them
  schemes,     ///< what a scheme computes for given images; outcomes with it
  outcomes,    ///< the evaluation records alone
  latency,     ///< the measured latency table alone
};

/// One key of the job and its value.
struct JobValue {
  std::string key;    ///< dotted path; list items by index: `sweep.families.0.rest`
  std::string value;  ///< YAML on one line; `~` where the job gives none
  Decides decides = Decides::nothing;
  friend bool operator==(const JobValue&, const JobValue&) = default;
};

/// Every key of the job with its value, defaults included, in the order of the reference. Files
/// decide nothing: the digests of their contents stand for them.
[[nodiscard]] std::vector<JobValue> job_values(const JobConfig& job);

/// How many of the `available` images are calibrated on, or evaluated.
/// @throws Error(config) naming the key when the job asks for more than there are
[[nodiscard]] std::int64_t calibration_images(const JobConfig& job, std::int64_t available);
[[nodiscard]] std::int64_t evaluation_images(const JobConfig& job, std::int64_t available);

/// One key of the reference.
struct JobKey {
  std::string path;      ///< `sweep.families[].rest` for the items of a list
  std::string type;      ///< kind and range of its values
  std::string fallback;  ///< YAML of the default; `(required)`; empty: none
  std::string meaning;
};

/// The keys of the job file, in the order of the reference.
[[nodiscard]] std::vector<JobKey> job_reference();

/// Every key of the job file with type, default and meaning; the text of `qsweep run --help-job`.
[[nodiscard]] std::string describe_job_keys();

}  // namespace qsweep
