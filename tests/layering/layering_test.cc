// Reads every #include of the program against the architecture: which folder may use which, and
// which folder hides which library. The tables below are that architecture; change them only with
// it.

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include <fmt/format.h>
#include <gtest/gtest.h>

namespace qsweep {
namespace {

namespace fs = std::filesystem;
using Names = std::vector<std::string>;

/// A file or folder lies in `place` when it is that file or folder or below it.
bool lies_in(std::string_view path, std::string_view place) {
  return path.starts_with(place) && (path.size() == place.size() || path[place.size()] == '/');
}
bool lies_in_any(std::string_view path, const Names& places) {
  return std::any_of(places.begin(), places.end(),
                     [&](const std::string& place) { return lies_in(path, place); });
}

struct Module {
  std::string folder;
  Names may_use;  ///< besides itself
};

/// From the bottom to the top.
const std::vector<Module>& modules() {
  static const std::vector<Module> table = {
      {"src/base", {}},
      {"src/tensor", {"src/base"}},
      {"src/quant", {"src/base", "src/tensor"}},
      {"src/kernels", {"src/base", "src/tensor", "src/quant"}},
      {"src/graph", {"src/base", "src/tensor", "src/quant"}},
      {"src/target", {"src/base", "src/tensor", "src/quant", "src/graph"}},
      {"src/metrics", {"src/base", "src/tensor", "src/quant"}},
      {"src/results", {"src/base", "src/tensor", "src/quant", "src/metrics"}},
      {"src/exec",
       {"src/base", "src/tensor", "src/quant", "src/kernels", "src/graph", "src/target",
        "src/metrics"}},
      {"io",
       {"src/base", "src/tensor", "src/quant", "src/graph", "src/target", "src/metrics",
        "src/results"}},
      {"ranks", {"src/base"}},
      {"sweep/plan", {"src/base", "src/quant", "src/graph", "src/metrics", "src/results"}},
      {"sweep/scoring", {"src/base", "src/tensor", "src/metrics", "io/config", "io/data"}},
      {"sweep/job",
       {"src/base", "src/tensor", "src/quant", "src/kernels", "src/graph", "src/exec", "io/config",
        "src/target", "io/data", "io/onnx", "sweep/plan", "sweep/scoring"}},
      {"sweep/work",
       {"src/base", "src/tensor", "src/quant", "src/graph", "src/metrics", "src/exec",
        "src/results", "io/config", "io/fs", "io/journal", "io/store", "ranks", "sweep/job",
        "sweep/scoring"}},
      {"sweep/stages",
       {"src/base", "src/quant", "src/exec", "src/metrics", "io/config", "io/data", "io/fs",
        "ranks", "sweep/plan", "sweep/job", "sweep/scoring", "sweep/work"}},
      {"sweep/run",
       {"src/base", "src/tensor", "src/quant", "src/kernels", "src/graph", "src/metrics",
        "src/exec", "src/results", "io", "ranks", "sweep/plan", "sweep/scoring", "sweep/job",
        "sweep/work", "sweep/stages"}},
      {"src/cli", {"src", "io", "ranks", "sweep"}},
  };
  return table;
}

struct Library {
  Names headers;  ///< how its includes begin
  Names places;   ///< the only folders and files that know it
};

const std::vector<Library>& libraries() {
  static const std::vector<Library> table = {
      {{"mpi.h"}, {"ranks/mpi"}},
      {{"onnx/", "google/protobuf/"}, {"io/onnx"}},
      {{"hdf5"}, {"io/store"}},
      {{"cblas", "openblas", "dnnl", "oneapi/", "omp.h"}, {"src/kernels"}},
      {{"nlohmann/"}, {"io"}},
      {{"CLI/"}, {"src/cli"}},
      {{"yaml-cpp/"}, {"io/config"}},
      {{"spdlog/"}, {"src/base/log.cc"}},
      {{"openssl/"}, {"src/base/hash.cc"}},
  };
  return table;
}

/// What is wrong with `file` including `target`; empty when nothing is.
std::string complaint(const std::string& file, const std::string& target) {
  for (const Library& library : libraries()) {
    for (const std::string& header : library.headers) {
      if (target.starts_with(header) && !lies_in_any(file, library.places))
        return fmt::format("{} includes <{}>, which only {} may", file, target,
                           fmt::join(library.places, " and "));
    }
  }
  if (target.starts_with("fmt/") && file.ends_with(".h"))
    return fmt::format("{} includes <{}>: only .cc files format text", file, target);

  if (!lies_in_any(target, {"src", "io", "ranks", "sweep", "tests", "bench", "jobs"})) return {};
  const std::size_t detail = target.find("/detail/");
  if (detail != std::string::npos && !lies_in(file, target.substr(0, detail)))
    return fmt::format("{} includes {}, a private header", file, target);
  for (const Module& module : modules()) {
    if (!lies_in(file, module.folder)) continue;
    if (lies_in(target, module.folder) || lies_in_any(target, module.may_use)) return {};
    return fmt::format("{} includes {}, which {} may not use", file, target, module.folder);
  }
  return fmt::format("{} lies in no known module", file);
}

/// The name in an #include line, or empty for any other line. Relative quotes come back as they
/// are.
std::string included(std::string_view line) {
  const auto skip_space = [&] {
    line.remove_prefix(std::min(line.find_first_not_of(" \t"), line.size()));
  };
  skip_space();
  if (!line.starts_with('#')) return {};
  line.remove_prefix(1);
  skip_space();
  if (!line.starts_with("include")) return {};
  line.remove_prefix(7);
  skip_space();
  if (line.empty() || (line[0] != '"' && line[0] != '<')) return {};
  const std::size_t end = line.find(line[0] == '<' ? '>' : '"', 1);
  return std::string(line.substr(1, end == std::string_view::npos ? end : end - 1));
}

fs::path source_dir() {
  const char* dir = std::getenv("QSWEEP_SOURCE_DIR");
  return dir ? dir : fs::path(__FILE__).parent_path().parent_path().parent_path();
}

/// Every include of every source file below the program's folders: file -> targets.
std::map<std::string, Names> all_includes() {
  std::map<std::string, Names> includes;
  for (const char* top : {"src", "io", "ranks", "sweep"}) {
    for (const auto& entry : fs::recursive_directory_iterator(source_dir() / top)) {
      const std::string extension = entry.path().extension();
      if (extension != ".h" && extension != ".cc" && extension != ".inc") continue;
      Names& targets = includes[fs::relative(entry.path(), source_dir()).generic_string()];
      std::ifstream in(entry.path());
      for (std::string line; std::getline(in, line);) {
        if (std::string target = included(line); !target.empty()) targets.push_back(target);
      }
    }
  }
  return includes;
}

TEST(LayeringTest, every_include_of_the_tree_is_allowed) {
  const auto includes = all_includes();
  EXPECT_GT(includes.size(), 50u) << "the sources were not found below " << source_dir();
  for (const auto& [file, targets] : includes) {
    for (const std::string& target : targets) {
      const std::string problem = complaint(file, target);
      EXPECT_TRUE(problem.empty()) << problem;
    }
  }
}

TEST(LayeringTest, own_headers_are_named_from_the_repository_root) {
  for (const auto& [file, targets] : all_includes()) {
    for (const std::string& target : targets) {
      const bool relative =
          target.starts_with('.') || fs::exists((source_dir() / file).parent_path() / target);
      EXPECT_FALSE(relative) << file << " includes " << target << " by a relative path";
    }
  }
}

TEST(LayeringTest, folders_do_not_include_each_other_in_circles) {
  std::map<std::string, std::set<std::string>> uses;
  const auto folder_of = [](const std::string& path) {
    const std::string parent = fs::path(path).parent_path().generic_string();
    return parent.substr(0, parent.find("/detail"));
  };
  for (const auto& [file, targets] : all_includes()) {
    for (const std::string& target : targets) {
      const std::string from = folder_of(file), to = folder_of(target);
      if (from != to && lies_in_any(target, {"src", "io", "ranks", "sweep"})) uses[from].insert(to);
    }
  }
  std::set<std::string> done;
  const std::function<void(const std::string&, Names)> visit = [&](const std::string& folder,
                                                                   Names path) {
    const bool circle = std::find(path.begin(), path.end(), folder) != path.end();
    path.push_back(folder);
    EXPECT_FALSE(circle) << fmt::format("{}", fmt::join(path, " -> "));
    if (circle || done.contains(folder)) return;
    for (const std::string& next : uses[folder]) visit(next, path);
    done.insert(folder);
  };
  const auto start = uses;
  for (const auto& [folder, targets] : start) visit(folder, {});
}

TEST(LayeringTest, the_check_finds_what_the_architecture_forbids) {
  const std::vector<std::pair<const char*, const char*>> forbidden = {
      {"src/base/error.cc", "src/tensor/tensor.h"},
      {"src/quant/affine.h", "src/graph/graph.h"},
      {"src/graph/graph.h", "src/kernels/linear.h"},
      {"src/exec/walk.cc", "io/fs/file_system.h"},
      {"io/report/html.cc", "src/exec/walk.h"},
      {"io/data/cifar.cc", "ranks/transport.h"},
      {"ranks/worker.cc", "src/tensor/tensor.h"},
      {"src/results/views.cc", "io/report/report.h"},
      {"ranks/worker.cc", "io/journal/journal.h"},
      {"sweep/plan/pareto.cc", "io/report/report.h"},
      {"sweep/run/driver.cc", "src/cli/table.h"},
      {"src/exec/walk.cc", "src/graph/detail/edit.h"},
      {"src/exec/walk.cc", "tests/support/onnx_builder.h"},
      {"src/new/thing.cc", "src/base/error.h"},
      {"ranks/coordinator.cc", "mpi.h"},
      {"sweep/run/driver.cc", "nlohmann/json.hpp"},
      {"src/cli/command_eval.cc", "nlohmann/json.hpp"},
      {"sweep/run/driver.cc", "yaml-cpp/yaml.h"},
      {"io/report/report.h", "hdf5.h"},
      {"src/exec/bank.cc", "dnnl.hpp"},
      {"src/graph/graph.cc", "onnx/onnx_pb.h"},
      {"src/base/machine.cc", "spdlog/spdlog.h"},
      {"io/data/dataset.h", "fmt/format.h"},
  };
  for (const auto& [file, target] : forbidden) {
    EXPECT_FALSE(complaint(file, target).empty()) << file << " includes " << target;
  }
}

TEST(LayeringTest, the_check_lets_pass_what_the_architecture_allows) {
  const std::vector<std::pair<const char*, const char*>> allowed = {
      {"src/base/error.cc", "src/base/error.h"},
      {"src/base/log.cc", "spdlog/sinks/basic_file_sink.h"},
      {"src/graph/detail/edit.cc", "src/graph/detail/edit.h"},
      {"src/graph/fold_constants.cc", "src/graph/detail/edit.h"},
      {"ranks/mpi/mpi_transport.cc", "mpi.h"},
      {"io/onnx/detail/parse.cc", "onnx/onnx_pb.h"},
      {"src/cli/main.cc", "sweep/run/driver.h"},
      {"sweep/run/driver.cc", "fmt/format.h"},
      {"sweep/run/driver.cc", "vector"},
  };
  for (const auto& [file, target] : allowed) EXPECT_EQ(complaint(file, target), "");
}

TEST(LayeringTest, include_lines_are_recognised) {
  EXPECT_EQ(included("#include \"src/base/error.h\"  // why"), "src/base/error.h");
  EXPECT_EQ(included("  #  include <mpi.h>"), "mpi.h");
  EXPECT_EQ(included("// #include <mpi.h>"), "");
  EXPECT_EQ(included("#define include"), "");
  EXPECT_EQ(included("#"), "");
  EXPECT_EQ(included(""), "");
}

}  // namespace
}  // namespace qsweep
