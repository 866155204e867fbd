#include "sweep/run/latency_kit.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include <fmt/format.h>
#include <sys/wait.h>
#include <unistd.h>

#include "src/base/error.h"

#include "src/exec/bank.h"
#include "src/exec/walk.h"
#include "src/results/views.h"

#include "io/data/npy.h"
#include "io/fs/file_system.h"
#include "io/kit/kit.h"

#include "sweep/plan/decision.h"
#include "sweep/run/driver.h"
#include "sweep/run/export_scheme.h"
#include "sweep/stages/stage.h"

namespace qsweep {
namespace {

constexpr std::size_t kMostFiles = 32;
constexpr std::int64_t kMostImages = 256;
constexpr std::int64_t kMostImageBytes = std::int64_t{64} << 20;

class Answers final : public WalkSink {
 public:
  void output(int, std::span<const Tensor> outputs) override {
    batches_.emplace_back();
    for (const Tensor& o : outputs) batches_.back().push_back(o.to_layout(Layout::row_major));
  }
  /// Each output on all images, as .npy.
  [[nodiscard]] std::vector<Bytes> files(const std::string& where) const {
    std::vector<Bytes> files;
    for (std::size_t o = 0; o < batches_.front().size(); ++o) {
      Shape shape = batches_.front()[o].shape();
      shape.at(0) = 0;
      for (const auto& batch : batches_) shape[0] += batch[o].dim(0);
      Tensor all(DType::f32, shape);
      auto to = all.mutable_data<float>().begin();
      for (const auto& batch : batches_) to = std::ranges::copy(batch[o].data<float>(), to).out;
      files.push_back(encode_npy(all, where));
    }
    return files;
  }

