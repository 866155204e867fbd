#include "io/store/sweep_store.h"

#include <array>
#include <cmath>
#include <csignal>
#include <functional>

#include <gtest/gtest.h>
#include <hdf5.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "src/base/error.h"

#include "io/fs/file_system.h"

#include "tests/io/temp_dir.h"
#include "tests/support/faulty_file_system.h"

namespace qsweep {
namespace {

using testing::error_text;
using testing::read_file;
using testing::TempDir;

/// A data set as it is in a file.
class Data {
 public:
  Data(hid_t file, const std::string& path) : id_(H5Dopen2(file, path.c_str(), H5P_DEFAULT)) {
    EXPECT_GE(id_, 0) << path;
  }
  ~Data() { H5Dclose(id_); }
  Data(const Data&) = delete;
  Data& operator=(const Data&) = delete;

  std::vector<hsize_t> extents() const {
    const hid_t space = H5Dget_space(id_);
    std::vector<hsize_t> sizes(static_cast<std::size_t>(H5Sget_simple_extent_ndims(space)));
    H5Sget_simple_extent_dims(space, sizes.data(), nullptr);
    H5Sclose(space);
    return sizes;
  }
  std::size_t count() const {
    std::size_t n = 1;
    for (const hsize_t extent : extents()) {
      n *= extent;
    }
    return n;
  }
  template <class T>
  std::vector<T> values(hid_t type) const {
    std::vector<T> out(count());
    EXPECT_GE(H5Dread(id_, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, out.data()), 0);
    return out;
  }
  std::vector<std::string> texts() const {
    const hid_t type = H5Dget_type(id_);
    EXPECT_GT(H5Tis_variable_str(type), 0);
    EXPECT_EQ(H5Tget_cset(type), H5T_CSET_UTF8);
    std::vector<std::string> out;
    for (char* text : values<char*>(type)) {
      out.emplace_back(text);
      H5free_memory(text);
    }
    H5Tclose(type);
    return out;
  }
  bool is_deflated() const {
    const hid_t properties = H5Dget_create_plist(id_);
    bool found = false;
    for (int i = 0; i < H5Pget_nfilters(properties); ++i) {
      unsigned flags = 0, config = 0;
      std::size_t n = 0;
      found = found || H5Pget_filter2(properties, static_cast<unsigned>(i), &flags, &n, nullptr, 0,
                                      nullptr, &config) == H5Z_FILTER_DEFLATE;
    }
    H5Pclose(properties);
    return found;
  }

 private:
  hid_t id_;
};

class Reader {
 public:
  explicit Reader(const std::filesystem::path& path)
      : id_(H5Fopen(path.c_str(), H5F_ACC_RDONLY, H5P_DEFAULT)) {
    EXPECT_GE(id_, 0) << path;
  }
  ~Reader() { H5Fclose(id_); }
  Reader(const Reader&) = delete;
  Reader& operator=(const Reader&) = delete;

  Data data(const std::string& path) const { return {id_, path}; }
  std::vector<double> numbers(const std::string& path) const {
    return data(path).values<double>(H5T_NATIVE_DOUBLE);
  }
  std::vector<std::int64_t> integers(const std::string& path) const {
    return data(path).values<std::int64_t>(H5T_NATIVE_INT64);
  }
  std::vector<std::string> texts(const std::string& path) const { return data(path).texts(); }
  bool has(const std::string& path) const { return H5Lexists(id_, path.c_str(), H5P_DEFAULT) > 0; }
  std::string text_attribute(const std::string& object, const std::string& name) const {
    std::string value;
    with_attribute(object, name, [&](hid_t attribute) {
      const hid_t type = H5Aget_type(attribute);
      char* text = nullptr;
      EXPECT_GE(H5Aread(attribute, type, static_cast<void*>(&text)), 0);
      value = text;
      H5free_memory(text);
      H5Tclose(type);
    });
    return value;
  }
  double number_attribute(const std::string& object, const std::string& name) const {
    double value = 0;
    with_attribute(object, name, [&](hid_t attribute) {
      EXPECT_GE(H5Aread(attribute, H5T_NATIVE_DOUBLE, &value), 0);
    });
    return value;
  }
  /// Calls `visit` with the path of every data set that is in this file.
  void for_each_data_set(const std::function<void(const std::string&)>& visit) const {
    const auto forward = [](hid_t, const char* name, const H5O_info_t* info,
                            void* function) -> herr_t {
      if (info->type == H5O_TYPE_DATASET) {
        (*static_cast<const std::function<void(const std::string&)>*>(function))(name);
      }
      return 0;
    };
    H5Ovisit2(id_, H5_INDEX_NAME, H5_ITER_INC, forward,
              const_cast<void*>(static_cast<const void*>(&visit)), H5O_INFO_BASIC);
  }

