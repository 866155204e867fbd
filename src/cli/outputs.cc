#include "src/cli/outputs.h"

#include <set>
#include <system_error>
#include <utility>

#include "src/base/error.h"

#include "io/fs/file_system.h"
#include "io/fs/outputs.h"
#include "io/onnx/model_files.h"

namespace qsweep {
namespace {

namespace fs = std::filesystem;

void append(std::vector<fs::path>& all, std::vector<fs::path> more) {
  for (fs::path& path : more) all.push_back(std::move(path));
}

void add_inputs(const JobConfig& job, std::vector<fs::path>& inputs) {
  if (!job.model.empty()) {
    append(inputs, model_files(job.model));
    inputs.push_back(fs::path(job.model).replace_extension(".yaml"));
  }
  for (const JobConfig::Data* data : {&job.evaluation, &job.calibration}) {
    if (!data->format.empty()) append(inputs, data_spec(*data).paths);
  }
}

/// One spelling of a name; links stay.
fs::path plain(const fs::path& path) {
  std::error_code unknown;
  const fs::path name = fs::absolute(path, unknown).lexically_normal();
  return name.has_filename() ? name : name.parent_path();
}

}  // namespace

void check_outputs(Outputs outputs, const JobConfig& job, std::vector<fs::path> inputs) {
  if (!job.calibration.cache.empty()) outputs.files.push_back(job.calibration.cache);
  if (outputs.files.empty() && outputs.folders.empty()) return;
  add_inputs(job, inputs);
  FileSystem& files = real_file_system();
  std::set<fs::path> to_be_made;
  for (const fs::path& folder : outputs.folders) {
    files.check_create_directories(folder);
    if (!files.exists(folder)) to_be_made.insert(plain(folder));
  }
  std::set<fs::path> known;
  for (const fs::path& file : outputs.files) {
    check_not_input(file, inputs);
    if (!known.insert(plain(file)).second)
      throw Error(ErrorCode::usage, "two outputs would be this one file", file.string());
    if (!to_be_made.contains(plain(file).parent_path())) files.check_replace(file);
  }
}

}  // namespace qsweep