 private:
  std::vector<std::vector<Tensor>> batches_;
};

/// What the engine answers on the first `images` evaluation images.
std::vector<Bytes> predict(const Workload& w,
                           LayerBank& bank,
                           const Adaptations& adaptations,
                           const Assignment& scheme,
                           std::int64_t images) {
  const std::vector<Assignment> schemes = {scheme};
  const Walk walk = plan_walk(*w.model.program, w.model.batch_trace, w.plan.precisions.all(),
                              schemes, {.adaptations = &adaptations});
  Answers answers;
  for (const Range& batch : cut(images, w.model.batch))
    run_walk(walk, bank, w.evaluation.images(batch), answers);
  return answers.files("predictions");
}

}  // namespace

std::vector<std::vector<std::uint8_t>> kit_schemes(const RunResults& results,
                                                   std::size_t precisions,
                                                   std::size_t most) {
  std::vector<std::vector<std::uint8_t>> chosen;
  const auto add = [&](std::vector<std::uint8_t> precision) {
    if (chosen.size() < most && std::ranges::find(chosen, precision) == chosen.end())
      chosen.push_back(std::move(precision));
  };
  const std::size_t layers = results.layers.size();
  for (std::size_t p = 0; p < precisions; ++p)
    add(std::vector<std::uint8_t>(layers, static_cast<std::uint8_t>(p)));
  const auto add_scheme = [&](const RunResults::Evaluation* e) {
    if (e != nullptr && view::is_ok(*e) && e->precision.size() == layers) add(e->precision);
  };
  for (const auto* e : view::front(results)) add_scheme(e);
  const Decision decision = decide(results);
  add_scheme(decision.recommended);
  for (const Choice& choice : decision.choices) add_scheme(choice.scheme);
  for (const auto* e : view::points(results)) add_scheme(e);
  for (const auto* e : view::all_schemes(results)) add_scheme(e);
  return chosen;
}

LatencyKit write_latency_kit(const std::filesystem::path& directory,
                             const std::filesystem::path& folder,
                             Progress& progress) {
  const RunResults results = load_results(directory);
  const std::shared_ptr<const Workload> workload =
      open_workload(load_job(directory / "run_config.yaml"));
  const Workload& w = *workload;
  const RecordStore records =
      RecordStore::read_only(real_file_system(), directory / "journal.qsj", w.identity);
  const Findings findings = read_stages(stages_of(w, {}, StageId::adaptation), records);
  const auto precisions = w.plan.precisions.all();
  const QuantSetup setup{.precisions = {precisions.begin(), precisions.end()},
                         .input_stats = findings.stats,
                         .calibrator = w.plan.calibrator,
                         .weight_algorithm = w.plan.weights.algorithm,
                         .adaptations = findings.adaptations};
  LayerBank bank(*w.model.program, setup);

  const std::int64_t image_bytes = 4 * element_count(w.model.image_shape);
  const std::int64_t images = std::min(
      {w.evaluation.size(), kMostImages, std::max<std::int64_t>(1, kMostImageBytes / image_bytes)});
  const Value& input = w.model.program->graph().value(w.model.program->input());
  Kit kit{.model = results.model.name,
          .input = input.name,
          .image = w.model.image_shape,
          .open_batch = !input.shape || input.shape->empty() || input.shape->front() < 0,
          .batch = w.model.program->batchable() ? w.job.latency.batch : 1,
          .images = encode_npy(w.evaluation.images({0, images}), "images.npy")};
  const std::vector<Assignment> schemes = kit_schemes(results, precisions.size(), kMostFiles);
  LatencyKit made{.folder = folder, .images = images};
  progress.begin("kit", static_cast<double>(schemes.size()));
  for (const Assignment& precision : schemes) {
    const Scheme scheme = w.scheme("", precision);
    const std::string text = to_text(precision, w.layers(), w.plan.precisions);
    try {
      KitModel model{.scheme_id = scheme.id, .scheme = text};
      SchemeFile file = write_scheme(w, {text, precision}, findings, records, {}, {});
      model.file = std::move(file.model.bytes);
      model.predictions = predict(w, bank, findings.adaptations, precision, images);
      model.profile =
          std::ranges::all_of(precision, [&](std::uint8_t p) { return p == precision.front(); });
      kit.models.push_back(std::move(model));
    } catch (const Error& e) {
      if (e.code() == ErrorCode::internal || e.code() == ErrorCode::io) throw;
      made.left_out.push_back(fmt::format("{} is left out: {}.", text, e.message()));
    }
    progress.advance(static_cast<double>(kit.models.size() + made.left_out.size()), text);
  }
  progress.end();
  made.models = std::ssize(kit.models);
  FileSystem& files = real_file_system();
  const std::vector<KitFile> all = kit_files(std::move(kit));
  std::vector<NewFile> news;
  for (const KitFile& file : all) {
    files.create_directories((folder / file.path).parent_path());
    news.push_back({folder / file.path, file.contents});
  }
  files.replace(news);
  return made;
}

std::filesystem::path measure_kit(const std::filesystem::path& folder, const std::string& python) {
  const std::filesystem::path out = folder / "measurements.json";
  const std::string script = (folder / "measure.py").string();
  const std::vector<std::string> words = {python, script, "--out", out.string()};
  const pid_t child = fork();
  if (child < 0)
    throw Error(ErrorCode::resource, std::strerror(errno), python, "Run measure.py by hand");
  if (child == 0) {
    dup2(STDERR_FILENO, STDOUT_FILENO);  // stdout is for results
    std::vector<char*> arguments;
    for (const std::string& word : words) arguments.push_back(const_cast<char*>(word.c_str()));
    arguments.push_back(nullptr);
    execvp(arguments.front(), arguments.data());
    _exit(127);
  }
  int status = 0;
  while (waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
    throw Error(ErrorCode::resource,
                WIFEXITED(status) && WEXITSTATUS(status) == 127
                    ? "there is no such program"
                    : "measure.py did not end well; what it said is above",
                python, "Name a Python that has NumPy and onnxruntime");
  }
  return out;
}

}  // namespace qsweep
