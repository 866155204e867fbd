#include <numeric>

#include "io/store/detail/link_names.h"
#include "io/store/detail/save.h"
#include "io/store/sweep_store.h"

namespace qsweep {

namespace {

void write_activation(const h5::Handle& group,
                      const std::string& name,
                      const Tensor& values,
                      const std::string& description) {
  if (values.empty()) {
    return;
  }
  const Tensor rows = values.to_layout(Layout::row_major);
  const std::vector<hsize_t> extents(rows.shape().begin(), rows.shape().end());
  h5::Chunks chunks;  // one sample each
  if (!extents.empty()) {
    chunks.extents = extents;
    chunks.extents.front() = 1;
  }
  h5::Array(group, name, H5T_NATIVE_FLOAT, extents, {"1", description}, chunks)
      .write(rows.data<float>());
}

}  // namespace

void write_activation_part(FileSystem& files,
                           const std::filesystem::path& path,
                           const std::vector<ActivationPart>& parts) {
  h5::save(files, path, [&](const h5::Handle& file) {
    h5::LinkNames names;
    for (const ActivationPart& part : parts) {
      const h5::Handle group = h5::create_group(file, names.add(part.layer));
      h5::set_attribute(group, "layer", part.layer);
      write_activation(group, "float", part.float_values, "output of the float model's layer");
      write_activation(group, "quantized", part.quantized_values,
                       "the same under the reference scheme");
    }
  });
}

}  // namespace qsweep
