#include "sweep/run/activations.h"

#include <algorithm>

#include <fmt/format.h>

#include "src/base/hash.h"

namespace qsweep {
namespace {

constexpr std::int64_t kPartBytes = std::int64_t{64}
                                    << 20;  ///< of one rank's memory while it captures

/// Selected layers that the reference quantizes, cut into parts of bounded size.
std::vector<std::vector<std::int32_t>> cut_layers(const Workload& w,
                                                  const Assignment& reference,
                                                  std::int64_t images) {
  const Program& program = *w.program;
  std::vector<bool> wanted(program.layers().size(), false);
  for (const std::string& selector : w.job.activations.layers) {
    for (int layer : select_layers(selector == "all" ? "*" : selector, program.layers()))
      wanted[static_cast<std::size_t>(layer)] = true;
  }
  std::vector<std::vector<std::int32_t>> parts;
  std::int64_t bytes = kPartBytes;
  for (std::size_t i = 0; i < wanted.size(); ++i) {
    if (!wanted[i] || reference[i] == 0) continue;
    const Step& step = program.steps()[static_cast<std::size_t>(w.layer_step[i])];
    const std::int64_t own =
        2 * images * w.trace.bytes.at(static_cast<std::size_t>(step.outputs.at(0)));
    if (bytes + own > kPartBytes) {
      parts.emplace_back();
      bytes = 0;
    }
    parts.back().push_back(static_cast<std::int32_t>(i));
    bytes += own;
  }
  return parts;
}

}  // namespace

std::vector<std::filesystem::path> capture_activations(Crew& crew,
                                                       const Assignment& reference,
                                                       const std::filesystem::path& directory) {
  const Workload& w = crew.workload();
  const std::int64_t images = std::min<std::int64_t>(
      w.job.activations.images, static_cast<std::int64_t>(w.evaluation_ids.size()));
  if (images == 0) return {};
  std::vector<std::string> keys;
  std::vector<Crew::Piece> missing;
  const auto parts = cut_layers(w, reference, images);
  for (std::size_t p = 0; p < parts.size(); ++p) {
    const CaptureTask task{.reference = reference,
                           .layers = parts[p],
                           .images = images,
                           .directory = directory.string(),
                           .part = static_cast<std::int64_t>(p)};
    Bytes payload = task.encode();
    keys.push_back(sha256_hex(payload).substr(0, 16));
    const Bytes* known = crew.records().find(RecordKind::activations, keys.back());
    if (known &&
        std::filesystem::exists(directory / ByteReader(*known, "activations record").str()))
      continue;
    missing.push_back({keys.back(), {std::move(payload), static_cast<double>(parts[p].size())}});
  }
  crew.run_tasks(
      "activations", missing,
      [&](std::size_t i, const Bytes& result) {
        crew.records().put(RecordKind::activations, missing[i].key, result);
      },
      [&](std::size_t, const std::string& error) {
        throw Error(ErrorCode::io, "keeping activations failed: " + error, directory.string());
      });
  std::vector<std::filesystem::path> files;
  for (const std::string& key : keys) {
    files.push_back(
        directory /
        ByteReader(*crew.records().find(RecordKind::activations, key), "activations record").str());
  }
  return files;
}

}  // namespace qsweep
