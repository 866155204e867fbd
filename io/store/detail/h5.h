#pragma once

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include <hdf5.h>

#include "src/base/bytes.h"

/// The HDF5 C API as the store uses it: handles that close themselves, failures as Error(io) with
/// the library's own reason. The library is one thread's at a time.
namespace qsweep::h5 {

/// An HDF5 identifier, closed at the end of its life.
class Handle {
 public:
  using Close = herr_t (*)(hid_t);
  Handle(hid_t id, Close close) : id_(id), close_(close) {}
  ~Handle();
  Handle(Handle&& other) noexcept : id_(std::exchange(other.id_, -1)), close_(other.close_) {}
  Handle& operator=(Handle&&) = delete;
  [[nodiscard]] hid_t id() const { return id_; }

 private:
  hid_t id_;
  Close close_;
};

/// Stops the library from printing its failures, while it lives.
class Quiet {
 public:
  Quiet();
  ~Quiet();
  Quiet(const Quiet&) = delete;
  Quiet& operator=(const Quiet&) = delete;

 private:
  H5E_auto2_t function_ = nullptr;
  void* data_ = nullptr;
};

/// Returns `id`, or throws Error(io) `cannot <what>: <HDF5's reason>` when it is negative.
hid_t check(hid_t id, const std::string& what);

/// What a reader of a data set must know.
struct About {
  std::string units;  ///< `1` without a dimension, `text` for strings
  std::string description;
};

/// How a data set is laid out in the file.
struct Chunks {
  std::vector<hsize_t> extents;  ///< of a chunk, compressed by deflate; empty: contiguous
};

/// A file being made in memory. take() gives its bytes.
[[nodiscard]] Handle create_file();
[[nodiscard]] Bytes take(Handle file);
[[nodiscard]] Handle open_file(const std::filesystem::path& path);

[[nodiscard]] Handle create_group(const Handle& parent, const std::string& name);
[[nodiscard]] Handle open_group(const Handle& parent, const std::string& name);
/// Names of a group's members, in the order of names.
[[nodiscard]] std::vector<std::string> member_names(const Handle& group);
void link_external(const Handle& group,
                   const std::string& name,
                   const std::string& file,
                   const std::string& object);

void set_attribute(const Handle& object, const std::string& name, const std::string& value);
void set_attribute(const Handle& object, const std::string& name, std::int64_t value);
void set_attribute(const Handle& object, const std::string& name, double value);
[[nodiscard]] std::string text_attribute(const Handle& object, const std::string& name);

template <class T>
[[nodiscard]] hid_t native_type() {
  if constexpr (std::is_same_v<T, float>) {
    return H5T_NATIVE_FLOAT;
  } else if constexpr (std::is_same_v<T, double>) {
    return H5T_NATIVE_DOUBLE;
  } else if constexpr (std::is_same_v<T, std::uint8_t>) {
    return H5T_NATIVE_UINT8;
  } else if constexpr (std::is_same_v<T, std::int32_t>) {
    return H5T_NATIVE_INT32;
  } else if constexpr (std::is_same_v<T, std::int64_t>) {
    return H5T_NATIVE_INT64;
  } else {
    static_assert(std::is_same_v<T, std::uint64_t>);
    return H5T_NATIVE_UINT64;
  }
}

/// A data set of the given extents, filled by write_row() or write().
class Array {
 public:
  Array(const Handle& parent,
        const std::string& name,
        hid_t type,
        std::vector<hsize_t> extents,
        const About& about,
        const Chunks& chunks = {});

  template <class T>
  void write(std::span<const T> values) {
    write_all(native_type<T>(), values.data(), values.size());
  }
  /// Values of one index of the first axis.
  template <class T>
  void write_row(hsize_t row, std::span<const T> values) {
    write_part(native_type<T>(), row, values.data(), values.size());
  }
  void write_texts(std::span<const std::string> values);
  [[nodiscard]] const Handle& handle() const { return data_; }

 private:
  void write_all(hid_t type, const void* values, std::size_t count);
  void write_part(hid_t type, hsize_t row, const void* values, std::size_t count);

  std::string name_;
  std::vector<hsize_t> extents_;
  Handle data_;
};

/// One-dimensional data sets.
template <class T>
void write_list(const Handle& parent,
                const std::string& name,
                std::span<const T> values,
                const About& about) {
  Array(parent, name, native_type<T>(), {values.size()}, about).write(values);
}
void write_texts(const Handle& parent,
                 const std::string& name,
                 std::span<const std::string> values,
                 const About& about);

}  // namespace qsweep::h5
