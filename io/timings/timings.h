#pragma once

#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace qsweep {

/// Milliseconds of one call: the median of many, or the only figure that a file gives. What a file
/// does not state is NaN.
struct MeasuredTime {
  double ms = std::numeric_limits<double>::quiet_NaN();
  double mean_ms = std::numeric_limits<double>::quiet_NaN();
  double p95_ms = std::numeric_limits<double>::quiet_NaN();
  double p99_ms = std::numeric_limits<double>::quiet_NaN();
};

/// A kernel of a profile. Runtimes name kernels after nodes and tensors of the ONNX file that they
/// were made from, fused ones after several.
struct KernelTime {
  std::string name;                    ///< as the runtime writes it
  std::vector<std::string> made_from;  ///< names of nodes or tensors, most telling first
  std::string op;                      ///< operator; empty: not stated
  double ms = std::numeric_limits<double>::quiet_NaN();  ///< per call
  std::string ran_at{};  ///< precision that it ran at, as the runtime calls it; empty: not stated
};

/// Whether a device's answers are those that qsweep predicted.
struct AnswerCheck {
  std::int64_t images = 0;
  double agreement = 1.0;           ///< share of images with the same answer
  double largest_difference = 0.0;  ///< of an output's element
};

/// What a file says of one model file.
struct TimedModel {
  std::string model;  ///< as the file names it: a scheme by id, name or text, a precision
  std::optional<MeasuredTime> whole{};
  std::vector<KernelTime> kernels{};
  std::optional<AnswerCheck> check{};
  std::string remark{};  ///< end-to-end time beside that of the GPU, a model that did not run
};

/// A layer's time at a precision, where a table states it.
struct TimedLayer {
  std::string layer, precision;
  MeasuredTime time;
};

/// What one file of times says, before it is matched with a run.
struct Timings {
  std::string source;      ///< `ONNX Runtime 1.32.0`, `TensorRT 10.3`; empty: the file does not say
  std::string conditions;  ///< `AMD EPYC 7B13, 1 thread`; empty likewise
  std::int64_t batch = 0;  ///< images per call; 0: not said
  int threads = 0;         ///< 0: not said
  std::vector<TimedModel> models{};
  std::vector<TimedLayer> layers{};
  std::optional<double> other_ms{};  ///< outside layers, where a table states it
};

/// Reads a file of times, whichever of these it is:
/// - the JSON of a kit (measure.py)
/// - CSV with a header: `layer,format,ms` (or `precision`), or `scheme,ms` (or `model`, `mode`,
///   `config`; `latency_ms`, `median_ms`), with or without mean_ms, p95_ms, p99_ms, batch, threads,
///   device, in any order. latency.csv of a run is one.
/// - what trtexec prints: GPU compute time, with the end-to-end latency as a remark (R195)
/// - trtexec --exportProfile and --exportLayerInfo
/// - ONNX Runtime's profile: a kernel's time is its median over the runs
/// @param model what the file is about, where it does not say so itself
/// @param where the file, for errors
/// @throws Error(corrupt_input) with `where` (and the line, of CSV): no such file, a time that is
///         not a finite number from 0 on, nothing in it
[[nodiscard]] Timings read_timings(std::string_view text,
                                   const std::string& model,
                                   const std::string& where);

/// The names that a kernel's name is made of: `conv1 + relu1` -> conv1, relu1; `PWN(PWN(a), b)` ->
/// a, b; `conv1_quant_nchwc` keeps its whole name first, then without the suffixes that ONNX
/// Runtime adds. A copy between formats (`Reformatting CopyNode for …`) is made of none.
[[nodiscard]] std::vector<std::string> split_kernel_name(std::string_view name);

}  // namespace qsweep
