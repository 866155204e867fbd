#include "io/store/detail/h5.h"

#include <algorithm>
#include <numeric>

#include <fmt/format.h>

#include "src/base/error.h"

namespace qsweep::h5 {

namespace {

constexpr std::size_t kGrowth = 1 << 20;  // bytes by which a file in memory grows
constexpr unsigned kDeflate = 4;

/// The innermost entry of the library's error stack says what really happened.
herr_t first_reason(unsigned, const H5E_error2_t* entry, void* reason) {
  *static_cast<std::string*>(reason) = entry->desc != nullptr ? entry->desc : "";
  return 1;
}

void check_status(herr_t status, const std::string& what) {
  check(status, what);
}

Handle property_list(hid_t list_class) {
  return {check(H5Pcreate(list_class), "make a property list"), H5Pclose};
}

/// Text of any length, UTF-8.
Handle text_type() {
  Handle type(check(H5Tcopy(H5T_C_S1), "make a text type"), H5Tclose);
  check_status(H5Tset_size(type.id(), H5T_VARIABLE), "make a text type");
  check_status(H5Tset_cset(type.id(), H5T_CSET_UTF8), "make a text type");
  return type;
}

Handle scalar_space() {
  return {check(H5Screate(H5S_SCALAR), "make a data space"), H5Sclose};
}

Handle space_of(const std::vector<hsize_t>& extents) {
  return {check(H5Screate_simple(static_cast<int>(extents.size()), extents.data(), nullptr),
                "make a data space"),
          H5Sclose};
}

void write_attribute(const Handle& object, const std::string& name, hid_t type, const void* value) {
  const std::string what = fmt::format("write the attribute '{}'", name);
  const Handle space = scalar_space();
  const Handle attribute(
      check(H5Acreate2(object.id(), name.c_str(), type, space.id(), H5P_DEFAULT, H5P_DEFAULT),
            what),
      H5Aclose);
  check_status(H5Awrite(attribute.id(), type, value), what);
}

Handle create_data(const Handle& parent,
                   const std::string& name,
                   hid_t type,
                   const std::vector<hsize_t>& extents,
                   const Chunks& chunks) {
  const Handle properties = property_list(H5P_DATASET_CREATE);
  const std::string what = fmt::format("create '{}'", name);
  // Times would make equal results differ.
  check_status(H5Pset_obj_track_times(properties.id(), false), what);
  const bool has_elements = std::ranges::find(extents, hsize_t{0}) == extents.end();
  if (!chunks.extents.empty() && has_elements) {
    check_status(H5Pset_chunk(properties.id(), static_cast<int>(chunks.extents.size()),
                              chunks.extents.data()),
                 what);
    check_status(H5Pset_shuffle(properties.id()), what);
    check_status(H5Pset_deflate(properties.id(), kDeflate), what);
  }
  const Handle space = space_of(extents);
  return {check(H5Dcreate2(parent.id(), name.c_str(), type, space.id(), H5P_DEFAULT,
                           properties.id(), H5P_DEFAULT),
                what),
          H5Dclose};
}

}  // namespace

Handle::~Handle() {
  if (id_ >= 0) {
    close_(id_);
  }
}

Quiet::Quiet() {
  H5Eget_auto2(H5E_DEFAULT, &function_, &data_);
  H5Eset_auto2(H5E_DEFAULT, nullptr, nullptr);
}

Quiet::~Quiet() {
  H5Eset_auto2(H5E_DEFAULT, function_, data_);
}

hid_t check(hid_t id, const std::string& what) {
  if (id < 0) {
    std::string reason;
    H5Ewalk2(H5E_DEFAULT, H5E_WALK_UPWARD, first_reason, &reason);
    throw Error(ErrorCode::io, fmt::format("HDF5 cannot {}: {}", what, reason));
  }
  return id;
}

Handle create_file() {
  const Handle access = property_list(H5P_FILE_ACCESS);
  check_status(H5Pset_fapl_core(access.id(), kGrowth, false), "make a file in memory");
  // The name goes nowhere: without a backing store nothing is written.
  return {check(H5Fcreate("qsweep-store", H5F_ACC_TRUNC, H5P_DEFAULT, access.id()),
                "make a file in memory"),
          H5Fclose};
}

Bytes take(Handle file) {
  const std::string what = "take the file from memory";
  check_status(H5Fflush(file.id(), H5F_SCOPE_LOCAL), what);
  const ssize_t size = H5Fget_file_image(file.id(), nullptr, 0);
  check(size, what);
  Bytes bytes(static_cast<std::size_t>(size));
  check(H5Fget_file_image(file.id(), bytes.data(), bytes.size()), what);
  return bytes;
}

Handle open_file(const std::filesystem::path& path) {
  return {check(H5Fopen(path.c_str(), H5F_ACC_RDONLY, H5P_DEFAULT), "open the file"), H5Fclose};
}

Handle create_group(const Handle& parent, const std::string& name) {
  return {check(H5Gcreate2(parent.id(), name.c_str(), H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT),
                fmt::format("create the group '{}'", name)),
          H5Gclose};
}

Handle open_group(const Handle& parent, const std::string& name) {
  return {check(H5Gopen2(parent.id(), name.c_str(), H5P_DEFAULT),
                fmt::format("open the group '{}'", name)),
          H5Gclose};
}

std::vector<std::string> member_names(const Handle& group) {
  std::vector<std::string> names;
  const auto visit = [](hid_t, const char* name, const H5L_info_t*, void* out) -> herr_t {
    static_cast<std::vector<std::string>*>(out)->emplace_back(name);
    return 0;
  };
  check_status(H5Literate(group.id(), H5_INDEX_NAME, H5_ITER_INC, nullptr, visit, &names),
               "list a group");
  return names;
}

void link_external(const Handle& group,
                   const std::string& name,
                   const std::string& file,
                   const std::string& object) {
  check_status(H5Lcreate_external(file.c_str(), object.c_str(), group.id(), name.c_str(),
                                  H5P_DEFAULT, H5P_DEFAULT),
               fmt::format("link '{}'", name));
}

void set_attribute(const Handle& object, const std::string& name, const std::string& value) {
  const char* text = value.c_str();
  const Handle type = text_type();
  write_attribute(object, name, type.id(), &text);
}

void set_attribute(const Handle& object, const std::string& name, std::int64_t value) {
  write_attribute(object, name, H5T_NATIVE_INT64, &value);
}

void set_attribute(const Handle& object, const std::string& name, double value) {
  write_attribute(object, name, H5T_NATIVE_DOUBLE, &value);
}

std::string text_attribute(const Handle& object, const std::string& name) {
  const std::string what = fmt::format("read the attribute '{}'", name);
  const Handle attribute(check(H5Aopen(object.id(), name.c_str(), H5P_DEFAULT), what), H5Aclose);
  const Handle type = text_type();
  char* text = nullptr;
  check_status(H5Aread(attribute.id(), type.id(), static_cast<void*>(&text)), what);
  std::string value = text != nullptr ? text : "";
  H5free_memory(text);
  return value;
}

Array::Array(const Handle& parent,
             const std::string& name,
             hid_t type,
             std::vector<hsize_t> extents,
             const About& about,
             const Chunks& chunks)
    : name_(name),
      extents_(std::move(extents)),
      data_(create_data(parent, name, type, extents_, chunks)) {
  set_attribute(data_, "units", about.units);
  set_attribute(data_, "description", about.description);
}

void Array::write_all(hid_t type, const void* values, std::size_t count) {
  const hsize_t expected =
      std::accumulate(extents_.begin(), extents_.end(), hsize_t{1}, std::multiplies<>());
  QSWEEP_CHECK(count == expected);
  if (count > 0) {
    check_status(H5Dwrite(data_.id(), type, H5S_ALL, H5S_ALL, H5P_DEFAULT, values),
                 fmt::format("write '{}'", name_));
  }
}

void Array::write_part(hid_t type, hsize_t row, const void* values, std::size_t count) {
  const std::string what = fmt::format("write '{}'", name_);
  std::vector<hsize_t> start(extents_.size(), 0);
  std::vector<hsize_t> extents = extents_;
  start.front() = row;
  extents.front() = 1;
  const hsize_t expected =
      std::accumulate(extents.begin(), extents.end(), hsize_t{1}, std::multiplies<>());
  QSWEEP_CHECK(count == expected);
  const Handle memory = space_of(extents);
  const Handle file(check(H5Dget_space(data_.id()), what), H5Sclose);
  check_status(H5Sselect_hyperslab(file.id(), H5S_SELECT_SET, start.data(), nullptr, extents.data(),
                                   nullptr),
               what);
  check_status(H5Dwrite(data_.id(), type, memory.id(), file.id(), H5P_DEFAULT, values), what);
}

void Array::write_texts(std::span<const std::string> values) {
  std::vector<const char*> texts;
  texts.reserve(values.size());
  for (const std::string& value : values) {
    texts.push_back(value.c_str());
  }
  const Handle type = text_type();
  write_all(type.id(), static_cast<const void*>(texts.data()), texts.size());
}

void write_texts(const Handle& parent,
                 const std::string& name,
                 std::span<const std::string> values,
                 const About& about) {
  const Handle type = text_type();
  Array(parent, name, type.id(), {values.size()}, about).write_texts(values);
}

}  // namespace qsweep::h5
