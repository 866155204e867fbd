#pragma once

#include <cstdint>
#include <limits>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "src/quant/range_report.h"

#include "src/metrics/detection.h"

namespace qsweep {

/// Everything a run found, as plain data in a fixed order: what the report renderers and the HDF5
/// store write. Filled by sweep/run from the journal; holds no times, hosts or dates except in
/// `ledger`.
struct RunResults {
  /// How far a stage is that the run was asked for: evaluations, or pieces of work.
  struct StageProgress {
    std::string name;
    std::int64_t planned = 0;
    std::int64_t done = 0;  ///< of them, failed ones included
  };
  /// In order, up to the first that is not finished; with one such the run is not complete.
  std::vector<StageProgress> stages;

  /// Something that makes the figures doubtful: the first that people read.
  struct Alarm {
    /// With an alarm about the float model nothing is accepted.
    enum class About { float_model, data };
    About about = About::float_model;
    std::string text;  ///< one or two sentences: what is wrong, what to check
  };
  std::vector<Alarm> alarms;  ///< find_alarms() of sweep/plan, in order of importance

  struct Model {
    std::string path, sha256, name;
    int opset = 0;
    int batch_norms_folded = 0;
    std::int64_t parameters = 0, macs = 0, float_bytes = 0;
    std::string input_shape;
    std::int64_t classes = 0;  ///< scores that a classifier gives an image; 0: not a classifier
  } model;

  struct Dataset {
    std::string spec, digest;
    std::int64_t images = 0;
    std::string sampling;
    std::vector<std::int64_t> sample_ids;
    std::vector<std::string> remarks{};  ///< sentences: pictures left out and their like
  };
  Dataset calibration, evaluation;

  std::string task = "classification";
  std::string metric = "top1";                        ///< column name of the task metric
  std::vector<std::string> other_metrics = {"top5"};  ///< of the figures beside it
  std::vector<std::string> class_names;
  /// What the front is about, in order: `accuracy` and, to minimise, `latency` and `size`. The
  /// first to minimise that the run knows is the front's cost axis.
  std::vector<std::string> objectives = {"latency", "accuracy"};
  double confidence = 0.95;
  std::string calibrator, score;
  std::string preset, algorithm;        ///< preset: empty when none was named
  std::vector<std::string> rules;       ///< the preset's and the job's, in order, as JSON members
  std::vector<std::string> precisions;  ///< canonical names, index 0 = FP32

  struct Layer {
    std::string name, op, group, weight_shape, output_shape;
    std::int64_t macs = 0, parameters = 0;
    bool depthwise = false;
    std::string
        tied_to{};        ///< layer whose precision it shares and whose runs stand for it, or none
    std::string input{};  ///< tensor that it reads; see Calibration::tensor
    /// See WeightRisk; 1 where nothing stands out.
    double weight_outlier_ratio = 1.0, weight_channel_ratio = 1.0;
  };
  std::vector<Layer> layers;

  struct Calibration {
    std::string tensor, layer;
    float min = 0, max = 0;
    std::vector<std::uint64_t> histogram;
    std::int64_t images = 0;
    RangeReport ranges{};  ///< of 8-bit activations; without choices where nothing was counted
  };
  std::vector<Calibration> calibration_stats;
  std::vector<std::string> calibration_warnings;  ///< about its images and ranges

  struct Sensitivity {
    std::string layer, precision, mode;
    double kl = 0, sqnr_db = 0, mse = 0, cosine = 0, qdq_error = 0, output_mse = 0;
    double metric = 0, metric_drop = 0, ci_low = 0, ci_high = 0;
    std::int64_t size_cost = 0;  ///< weight bytes at this precision
    std::string sensitivity_class;
    int rank = 0;  ///< 1 = most sensitive, within precision and mode
    bool nonfinite = false;
  };
  std::vector<Sensitivity> sensitivity;

  struct Group {  ///< R139
    std::string name, sensitivity_class, recommendation;
    double drop = 0, kl = 0, work_share = 0;
    int layers = 0;
  };
  std::vector<Group> groups;

  /// One evaluated assignment: a sensitivity probe or a scheme of the sweep.
  struct Evaluation {
    std::string kind;  ///< sensitivity | scheme
    std::string id, name, text;
    std::vector<std::uint8_t> precision;  ///< by layer
    std::string status = "ok";            ///< ok | failed | skipped
    std::string reason;
    bool nonfinite = false;  ///< NaN or infinity in the outputs for some images
    std::int64_t images = 0;
    double metric = 0, ci_low = 0, ci_high = 0;  ///< task metric with its interval
    std::vector<double> others;                  ///< by RunResults::other_metrics, when ok
    double drop = 0, drop_low = 0, drop_high = 0, drop_se = 0,
           p_value = 1;  ///< against float, paired
    double kl = 0, agreement = 0;
    std::int64_t size_bytes = 0;
    double effective_bits = 0, bops = 0;
    double latency_ms = 0;  ///< of one call on RunResults::latency_batch images
    /// Whose times it is the sum of, or `whole file`; empty: no latency.
    std::string latency_source;
    bool on_front = false;
    bool inseparable = false;  ///< from the next point of the front, by two paired standard errors
    std::vector<std::int32_t> predictions;  ///< top-1 by image; schemes only
    std::vector<Detection> detections;      ///< by sample, then falling score; schemes only
    std::vector<double> class_metric;       ///< by class
    std::vector<std::int64_t> confusion;    ///< classes x classes
    double elapsed_s = 0;  ///< compute time; goes to sweep_index.csv and the ledger only
  };
  Evaluation baseline;
  /// All layers at the precision of those that a sensitivity row does not try: what its metric_drop
  /// is against. Absent: the float model. KL and errors are against the float model always.
  std::optional<Evaluation> sensitivity_base{};
  std::vector<Evaluation> evaluations;  ///< sensitivity first, then schemes in enumeration order

  struct Latency {
    std::string layer, precision, source, kernel;
    double ms = 0;  ///< one call; measured: the median
    double mean_ms = std::numeric_limits<double>::quiet_NaN();
    double p95_ms = std::numeric_limits<double>::quiet_NaN();
    double p99_ms = std::numeric_limits<double>::quiet_NaN();
  };
  std::string latency_device;
  std::string latency_source;      ///< measured (qsweep's kernels), roofline, table, imported
  std::int64_t latency_batch = 1;  ///< images per call
  int latency_threads = 0;         ///< 0: not known
  double latency_other_ms = 0, latency_boundary_ms = 0;
  std::vector<Latency> latency;
  std::vector<Latency> latency_schemes;  ///< whole files: layer `*`, precision the text form

  struct TaskTime {
    std::string stage, key;
    int rank = 0;
    double start_s = 0, seconds = 0;
    std::int64_t bytes = 0;
    /// Evaluations: MACs and moved elements computed, and what each scheme from the input on would
    /// have taken.
    double work = 0, work_without_reuse = 0;
    int session = 0;  ///< how often the run had been started before
  };
  struct Ledger {
    std::vector<TaskTime> tasks;
    std::vector<std::pair<std::string, double>> stage_seconds;
    int ranks = 1;
    double work_done = 0, work_without_reuse = 0;
    std::uint64_t peak_bytes = 0;
  } ledger;

  /// name -> value, for manifest and /meta: versions, digests, environment.
  std::vector<std::pair<std::string, std::string>> provenance;
  /// Findings for people, in order of importance: collapse explained, ranges suspicious, noise
  /// called noise.
  std::vector<std::string> remarks;
};

}  // namespace qsweep
