#include <filesystem>
#include <fstream>

#include <gtest/gtest.h>
#include <unistd.h>

#include "src/base/hash.h"

#include "io/onnx/import.h"

#include "tests/support/onnx_builder.h"

namespace qsweep {
namespace {

using testing::OnnxBuilder;
namespace fs = std::filesystem;

/// A folder with `secret.bin` and, inside it, `model/weights.bin` (floats 0..7).
class ExternalDataTest : public ::testing::Test {
 protected:
  ExternalDataTest()
      : root_(fs::canonical(fs::temp_directory_path()) /
              ("qsweep_external_" + std::to_string(::getpid()))) {
    fs::create_directories(root_ / "model" / "sub");
    write(root_ / "secret.bin");
    write(root_ / "model" / "weights.bin");
    write(root_ / "model" / "sub" / "weights.bin");
  }
  ~ExternalDataTest() override { fs::remove_all(root_); }

  using Entries = std::vector<std::pair<std::string, std::string>>;

  /// Imports a model whose 3-element constant `c` lies outside the file.
  [[nodiscard]] ImportedModel import(const Entries& entries, int type = 1) const {
    OnnxBuilder b;
    b.input("x", {3});
    auto& tensor = b.tensor("c", type, {3});
    tensor.set_data_location(onnx::TensorProto::EXTERNAL);
    for (const auto& [key, value] : entries) {
      auto* entry = tensor.add_external_data();
      entry->set_key(key);
      entry->set_value(value);
    }
    b.node("Add", {"x", "c"}, {"y"});
    b.output("y");
    std::ofstream(root_ / "model" / "m.onnx") << b.bytes();
    return import_onnx(root_ / "model" / "m.onnx");
  }
  [[nodiscard]] std::string message(const Entries& entries) const {
    try {
      static_cast<void>(import(entries));
    } catch (const Error& error) {
      EXPECT_NE(error.where().find("tensor 'c'"), std::string::npos);
      return error.message();
    }
    return "accepted";
  }

  fs::path root_;

 private:
  static void write(const fs::path& path) {
    const float elements[8] = {0, 1, 2, 3, 4, 5, 6, 7};
    std::ofstream(path, std::ios::binary)
        .write(reinterpret_cast<const char*>(elements), sizeof elements);
  }
};

TEST_F(ExternalDataTest, reads_a_range_of_a_file_beside_the_model) {
  for (const char* location :
       {"weights.bin", "sub/weights.bin", "sub/../weights.bin", "./weights.bin"}) {
    const ImportedModel m = import({{"location", location}, {"offset", "8"}, {"length", "12"}});
    const Tensor c = m.graph.value(m.graph.find_value("c").value()).constant.value();
    EXPECT_EQ(std::vector<float>(c.data<float>().begin(), c.data<float>().end()),
              (std::vector<float>{2, 3, 4}));
    EXPECT_EQ(m.external_sha256, sha256_hex(ByteView(std::as_bytes(c.data<float>()))));
  }
}

TEST_F(ExternalDataTest, four_bit_values_are_unpacked) {
  const ImportedModel m = import({{"location", "weights.bin"}, {"offset", "6"}}, 22);
  const Tensor c = m.graph.value(m.graph.find_value("c").value()).constant.value();
  // Bytes 6 and 7 are the high half of the float 1.0: 0x80 0x3F.
  EXPECT_EQ(std::vector<int>(c.data<std::int8_t>().begin(), c.data<std::int8_t>().end()),
            (std::vector<int>{0, -8, -1}));
}

TEST_F(ExternalDataTest, nothing_outside_the_folder_is_read) {
  fs::create_symlink(root_ / "secret.bin", root_ / "model" / "link.bin");
  const std::string outside = " lies outside the model's folder";
  EXPECT_EQ(message({{"location", "../secret.bin"}}), "external data '../secret.bin'" + outside);
  EXPECT_EQ(message({{"location", "sub/../../secret.bin"}}),
            "external data 'sub/../../secret.bin'" + outside);
  EXPECT_EQ(message({{"location", "link.bin"}}), "external data 'link.bin'" + outside);
  const std::string absolute = (root_ / "model" / "weights.bin").string();
  EXPECT_EQ(message({{"location", absolute}}),
            "external data '" + absolute + "' is not a file beside the model");
  EXPECT_EQ(message({}), "external data '' is not a file beside the model");
}

TEST_F(ExternalDataTest, sizes_are_checked) {
  const std::string file = (root_ / "model" / "weights.bin").string();
  EXPECT_EQ(message({{"location", "weights.bin"}, {"offset", "24"}}),
            "external data file '" + file + "' has 32 bytes, but 12 are expected at offset 24");
  EXPECT_EQ(message({{"location", "weights.bin"}, {"offset", "18446744073709551615"}}),
            "external data file '" + file +
                "' has 32 bytes, but 12 are expected at offset 18446744073709551615");
  EXPECT_EQ(message({{"location", "weights.bin"}, {"length", "16"}}),
            "external data has 16 bytes, but its extents need 12");
  EXPECT_EQ(message({{"location", "weights.bin"}, {"offset", "-4"}}),
            "external data has the offset or length '-4'");
  EXPECT_EQ(message({{"location", "sub"}}),
            "external data file '" + (root_ / "model" / "sub").string() + "' is missing");
  EXPECT_EQ(message({{"location", "none.bin"}}),
            "external data file '" + (root_ / "model" / "none.bin").string() + "' is missing");
}

}  // namespace
}  // namespace qsweep