 private:
  // The object is opened first: H5Aopen_by_name of HDF5 1.10 reads text behind an external link
  // wrongly.
  void with_attribute(const std::string& path,
                      const std::string& name,
                      const std::function<void(hid_t)>& use) const {
    const hid_t object = H5Oopen(id_, path.c_str(), H5P_DEFAULT);
    const hid_t attribute = H5Aopen(object, name.c_str(), H5P_DEFAULT);
    ASSERT_GE(attribute, 0) << path << " " << name;
    use(attribute);
    H5Aclose(attribute);
    H5Oclose(object);
  }

  hid_t id_;
};

/// Two layers, a baseline and two schemes of which one failed, two classes, three images.
RunResults small_results() {
  RunResults r;
  r.model.path = "models/net.onnx";
  r.model.sha256 = "abc";
  r.model.macs = 123;
  r.calibration.images = 2;
  r.calibration.sample_ids = {4, 7};
  r.evaluation.images = 3;
  r.evaluation.sample_ids = {0, 1, 2};
  r.class_names = {"cat", "Hündin"};
  r.precisions = {"FP32", "W8A8"};
  r.provenance = {{"seed", "42"}, {"config", std::string(100'000, 'c')}, {"task", "ignored"}};
  r.remarks = {"a remark"};
  r.layers = {{.name = "/a/conv",
               .op = "Conv",
               .group = "a",
               .weight_shape = "4x3x3x3",
               .output_shape = "4x8x8",
               .macs = 100,
               .parameters = 112,
               .depthwise = true},
              {.name = "fc",
               .op = "Gemm",
               .group = "fc",
               .weight_shape = "2x4",
               .output_shape = "2",
               .macs = 8,
               .parameters = 10,
               .depthwise = false}};
  r.calibration_stats = {
      {.tensor = "/a/in",
       .layer = "/a/conv",
       .min = -1.5f,
       .max = 2.0f,
       .histogram = {1, 0, 5},
       .images = 2},
      {.tensor = "_a_in", .layer = "fc", .min = 0.0f, .max = 1.0f, .histogram = {}, .images = 2}};
  RunResults::Sensitivity s;
  s.layer = "/a/conv";
  s.precision = "W8A8";
  s.mode = "only";
  s.kl = 0.25;
  s.sqnr_db = std::numeric_limits<double>::infinity();
  s.size_cost = 108;
  s.rank = 1;
  r.sensitivity = {s};
  r.baseline.id = "base";
  r.baseline.name = "float";
  r.baseline.images = 3;
  r.baseline.metric = 1.0;
  r.baseline.predictions = {0, 1, 1};
  r.baseline.class_metric = {1.0, 1.0};
  r.baseline.confusion = {1, 0, 0, 2};
  RunResults::Evaluation probe;
  probe.kind = "sensitivity";
  probe.id = "probe";
  probe.precision = {1, 0};
  RunResults::Evaluation good;
  good.kind = "scheme";
  good.id = "good";
  good.text = "*=W8A8";
  good.precision = {1, 1};
  good.images = 3;
  good.metric = 2.0 / 3.0;
  good.ci_low = 0.2;
  good.ci_high = 0.9;
  good.size_bytes = 500;
  good.latency_ms = 1.5;
  good.latency_source = "measured";
  good.on_front = true;
  good.predictions = {0, 0, 1};
  good.class_metric = {1.0, 0.5};
  good.confusion = {1, 0, 1, 1};
  RunResults::Evaluation bad;
  bad.kind = "scheme";
  bad.id = "bad";
  bad.precision = {0, 1};
  bad.status = "failed";
  bad.reason = "NaN in fc";
  r.evaluations = {probe, good, bad};
  r.latency = {
      {.layer = "fc", .precision = "W8A8", .source = "measured", .kernel = "vnni", .ms = 0.5}};
  r.latency_device = "here";
  r.latency_other_ms = 0.25;
  r.ledger.tasks = {{.stage = "sweep",
                     .key = "good/0",
                     .rank = 3,
                     .start_s = 1.0,
                     .seconds = 2.0,
                     .bytes = 64,
                     .work = 3e9,
                     .work_without_reuse = 8e9}};
  return r;
}

Tensor ramp(const Shape& shape, float first) {
  Tensor tensor(DType::f32, shape);
  for (float& value : tensor.mutable_data<float>()) {
    value = first++;
  }
  return tensor;
}

TEST(SweepStoreTest, tables_have_a_column_per_data_set) {
  const TempDir folder;
  const auto path = folder.path() / "sweep.h5";
  write_sweep_store(real_file_system(), path, small_results(), {});
  const Reader file(path);
  using Texts = std::vector<std::string>;
  using Integers = std::vector<std::int64_t>;
  EXPECT_EQ(file.text_attribute("/", "format"), "qsweep sweep store");
  EXPECT_EQ(file.texts("/layers/name"), (Texts{"/a/conv", "fc"}));
  EXPECT_EQ(file.integers("/layers/macs"), (Integers{100, 8}));
  EXPECT_EQ(file.integers("/layers/depthwise"), (Integers{1, 0}));
  EXPECT_EQ(file.texts("/sensitivity/layer"), Texts{"/a/conv"});
  EXPECT_EQ(file.numbers("/sensitivity/kl"), std::vector{0.25});
  EXPECT_TRUE(std::isinf(file.numbers("/sensitivity/sqnr_db").at(0)));
  EXPECT_EQ(file.integers("/sensitivity/size_cost"), Integers{108});
  EXPECT_EQ(file.text_attribute("/sensitivity", "base"), "FP32");
  EXPECT_EQ(file.numbers("/latency/ms"), std::vector{0.5});
  EXPECT_EQ(file.text_attribute("/latency", "device"), "here");
  EXPECT_EQ(file.number_attribute("/latency", "other_ms"), 0.25);
  EXPECT_EQ(file.integers("/tasks/rank"), Integers{3});
  EXPECT_EQ(file.numbers("/tasks/seconds"), std::vector{2.0});
  EXPECT_EQ(file.numbers("/tasks/work"), std::vector{3e9});
  EXPECT_EQ(file.numbers("/tasks/work_without_reuse"), std::vector{8e9});
}

TEST(SweepStoreTest, meta_holds_digests_versions_and_configuration) {
  const TempDir folder;
  const auto path = folder.path() / "sweep.h5";
  write_sweep_store(real_file_system(), path, small_results(), {});
  const Reader file(path);
  EXPECT_EQ(file.text_attribute("/meta", "model_sha256"), "abc");
  EXPECT_EQ(file.text_attribute("/meta", "seed"), "42");
  EXPECT_EQ(file.text_attribute("/meta", "config"), std::string(100'000, 'c'));
  EXPECT_EQ(file.text_attribute("/meta", "task"), "classification");
  EXPECT_EQ(file.number_attribute("/meta", "model_macs"), 123);
  EXPECT_EQ(file.number_attribute("/meta", "confidence"), 0.95);
  EXPECT_EQ(file.texts("/meta/class_names"), (std::vector<std::string>{"cat", "Hündin"}));
  EXPECT_EQ(file.integers("/meta/calibration_samples"), (std::vector<std::int64_t>{4, 7}));
}

TEST(SweepStoreTest, schemes_start_with_the_float_model_and_leave_out_probes) {
  const TempDir folder;
  const auto path = folder.path() / "sweep.h5";
  write_sweep_store(real_file_system(), path, small_results(), {});
  const Reader file(path);
  EXPECT_EQ(file.texts("/schemes/id"), (std::vector<std::string>{"base", "good", "bad"}));
  EXPECT_EQ(file.texts("/schemes/status"), (std::vector<std::string>{"ok", "ok", "failed"}));
  EXPECT_EQ(file.integers("/schemes/front"), (std::vector<std::int64_t>{0, 1, 0}));
  EXPECT_EQ(file.data("/schemes/precision").extents(), (std::vector<hsize_t>{3, 2}));
  EXPECT_EQ(file.integers("/schemes/precision"), (std::vector<std::int64_t>{0, 0, 1, 1, 0, 1}));
  const auto metric = file.numbers("/schemes/metric");
  EXPECT_EQ(metric[1], 2.0 / 3.0);
  EXPECT_TRUE(std::isnan(metric[2])) << "nothing was evaluated";
  const auto latency = file.numbers("/schemes/latency_ms");
  EXPECT_TRUE(std::isnan(latency[0])) << "not measured";
  EXPECT_EQ(latency[1], 1.5);
}

TEST(SweepStoreTest, sensitivity_names_its_base) {
  const TempDir folder;
  RunResults results = small_results();
  results.sensitivity_base = results.baseline;
  results.sensitivity_base->name = "W8A8";
  write_sweep_store(real_file_system(), folder.path() / "sweep.h5", results, {});
  EXPECT_EQ(Reader(folder.path() / "sweep.h5").text_attribute("/sensitivity", "base"), "W8A8");
}

TEST(SweepStoreTest, a_float_scheme_of_the_sweep_is_not_repeated) {
  const TempDir folder;
  RunResults results = small_results();
  results.evaluations[2].id = "base";
  write_sweep_store(real_file_system(), folder.path() / "sweep.h5", results, {});
  const Reader file(folder.path() / "sweep.h5");
  EXPECT_EQ(file.texts("/schemes/id"), (std::vector<std::string>{"good", "base"}));
}

TEST(SweepStoreTest, per_image_results_are_compressed_and_padded) {
  const TempDir folder;
  const auto path = folder.path() / "sweep.h5";
  write_sweep_store(real_file_system(), path, small_results(), {});
  const Reader file(path);
  EXPECT_EQ(file.data("/predictions").extents(), (std::vector<hsize_t>{3, 3}));
  EXPECT_TRUE(file.data("/predictions").is_deflated());
  EXPECT_EQ(file.integers("/predictions"),
            (std::vector<std::int64_t>{0, 1, 1, 0, 0, 1, -1, -1, -1}));
  EXPECT_EQ(file.data("/per_class").extents(), (std::vector<hsize_t>{3, 2}));
  EXPECT_EQ(file.numbers("/per_class")[3], 0.5);
  EXPECT_TRUE(std::isnan(file.numbers("/per_class")[4]));
  EXPECT_EQ(file.data("/confusion").extents(), (std::vector<hsize_t>{3, 2, 2}));
  EXPECT_EQ(file.integers("/confusion"),
            (std::vector<std::int64_t>{1, 0, 0, 2, 1, 0, 1, 1, -1, -1, -1, -1}));
}

TEST(SweepStoreTest, calibration_groups_keep_names_apart_that_a_slash_would_merge) {
  const TempDir folder;
  const auto path = folder.path() / "sweep.h5";
  write_sweep_store(real_file_system(), path, small_results(), {});
  const Reader file(path);
  EXPECT_EQ(file.text_attribute("/calibration/_a_in", "tensor"), "/a/in");
  EXPECT_EQ(file.numbers("/calibration/_a_in/range"), (std::vector<double>{-1.5, 2.0}));
  EXPECT_EQ(file.integers("/calibration/_a_in/histogram"), (std::vector<std::int64_t>{1, 0, 5}));
  EXPECT_EQ(file.text_attribute("/calibration/_a_in~2", "tensor"), "_a_in");
  EXPECT_FALSE(file.has("/calibration/_a_in~2/histogram"));
}

TEST(SweepStoreTest, every_data_set_says_its_units_and_meaning) {
  const TempDir folder;
  const auto path = folder.path() / "sweep.h5";
  const auto part = folder.path() / "rank-0.h5";
  write_sweep_store(real_file_system(), path, small_results(), {});
  write_activation_part(real_file_system(), part, {{"/a/conv", ramp({1, 2}, 0), ramp({1, 2}, 1)}});
  std::size_t seen = 0;
  for (const auto& name : {path, part}) {
    const Reader file(name);
    file.for_each_data_set([&](const std::string& object) {
      EXPECT_NE(file.text_attribute(object, "units"), "") << object;
      EXPECT_NE(file.text_attribute(object, "description"), "") << object;
      ++seen;
    });
  }
  EXPECT_GT(seen, 70u);
}

TEST(SweepStoreTest, results_without_anything_still_make_a_file) {
  const TempDir folder;
  write_sweep_store(real_file_system(), folder.path() / "new" / "sweep.h5", {}, {});
  const Reader file(folder.path() / "new" / "sweep.h5");
  EXPECT_TRUE(file.texts("/schemes/id").empty());
  EXPECT_FALSE(file.has("/predictions"));
}

TEST(SweepStoreTest, equal_results_give_equal_bytes) {
  const TempDir folder;
  write_sweep_store(real_file_system(), folder.path() / "a.h5", small_results(), {});
  ::sleep(1);  // a time in the file would show
  write_sweep_store(real_file_system(), folder.path() / "b.h5", small_results(), {});
  EXPECT_EQ(read_file(folder.path() / "a.h5"), read_file(folder.path() / "b.h5"));
}

TEST(SweepStoreTest, activations_of_all_ranks_are_reached_through_the_main_file) {
  const TempDir folder;
  const auto part0 = folder.path() / "run/activations/rank-0.h5";
  const auto part1 = folder.path() / "run/activations/rank-1.h5";
  write_activation_part(real_file_system(), part0,
                        {{"/a/conv", ramp({2, 1, 2, 2}, 0), ramp({2, 1, 2, 2}, 100)}});
  const Tensor nhwc = ramp({1, 2, 2, 1}, 0).to_layout(Layout::channels_last);
  write_activation_part(real_file_system(), part1, {{"_a_conv", nhwc, {}}});
  write_sweep_store(real_file_system(), folder.path() / "run/sweep.h5", small_results(),
                    {part0, part1});
  // Links are relative: the run can be moved.
  std::filesystem::rename(folder.path() / "run", folder.path() / "moved");
  const Reader file(folder.path() / "moved/sweep.h5");
  EXPECT_EQ(file.text_attribute("/activations/_a_conv", "layer"), "/a/conv");
  EXPECT_EQ(file.data("/activations/_a_conv/float").extents(), (std::vector<hsize_t>{2, 1, 2, 2}));
  EXPECT_EQ(file.numbers("/activations/_a_conv/quantized")[7], 107.0);
  EXPECT_EQ(file.text_attribute("/activations/_a_conv~2", "layer"), "_a_conv");
  EXPECT_EQ(file.numbers("/activations/_a_conv~2/float"), (std::vector<double>{0, 1, 2, 3}));
  EXPECT_FALSE(file.has("/activations/_a_conv~2/quantized"));
}

TEST(SweepStoreTest, wrong_part_files_are_named) {
  const TempDir folder;
  const auto part = folder.path() / "rank-0.h5";
  const auto same = folder.path() / "rank-1.h5";
  const auto store = folder.path() / "sweep.h5";
  write_activation_part(real_file_system(), part, {{"a", ramp({1, 1}, 0), {}}});
  write_activation_part(real_file_system(), same, {{"a", ramp({1, 1}, 0), {}}});
  const auto text = [&](const std::vector<std::filesystem::path>& parts) {
    return error_text<Error>(
        [&] { write_sweep_store(real_file_system(), store, small_results(), parts); });
  };
  EXPECT_EQ(text({part, same}),
            "the activations of layer 'a' are in two part files [" + same.string() + "]");
  const auto cut = folder.write("cut.h5", read_file(part).substr(0, 300));
  const std::string message = text({cut});
  EXPECT_TRUE(message.starts_with("HDF5 cannot open the file: ")) << message;
  EXPECT_TRUE(message.ends_with("[" + cut.string() + "]")) << message;
  EXPECT_FALSE(std::filesystem::exists(store));
}

/// Runs `action` in a child process that may write files of at most `bytes`; its exit status.
int with_file_limit(rlim_t bytes, const std::function<int()>& action) {
  const pid_t child = ::fork();
  if (child == 0) {
    std::signal(SIGXFSZ, SIG_IGN);
    const rlimit limit{bytes, bytes};
    ::setrlimit(RLIMIT_FSIZE, &limit);
    ::_exit(action());
  }
  int status = 0;
  EXPECT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFEXITED(status));
  return WEXITSTATUS(status);
}

TEST(SweepStoreTest, a_full_disk_is_an_error_and_leaves_the_old_file) {
  const TempDir folder;
  const auto store = folder.path() / "sweep.h5";
  const auto part = folder.path() / "rank-0.h5";
  write_sweep_store(real_file_system(), store, small_results(), {});
  write_activation_part(real_file_system(), part, {{"a", ramp({1, 1}, 0), {}}});
  const std::string old_store = read_file(store);
  const std::string old_part = read_file(part);

  RunResults larger = small_results();
  larger.remarks.assign(1000, "another remark");
  const auto fails_as_io = [](const std::function<void()>& write) {
    try {
      write();
    } catch (const Error& error) {
      return error.code() == ErrorCode::io ? 7 : 1;
    }
    return 0;
  };
  for (const rlim_t limit : {rlim_t{0}, rlim_t{1}, rlim_t{4096}, rlim_t{40'000}}) {
    EXPECT_EQ(with_file_limit(limit,
                              [&] {
                                return fails_as_io([&] {
                                  write_sweep_store(real_file_system(), store, larger, {});
                                });
                              }),
              7)
        << limit;
  }
  EXPECT_EQ(
      with_file_limit(
          1000,
          [&] {
            return fails_as_io([&] {
              write_activation_part(real_file_system(), part, {{"b", ramp({4, 4096}, 0), {}}});
            });
          }),
      7);
  EXPECT_EQ(read_file(store), old_store);
  EXPECT_EQ(read_file(part), old_part);
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(folder.path()), {}), 2)
      << "nothing may be left behind";
}

TEST(SweepStoreTest, every_failing_operation_is_one_error_and_leaves_an_old_or_a_new_file) {
  const TempDir folder;
  const auto store = folder.path() / "sweep.h5";
  const auto part = folder.path() / "parts" / "rank-0.h5";
  const auto write = [&](FileSystem& files, const std::string& remark, float first) {
    RunResults results = small_results();
    results.remarks = {remark};
    write_activation_part(files, part, {{"a", ramp({1, 4}, first), {}}});
    write_sweep_store(files, store, results, {});
  };
  write(real_file_system(), "new", 9.0f);
  const std::string new_store = read_file(store), new_part = read_file(part);
  bool is_clean = false;
  for (int at = 1; !is_clean; ++at) {
    ASSERT_LT(at, 20);
    write(real_file_system(), "old", 1.0f);
    const std::string old_store = read_file(store), old_part = read_file(part);
    testing::FaultyFileSystem files(real_file_system(), testing::Fault::fails, at);
    const std::string text = error_text<Error>([&] { write(files, "new", 9.0f); });
    is_clean = !files.has_broken();
    EXPECT_EQ(text.empty(), is_clean) << at;
    EXPECT_TRUE(read_file(store) == (is_clean ? new_store : old_store)) << at;
    EXPECT_TRUE(read_file(part) == old_part || read_file(part) == new_part) << at;
    EXPECT_EQ(std::distance(std::filesystem::recursive_directory_iterator(folder.path()), {}), 3);
  }
}

}  // namespace
}  // namespace qsweep
