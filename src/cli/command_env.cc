#include <string>
#include <vector>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "src/base/machine.h"
#include "src/base/text.h"

#include "src/cli/command.h"
#include "src/cli/table.h"
#include "src/exec/measure.h"
#include "src/kernels/linear.h"
#include "src/kernels/ops.h"

#include "io/json/json.h"
#include "io/store/sweep_store.h"

#include "ranks/mpi/mpi_transport.h"

namespace qsweep {
namespace {

constexpr const char* kNoVnni =
    "no VNNI: INT8 kernels of other runtimes may saturate the sums of u8 x s8 products here; "
    "weights with reduce_range never do. qsweep's own integer layers are exact.";

}  // namespace

void add_env_command(CLI::App& app, Invocation& invocation) {
  CLI::App* command =
      app.add_subcommand("env", "CPU features, libraries, and which precisions run natively here");
  command->footer("Example:\n  qsweep env --json");
  command->callback([&invocation] {
    invocation.action = [&invocation] {
      const Machine& m = this_machine();
      Json precisions = Json::object();
      std::vector<std::vector<std::string>> rows = {{"precision", "on this CPU"}};
      for (const std::string& name : known_precisions()) {
        const bool native = has_native_kernel(parse_precision(name));
        precisions[name] = native ? "native" : "emulated";
        rows.push_back({name, native ? "native kernel" : "emulated in FP32, never timed"});
      }
      const std::string features = join(m.features, " ");
      if (invocation.json) {
        print(Json{{"qsweep", version()},
                   {"compiler", compiler()},
                   {"cpu", m.cpu_model},
                   {"cpu_features", m.features},
                   {"vnni", m.has_vnni},
                   {"warnings", m.has_vnni ? Json::array() : Json{kNoVnni}},
                   {"cores", m.logical_cores},
                   {"memory_bytes", m.memory_bytes},
                   {"kernels", kernel_libraries()},
                   {"mpi", mpi_library_version()},
                   {"hdf5", hdf5_version()},
                   {"operators", supported_ops()},
                   {"precisions", precisions}}
                  .text());
        return kExitOk;
      }
      print(fmt::format("qsweep {} ({})\ncpu: {}, {} cores, {}\nfeatures: {}\nkernels: {}\nmpi: "
                        "{}\nhdf5: {}\n{} ONNX operators\n\n",
                        version(), compiler(), m.cpu_model, m.logical_cores,
                        human_bytes(m.memory_bytes), features, kernel_libraries(),
                        mpi_library_version(), hdf5_version(), supported_ops().size()) +
            render_table(rows));
      print(m.has_vnni ? "\nvnni: yes\n" : fmt::format("\nvnni: no\nwarning: {}\n", kNoVnni));
      return kExitOk;
    };
  });
}

}  // namespace qsweep
