#include "sweep/stages/calibration_cache.h"

#include <string>

#include <fmt/format.h>

#include "src/base/error.h"
#include "src/base/hash.h"
#include "src/base/log.h"

#include "io/fs/file_system.h"

#include "sweep/work/records.h"

namespace qsweep {
namespace {

constexpr std::string_view kMagic = "qsweep-calibration-2";

}  // namespace

std::optional<std::vector<TensorStats>> read_calibration_cache(const std::filesystem::path& path,
                                                               const Identity& identity,
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
    const auto differing =
        differences(Identity::parse(in.str()), identity.part(IdentityUse::statistics));
    if (!differing.empty()) {
      log_warning(fmt::format("the calibration cache {} is of another job ({}): calibrating anew",
                              path.string(), describe(differing)));
      return std::nullopt;
    }
    std::vector<TensorStats> by_layer = decode_ranges(in.blob(), path.string());
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
                             const Identity& identity,
                             const std::vector<TensorStats>& by_layer) {
  ByteWriter body;
  body.str(identity.part(IdentityUse::statistics).text());
  body.blob(encode_ranges(by_layer));
  ByteWriter out;
  out.str(kMagic);
  out.str(sha256_hex(body.bytes()));
  out.raw(body.bytes());
  real_file_system().replace(path, ByteView(out.bytes()));
}

}  // namespace qsweep
