#include "sweep/run/calibration_cache.h"

#include <algorithm>

#include <fmt/format.h>

#include "src/base/hash.h"
#include "src/base/log.h"
#include "src/base/text.h"

#include "io/fs/file_system.h"

#include "sweep/run/records.h"

namespace qsweep {
namespace {

constexpr std::string_view kMagic = "qsweep-calibration-1";

/// Names of the lines of `now` that `then` does not have.
std::string differences(const std::string& then, const std::string& now) {
  const std::vector<std::string> old_lines = split(then, '\n');
  std::string names;
  for (const std::string& line : split(now, '\n')) {
    if (std::find(old_lines.begin(), old_lines.end(), line) != old_lines.end()) continue;
    names += (names.empty() ? "" : ", ") + line.substr(0, line.find(' '));
  }
  return names;
}

}  // namespace

std::string calibration_key(const Workload& w) {
  const InputSpec& input = w.job.input;
  std::string preprocessing = fmt::format("{} {} {}", input.layout, input.color, input.scale);
  for (const double m : input.mean) preprocessing += fmt::format(" mean {}", m);
  for (const double s : input.std) preprocessing += fmt::format(" std {}", s);
  Sha256 samples;
  for (const std::int64_t id : w.calibration_ids) samples.update(fmt::format("{} ", id));
  return fmt::format(
      "model {}\nimages {}\nsamples {} {}\npreprocessing {}\nshape {}\nbatch {}\n"
      "engine {}\n",
      w.model.sha256, w.calibration->digest(), w.calibration_ids.size(), samples.hex(),
      preprocessing, to_string(w.image_shape), w.batch, engine_identity());
}

std::optional<std::vector<TensorStats>> read_calibration_cache(const std::filesystem::path& path,
                                                               const std::string& key,
                                                               std::size_t layers) {
  FileSystem& files = real_file_system();
  if (!files.exists(path)) return std::nullopt;
  try {
    const Bytes bytes = files.read(path);
    ByteReader in(bytes, path.string());
    if (in.str() != kMagic) throw Error(ErrorCode::corrupt_input, "not a calibration cache");
    const std::string digest = in.str();
    if (digest != sha256_hex(ByteView(bytes).last(in.remaining())))
      throw Error(ErrorCode::corrupt_input, "its checksum does not fit");
    const std::string found = in.str();
    if (found != key) {
      log_warning(fmt::format("the calibration cache {} was made with other {}: calibrating anew",
                              path.string(), differences(found, key)));
      return std::nullopt;
    }
    std::vector<TensorStats> by_layer = decode_stats(in);
    in.finish();
    if (by_layer.size() != layers) throw Error(ErrorCode::corrupt_input, "it lacks layers");
    return by_layer;
  } catch (const Error& e) {
    log_warning(fmt::format("the calibration cache {} cannot be used ({}): calibrating anew",
                            path.string(), e.what()));
    return std::nullopt;
  }
}

void write_calibration_cache(const std::filesystem::path& path,
                             const std::string& key,
                             const std::vector<TensorStats>& by_layer) {
  ByteWriter body;
  body.str(key);
  body.raw(encode_stats(by_layer));
  ByteWriter out;
  out.str(kMagic);
  out.str(sha256_hex(body.bytes()));
  out.raw(body.bytes());
  real_file_system().replace(path, ByteView(out.bytes()));
}

}  // namespace qsweep
