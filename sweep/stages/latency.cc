#include "sweep/stages/latency.h"

#include <algorithm>
#include <map>
#include <utility>

#include <fmt/format.h>

#include "src/base/hash.h"
#include "src/base/log.h"
#include "src/base/text.h"

#include "src/exec/measure.h"

#include "io/fs/file_system.h"

#include "sweep/stages/latency_csv.h"

namespace qsweep {
namespace {

/// The generic CPU whose roofline fills in what this CPU only emulates.
constexpr std::string_view kHostModel = "cpu-avx512-vnni";

/// The table is of this model, on this machine, for these precisions.
std::string record_key(const Workload& w) {
  Identity identity = w.identity.part(IdentityUse::latency);
  std::string names;
  for (const Precision& p : w.plan.precisions.all()) names += p.name + " ";
  identity.add("precisions", names, Decides::latency);
  return identity.digest().substr(0, 16);
}

LatencyTable roofline_table(const Workload& w) {
  const Device& device = find_device(w.job.latency.device);
  const std::vector<LayerWork> work = layer_work(w);
  std::vector<LayerLatency> rows;
  for (const Precision& p : w.plan.precisions.all()) {
    for (std::size_t i = 0; i < work.size(); ++i) {
      rows.push_back(
          {w.layers()[i].name, p.name, roofline_ms(device, work[i], p), "roofline", "", {}});
    }
  }
  return {{.device = device.name, .origin = LatencyOrigin::roofline}, 0.0, std::move(rows)};
}

LatencyTable measured_table(const Workload& w,
                            const std::vector<TensorStats>& stats,
                            Progress& progress) {
  const auto precisions = w.plan.precisions.all();
  const QuantSetup setup = quant_setup(w, stats);
  LayerBank bank(*w.model.program, setup);
  const TimingOptions timing{.warm_up_ms = w.job.latency.warmup_ms,
                             .iterations = static_cast<int>(w.job.latency.iterations),
                             .seed = w.job.seed};
  Shape shape = w.model.image_shape;
  shape[0] = w.model.program->batchable() ? w.job.latency.batch : 1;
  const Trace trace = w.model.program->trace(shape);
  const Device& host = find_device(kHostModel);
  const std::vector<LayerWork> work = layer_work(w);
  const std::size_t layers = w.layers().size();
  progress.begin("latency", static_cast<double>(layers * precisions.size()));
  std::vector<LayerLatency> rows;
  std::vector<double> float_ms;
  // Precisions that run the same kernel on the same operands share one measurement: W4A8 and W8A8
  // are one INT8 kernel, FP32 and the weight-only formats one FP32 kernel. Their times differ by
  // noise only.
  std::map<std::pair<std::size_t, std::string>, Timing> timed;
  for (std::size_t p = 0; p < precisions.size(); ++p) {
    const Precision& precision = precisions[p];
    for (std::size_t i = 0; i < layers; ++i) {
      const std::string& name = w.layers()[i].name;
      if (has_native_kernel(precision)) {
        const std::string kernel = uses_integer_kernel(precision)
                                       ? std::string(name_of(precision.activation.dtype))
                                       : "float";
        auto at = timed.find({i, kernel});
        if (at == timed.end()) {
          at = timed
                   .emplace(std::pair(i, kernel),
                            time_layer(bank, trace, LayerId(i), static_cast<int>(p), timing))
                   .first;
        }
        const Timing& time = at->second;
        if (p == 0) float_ms.push_back(time.median_ms);
        rows.push_back({name,
                        precision.name,
                        time.median_ms,
                        "measured",
                        time.kernel,
                        {time.mean_ms, time.p95_ms, time.p99_ms}});
      } else {
        const double ratio =
            roofline_ms(host, work[i], precision) / roofline_ms(host, work[i], precisions[0]);
        rows.push_back({name,
                        precision.name,
                        float_ms.at(i) * ratio,
                        "roofline",
                        fmt::format("FP32 time x {:.3f} ({})", ratio, kHostModel),
                        {}});
      }
      progress.advance(static_cast<double>(rows.size()), name);
    }
  }
  const double other = time_outside_layers(*w.model.program, trace, timing).median_ms;
  progress.end();
  return {{.device = "this machine, batch " + std::to_string(shape[0]),
           .batch = shape[0],
           .threads = 1,
           .origin = LatencyOrigin::kernels},
          other,
          std::move(rows)};
}

constexpr std::size_t kMostListed = 8;

/// `a, b and 3 more`
std::string listed(std::vector<std::string> texts) {
  if (texts.size() <= kMostListed) return join(texts, ", ");
  const std::size_t more = texts.size() - kMostListed;
  texts.resize(kMostListed);
  return fmt::format("{} and {} more", join(texts, ", "), more);
}

std::vector<std::string> quoted(std::vector<std::string> names) {
  for (std::string& name : names) name = "'" + name + "'";
  return names;
}

/// Of a table that was imported: it takes the place of any other.
constexpr std::string_view kImported = "imported";

LatencyTable from_record(const Bytes& record, std::int64_t batch, LatencyOrigin origin) {
  LatencyTable t =
      parse_latency_csv(decode_latency(record, "latency record"), "latency record", batch);
  LatencyPlace place = t.place();
  place.origin = origin;
  return {std::move(place),
          t.other_ms(),
          {t.rows().begin(), t.rows().end()},
          t.boundary_ms(),
          {t.schemes().begin(), t.schemes().end()}};
}

class LatencyStage final : public Stage {
 public:
  explicit LatencyStage(const Workload& workload) : w_(workload) {}
  [[nodiscard]] StageId id() const override { return StageId::latency; }

