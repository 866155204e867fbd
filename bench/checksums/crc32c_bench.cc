// CRC-32C of a record by the CPU's instruction and by table.
#include <benchmark/benchmark.h>

#include "src/base/crc32c_table.h"
#include "src/base/hash.h"

namespace qsweep {
namespace {

Bytes record(std::size_t size) {
  Bytes bytes(size);
  for (std::size_t i = 0; i < size; ++i) bytes[i] = static_cast<std::byte>(mix64(i, 1) & 0xFF);
  return bytes;
}

template <std::uint32_t (*kChecksum)(ByteView, std::uint32_t)>
void checksum(benchmark::State& state) {
  const Bytes bytes = record(static_cast<std::size_t>(state.range(0)));
  if (kChecksum(bytes, 0) != crc32c_by_table(bytes)) state.SkipWithError("a wrong checksum");
  for (auto _ : state) benchmark::DoNotOptimize(kChecksum(bytes, 0));
  state.SetBytesProcessed(static_cast<std::int64_t>(state.iterations()) * state.range(0));
}

BENCHMARK(checksum<crc32c>)->Arg(64)->Arg(4096)->Arg(1 << 20)->Name("instruction");
BENCHMARK(checksum<crc32c_by_table>)->Arg(64)->Arg(4096)->Arg(1 << 20)->Name("table");

}  // namespace
}  // namespace qsweep
