#include "io/onnx/import.h"

#include <fstream>
#include <limits>
#include <set>
#include <system_error>

#include <onnx/onnx_pb.h>

#include "src/base/hash.h"

#include "io/onnx/detail/external_data.h"
#include "io/onnx/detail/graph_reader.h"
#include "io/onnx/detail/model_notes.h"
#include "io/onnx/model_files.h"

namespace qsweep {
namespace {

namespace fs = std::filesystem;

/// Throws unless `path` is a readable regular file; says where a broken symbolic link points.
void require_file(const fs::path& path) {
  std::error_code failed;
  const fs::file_status status = fs::status(path, failed);
  if (fs::is_regular_file(status)) return;
  const std::string where = path.string();
  const std::string reason = failed.message();
  if (fs::is_directory(status))
    throw Error(ErrorCode::not_found, "is a directory, not a model", where);
  if (fs::is_symlink(path, failed)) {
    throw Error(ErrorCode::not_found,
                "broken symbolic link to '" + fs::read_symlink(path, failed).string() + "'", where,
                "Restore the file it points to");
  }
  if (status.type() == fs::file_type::none)  // too long a name, no permission
    throw Error(ErrorCode::io, "cannot read the file: " + reason, where);
  if (fs::exists(status)) throw Error(ErrorCode::not_found, "is not a file", where);
  throw Error(ErrorCode::not_found, "no such model file", where);
}

Bytes read_file(const fs::path& path) {
  require_file(path);
  std::error_code failed;
  const std::uintmax_t size = fs::file_size(path, failed);
  if (failed)
    throw Error(ErrorCode::io, "cannot read the file: " + failed.message(), path.string());
  if (size > static_cast<std::uintmax_t>(std::numeric_limits<int>::max())) {
    throw Error(ErrorCode::unsupported, "the file is larger than 2 GiB", path.string(),
                "Save the model with external data");
  }
  Bytes bytes(size);
  std::ifstream file(path, std::ios::binary);
  file.read(reinterpret_cast<char*>(bytes.data()), static_cast<std::streamsize>(size));
  if (!file)
    throw Error(ErrorCode::io, "cannot read the file", path.string(), "Check its permissions");
  return bytes;
}

}  // namespace

ImportedModel import_onnx(const fs::path& path) {
  const Bytes bytes = read_file(path);
  std::error_code failed;
  const fs::path file = fs::canonical(path, failed);
  if (failed)
    throw Error(ErrorCode::io, "cannot read the file: " + failed.message(), path.string());
  return import_onnx_bytes(bytes, file.parent_path(), path.string());
}

std::vector<fs::path> model_files(const fs::path& path) {
  std::vector<fs::path> files = {path};
  std::ifstream in(path, std::ios::binary);
  onnx::ModelProto model;
  if (!model.ParseFromIstream(&in)) return files;
  std::error_code failed;
  const fs::path folder = fs::canonical(path, failed).parent_path();
  std::set<std::string> known;
  for (const onnx::TensorProto& tensor : model.graph().initializer()) {
    for (const onnx::StringStringEntryProto& entry : tensor.external_data()) {
      if (entry.key() == "location" && known.insert(entry.value()).second)
        files.push_back(folder / entry.value());
    }
  }
  return files;
}

ImportedModel import_onnx_bytes(ByteView bytes, const fs::path& folder, const std::string& name) {
  if (bytes.empty()) throw Error(ErrorCode::corrupt_input, "the file is empty", name);
  onnx::ModelProto model;
  if (bytes.size() > static_cast<std::size_t>(std::numeric_limits<int>::max()) ||
      !model.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) {
    throw Error(ErrorCode::corrupt_input, "not an ONNX model, or cut short", name,
                "Check that the file is complete");
  }
  detail::ExternalData external(folder);
  ImportedModel imported;
  imported.notes = detail::read_notes(model);
  imported.graph = detail::read_graph(model, external, name);
  imported.sha256 = sha256_hex(bytes);
  imported.external_sha256 = external.digest();
  imported.file_bytes = static_cast<std::int64_t>(bytes.size());
  imported.ir_version = static_cast<int>(model.ir_version());
  imported.producer = model.producer_name();
  return imported;
}

}  // namespace qsweep
