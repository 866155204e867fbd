#include <algorithm>
#include <limits>
#include <memory>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "src/base/error.h"

#include "src/quant/float_codes.h"

#include "src/cli/command.h"
#include "src/cli/crew_launch.h"
#include "src/cli/outputs.h"
#include "src/cli/progress_line.h"
#include "src/cli/scheme_source.h"
#include "src/cli/table.h"

#include "io/json/json.h"

namespace qsweep {
namespace {

/// The least and the largest value that the codes of a slice stand for.
struct Reach {
  float low = 0.0f, high = 0.0f;
};

Reach reach(const QuantParams& q, std::size_t slice) {
  const float scale = q.scale[slice];
  if (!is_integer(q.format.dtype)) {
    // Encoding saturates: the code of the largest float is the format's largest.
    const std::uint8_t code = encode_small_float(std::numeric_limits<float>::max(), q.format.dtype);
    const float largest = scale * decode_small_float(code, q.format.dtype);
    return {-largest, largest};
  }
  const CodeRange codes = code_range(q.format);
  const std::int32_t zero = q.zero_point.empty() ? 0 : q.zero_point[slice];
  return {scale * static_cast<float>(codes.lowest - zero),
          scale * static_cast<float>(codes.highest - zero)};
}

/// One line of the table: a quantizer as configurations of other tools describe it.
struct Row {
  std::string name, bits = "-", axis = "-", range = "-", calibrator = "-";
  std::size_t scales = 0;
  bool enabled = false;
};

std::string bits_of(DType dtype) {
  switch (dtype) {
    case DType::f8e4m3fn:
      return "(4, 3)";
    case DType::f8e5m2:
      return "(5, 2)";
    case DType::f4e2m1:
      return "(2, 1)";
    default:
      return fmt::format("{}{}", stored_bits(dtype), is_integer(dtype) ? "" : " (float)");
  }
}

Row row_of(const std::string& name, const QuantParams& q, const std::string& calibrator) {
  Row row{.name = name};
  const Format& f = q.format;
  if (!f.is_quantized()) return row;
  row.enabled = true;
  row.bits = bits_of(f.dtype);
  if (is_integer(f.dtype) && !f.symmetric) row.bits += " asymmetric";
  if (f.granularity == Granularity::per_tensor) row.axis = "None";
  if (f.granularity == Granularity::per_channel) row.axis = std::to_string(q.axis);
  if (f.granularity == Granularity::per_block)
    row.axis = fmt::format("{} in blocks of {}", q.axis, f.block_size);
  row.scales = q.scale.size();
  if (q.scale.empty()) return row;
  row.calibrator = calibrator;
  if (q.scale.size() == 1) {
    const Reach r = reach(q, 0);
    row.range = fmt::format("{:.4g} .. {:.4g}", r.low, r.high);
    return row;
  }
  float least = reach(q, 0).high, most = least;
  for (std::size_t i = 1; i < q.scale.size(); ++i) {
    least = std::min(least, reach(q, i).high);
    most = std::max(most, reach(q, i).high);
  }
  row.range = fmt::format("amax {:.4g} .. {:.4g}", least, most);
  return row;
}

std::vector<Row> rows_of(const SchemeFile& file) {
  std::vector<Row> rows;
  for (const LayerQuantizers& q : file.quantizers) {
    rows.push_back(row_of(q.layer + ".input_quantizer", q.input, file.calibrator));
    rows.push_back(row_of(q.layer + ".weight_quantizer", q.weight, file.weight_algorithm));
  }
  return rows;
}

std::string to_json(const SchemeFile& file) {
  Json quantizers = Json::array();
  for (const Row& r : rows_of(file)) {
    quantizers.push_back({{"name", r.name},
                          {"enabled", r.enabled},
                          {"num_bits", r.bits},
                          {"axis", r.axis},
                          {"range", r.range},
                          {"scales", r.scales},
                          {"calibrator", r.calibrator}});
  }
  return Json{
      {"scheme", file.scheme_text}, {"scheme_id", file.scheme_id}, {"quantizers", quantizers}}
      .text();
}

std::string to_text(const SchemeFile& file) {
  std::vector<std::vector<std::string>> table = {
      {"quantizer", "bits", "axis", "range", "scales", "from"}};
  std::size_t enabled = 0;
  const std::vector<Row> rows = rows_of(file);
  for (const Row& r : rows) {
    enabled += r.enabled ? 1 : 0;
    table.push_back({r.name, r.enabled ? r.bits : "disabled", r.axis, r.range,
                     r.scales ? std::to_string(r.scales) : "-", r.calibrator});
  }
  return fmt::format("{}\n\n{}{} quantizers, {} enabled\n", file.scheme_text, render_table(table),
                     rows.size(), enabled);
}

}  // namespace

void add_summary_command(CLI::App& app, Invocation& invocation) {
  auto source = std::make_shared<SchemeSource>();
  CLI::App* command =
      app.add_subcommand("summary", "Every quantizer of a scheme: bits, axis, range, calibrator");
  add_scheme_source(*command, *source, "Not needed");
  command->footer(
      "Examples:\n"
      "  qsweep summary net.onnx --preset INT8_DEFAULT_CFG --calib cifar10:train.bin\n"
      "  qsweep summary --run runs/r8 --scheme 3f2a9c41d07e");
  command->callback([source, &invocation] {
    invocation.flags = source->data.flags.names();
    invocation.action = [source, &invocation] {
      check_source(*source, "summary");
      return with_ranks([&](Session& session) {
        if (source->run.empty()) check_outputs({}, to_job(source->data));
        ProgressLine progress;
        const SchemeFile file = make_scheme_file(*source, {}, {}, session, progress);
        print(invocation.json ? to_json(file) : to_text(file));
        return kExitOk;
      });
    };
  });
}

}  // namespace qsweep
