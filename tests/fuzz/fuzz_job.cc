// The job file: any text is a configuration or an Error, and a configuration reloads to itself.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>

#include "src/base/error.h"

#include "io/config/job.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string text(reinterpret_cast<const char*>(data), size);
  qsweep::JobConfig job;
  try {
    job = qsweep::parse_job(text, "/nonexistent/job.yaml");
  } catch (const qsweep::Error&) {
    return 0;
  }
  if (!(qsweep::parse_job(qsweep::to_yaml(job), "/nonexistent/job.yaml") == job)) {
    std::abort();
  }
  return 0;
}