  /// A table that the job names has a row for all that may be asked of it.
  void check() const override {
    const std::optional<LatencyTable> table = known_latency_table(w_, {});
    if (!table || w_.job.latency.source != "table") return;
    const std::string where = w_.job.latency.table.string();
    std::vector<std::string> strangers;
    for (const LayerLatency& row : table->rows()) {
      if (std::ranges::none_of(w_.layers(), [&](const Layer& l) { return l.name == row.layer; }) &&
          std::ranges::find(strangers, row.layer) == strangers.end())
        strangers.push_back(row.layer);
    }
    const std::vector<std::string> lacks = table->missing(w_.layers(), w_.plan.precisions);
    if (!lacks.empty()) {
      throw Error(ErrorCode::corrupt_input,
                  fmt::format("the latency table {}, so schemes with {} have no latency",
                              table->rows().empty() ? "has no rows" : "lacks rows", listed(lacks)),
                  where,
                  strangers.empty() ? "Add the rows, or let `latency: {source: measured}` time them"
                                    : fmt::format("The model has no layer {}, which the table "
                                                  "names",
                                                  listed(quoted(strangers))));
    }
    if (!strangers.empty()) {
      log_warning(fmt::format("{}: the model has no layer {}; the rows count for nothing", where,
                              listed(quoted(strangers))));
    }
  }

  void prepare(const Findings& findings, RecordStore& records, Progress& progress) const override {
    if (w_.job.latency.source == "none" || known_latency_table(w_, records)) return;
    const std::string csv = to_csv(measured_table(w_, findings.stats, progress));
    records.put(RecordKind::latency, record_key(w_), encode_latency(csv));
    records.sync();
  }

  [[nodiscard]] std::vector<Piece> missing(const Findings&,
                                           const RecordStore&,
                                           int) const override {
    return {};
  }

  /// From the record, as a resumed run will see it, to the digit.
  void read(const RecordStore& records, Findings& f) const override {
    f.latency = known_latency_table(w_, records);
    if (w_.job.latency.source == "none") return;
    f.stages.push_back(
        {.name = std::string(name_of(id())), .planned = 1, .done = f.latency ? 1 : 0});
  }

 private:
  const Workload& w_;
};

}  // namespace

std::unique_ptr<const Stage> make_latency_stage(const Workload& workload) {
  return std::make_unique<LatencyStage>(workload);
}

std::vector<LayerWork> layer_work(const Workload& w) {
  const Program& program = *w.model.program;
  std::vector<LayerWork> work;
  for (std::size_t i = 0; i < w.layers().size(); ++i) {
    const Layer& layer = w.layers()[i];
    const Step& step = program.step(program.step_of(LayerId(i)));
    const auto elements = [&](ValueId v) {
      return element_count(w.model.trace.shapes.at(static_cast<std::size_t>(v)));
    };
    const std::int64_t input = layer.input == w.model.program->input()
                                   ? element_count(w.model.image_shape)
                                   : elements(layer.input);
    work.push_back({w.model.layer_macs[i], input, elements(step.outputs.at(0)),
                    element_count(w.model.program->graph().value(layer.weight).constant->shape())});
  }
  return work;
}

std::optional<LatencyTable> known_latency_table(const Workload& workload,
                                                const RecordStore& records) {
  const JobConfig::Latency& settings = workload.job.latency;
  if (const Bytes* imported = records.find(RecordKind::latency, kImported))
    return from_record(*imported, settings.batch, LatencyOrigin::imported);
  if (settings.source == "none") return std::nullopt;
  if (settings.source == "roofline") return roofline_table(workload);
  if (settings.source == "table") {
    const Bytes text = real_file_system().read(settings.table);
    return parse_latency_csv(as_text(text), settings.table.string(), settings.batch);
  }
  const Bytes* known = records.find(RecordKind::latency, record_key(workload));
  if (!known) return std::nullopt;
  return from_record(*known, settings.batch, LatencyOrigin::kernels);
}

void put_imported_latency(RecordStore& records, const LatencyTable& table) {
  records.put(RecordKind::latency, std::string(kImported), encode_latency(to_csv(table)));
  records.sync();
}

}  // namespace qsweep
