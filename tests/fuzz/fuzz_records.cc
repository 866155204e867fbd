// What journals and ranks hand over: any bytes are a record or a message, or an Error.
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <fstream>

#include <unistd.h>

#include "src/base/error.h"

#include "io/fs/file_system.h"
#include "io/journal/journal.h"

#include "sweep/work/records.h"
#include "sweep/work/tasks.h"

namespace {

using qsweep::ByteReader;
using qsweep::ByteView;

/// Records, which take their bytes whole.
template <class F>
void attempt_record(ByteView bytes, const F& decode) {
  try {
    (void)decode(bytes, "fuzz");
  } catch (const qsweep::Error&) {
  }
}

/// Messages, which are read field by field.
template <class F>
void attempt(ByteView bytes, const F& decode) {
  try {
    ByteReader in(bytes, "fuzz");
    (void)decode(in);
  } catch (const qsweep::Error&) {
  }
}

void read_as_journal(ByteView bytes) {
  static const std::filesystem::path file =
      std::filesystem::temp_directory_path() / ("fuzz_records." + std::to_string(getpid()));
  std::ofstream(file, std::ios::binary | std::ios::trunc)
      .write(reinterpret_cast<const char*>(bytes.data()),
             static_cast<std::streamsize>(bytes.size()));
  try {
    qsweep::Journal::read(qsweep::real_file_system(), file, [](const auto&) {});
  } catch (const qsweep::Error&) {
  }
  std::filesystem::remove(file);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const ByteView bytes{reinterpret_cast<const std::byte*>(data), size};
  attempt_record(bytes, qsweep::decode_shard_result);
  attempt_record(bytes, qsweep::decode_ranges);
  attempt_record(bytes, qsweep::decode_adaptation);
  attempt_record(bytes, qsweep::decode_failure);
  attempt_record(bytes, qsweep::decode_latency);
  attempt_record(bytes, qsweep::decode_activation_part);
  attempt_record(bytes, qsweep::decode_task_time);
  attempt_record(bytes, qsweep::decode_session);
  attempt_record(bytes, qsweep::decode_inputs);
  attempt_record(bytes, qsweep::EvaluateResult::decode);
  attempt(bytes, [](ByteReader& in) { return qsweep::decode_adaptations(in); });
  attempt(bytes, [](ByteReader& in) { return qsweep::CalibrateTask::decode(in); });
  attempt(bytes, [](ByteReader& in) { return qsweep::AdaptTask::decode(in); });
  attempt(bytes, [](ByteReader& in) { return qsweep::EvaluateTask::decode(in); });
  attempt(bytes, [](ByteReader& in) { return qsweep::CaptureTask::decode(in); });
  read_as_journal(bytes);
  return 0;
}
