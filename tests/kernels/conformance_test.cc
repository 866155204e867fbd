// Runs the cases that ONNX publishes for its backends (Debian: libonnx-testdata): single operators,
// and small models converted from PyTorch. Each case must either give the expected outputs or be
// refused as unsupported; a wrong value, another error or a crash fails. QSWEEP_ONNX_CASES names
// another folder that holds node, simple, pytorch-converted and pytorch-operator.

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <map>
#include <optional>
#include <set>

#include <gtest/gtest.h>
#include <onnx/onnx_pb.h>

#include "src/kernels/ops.h"

namespace qsweep {
namespace {

namespace fs = std::filesystem;

fs::path cases_folder() {
  const char* chosen = std::getenv("QSWEEP_ONNX_CASES");
  return chosen != nullptr ? chosen : "/usr/share/libonnx-testdata/data";
}

/// What the case holds that is not a plain numeric tensor (strings, sequences, subgraphs).
struct NotATensor {};

DType dtype_of(std::int32_t type) {
  using onnx::TensorProto;
  switch (type) {
    case TensorProto::FLOAT:
      return DType::f32;
    case TensorProto::DOUBLE:
      return DType::f64;
    case TensorProto::FLOAT16:
      return DType::f16;
    case TensorProto::BFLOAT16:
      return DType::bf16;
    case TensorProto::INT8:
      return DType::i8;
    case TensorProto::UINT8:
      return DType::u8;
    case TensorProto::INT16:
      return DType::i16;
    case TensorProto::UINT16:
      return DType::u16;
    case TensorProto::INT32:
      return DType::i32;
    case TensorProto::UINT32:
      return DType::u32;
    case TensorProto::INT64:
      return DType::i64;
    case TensorProto::UINT64:
      return DType::u64;
    case TensorProto::BOOL:
      return DType::boolean;
    default:
      throw NotATensor{};
  }
}

template <class T, class Field>
void fill(Tensor& tensor, const Field& field) {
  const auto out = tensor.mutable_data<T>();
  ASSERT_EQ(field.size(), static_cast<int>(out.size()));
  std::transform(field.begin(), field.end(), out.begin(),
                 [](auto value) { return static_cast<T>(value); });
}

Tensor read_tensor(const onnx::TensorProto& proto) {
  Tensor tensor(dtype_of(proto.data_type()), Shape(proto.dims().begin(), proto.dims().end()));
  if (proto.has_raw_data()) {
    EXPECT_EQ(proto.raw_data().size(), tensor.bytes());
    std::memcpy(tensor.mutable_raw(), proto.raw_data().data(), tensor.bytes());
    return tensor;
  }
  switch (tensor.dtype()) {
    case DType::f32:
      fill<float>(tensor, proto.float_data());
      break;
    case DType::f64:
      fill<double>(tensor, proto.double_data());
      break;
    case DType::i64:
      fill<std::int64_t>(tensor, proto.int64_data());
      break;
    case DType::u32:
      fill<std::uint32_t>(tensor, proto.uint64_data());
      break;
    case DType::u64:
      fill<std::uint64_t>(tensor, proto.uint64_data());
      break;
    case DType::i32:
      fill<std::int32_t>(tensor, proto.int32_data());
      break;
    default:
      if (element_bytes(tensor.dtype()) == 1)
        fill<std::uint8_t>(tensor, proto.int32_data());
      else
        fill<std::uint16_t>(tensor, proto.int32_data());
  }
  return tensor;
}

/// The files hold bfloat16 as uint16: the model says what the bits are.
Tensor read_declared(const onnx::ValueInfoProto& declared, const fs::path& path) {
  if (!declared.type().has_tensor_type()) throw NotATensor{};
  const DType dtype = dtype_of(declared.type().tensor_type().elem_type());
  onnx::TensorProto proto;
  std::ifstream in(path, std::ios::binary);
  EXPECT_TRUE(proto.ParseFromIstream(&in)) << path;
  const Tensor tensor = read_tensor(proto);
  return tensor.dtype() == DType::u16 ? tensor.reinterpreted(dtype) : tensor;
}

Attributes read_attributes(const onnx::NodeProto& node) {
  Attributes attributes;
  for (const onnx::AttributeProto& a : node.attribute()) {
    switch (a.type()) {
      case onnx::AttributeProto::INT:
        attributes.set(a.name(), std::int64_t{a.i()});
        break;
      case onnx::AttributeProto::FLOAT:
        attributes.set(a.name(), a.f());
        break;
      case onnx::AttributeProto::STRING:
        attributes.set(a.name(), a.s());
        break;
      case onnx::AttributeProto::INTS:
        attributes.set(a.name(), std::vector<std::int64_t>(a.ints().begin(), a.ints().end()));
        break;
      case onnx::AttributeProto::FLOATS:
        attributes.set(a.name(), std::vector<float>(a.floats().begin(), a.floats().end()));
        break;
      case onnx::AttributeProto::STRINGS:
        attributes.set(a.name(), std::vector<std::string>(a.strings().begin(), a.strings().end()));
        break;
      case onnx::AttributeProto::TENSOR:
        attributes.set(a.name(), read_tensor(a.t()));
        break;
      default:
        throw NotATensor{};
    }
  }
  return attributes;
}

/// ONNX's own backend tolerances: relative 1e-3, absolute 1e-7; integers equal.
template <class T>
std::optional<std::string> difference(const Tensor& got, const Tensor& want) {
  const auto a = got.data<T>();
  const auto b = want.data<T>();
  for (std::size_t i = 0; i < a.size(); ++i) {
    bool same = a[i] == b[i];
    if constexpr (std::is_floating_point_v<T>) {
      same = same || (std::isnan(a[i]) && std::isnan(b[i])) ||
             std::fabs(a[i] - b[i]) <= T{1e-7f} + T{1e-3f} * std::fabs(b[i]);
    }
    if (!same)
      return "element " + std::to_string(i) + " is " + std::to_string(a[i]) + ", not " +
             std::to_string(b[i]);
  }
  return std::nullopt;
}

std::optional<std::string> difference(const Tensor& result, const Tensor& want) {
  const Tensor got = result.to_layout(Layout::row_major);
  if (got.dtype() != want.dtype())
    return "type is " + std::string(name_of(got.dtype())) + ", not " +
           std::string(name_of(want.dtype()));
  if (got.shape() != want.shape())
    return "shape is " + to_string(got.shape()) + ", not " + to_string(want.shape());
  if (want.dtype() == DType::f32) return difference<float>(got, want);
  if (want.dtype() == DType::f64) return difference<double>(got, want);
  switch (element_bytes(want.dtype())) {
    case 1:
      return difference<std::uint8_t>(got, want);
    case 2:
      return difference<std::uint16_t>(got, want);
    case 4:
      return difference<std::int32_t>(got, want);
    default:
      return difference<std::int64_t>(got, want);
  }
}

/// Cases that contradict the spec's text: these cut float32 to bfloat16 where Cast rounds to
/// nearest.
const std::set<std::string> kErrata = {"test_cast_FLOAT_to_BFLOAT16",
                                       "test_castlike_FLOAT_to_BFLOAT16",
                                       "test_castlike_FLOAT_to_BFLOAT16_expanded"};

enum class Outcome { passed, refused, failed };
struct Verdict {
  Outcome outcome = Outcome::passed;
  std::string reason{};
  std::string unknown{};  ///< the operator, where none of ours
};

/// @param channels_last gives operands of rank >= 3 in that layout: the answer must not depend on
/// it
Verdict run_case(const fs::path& folder, bool channels_last) {
  onnx::ModelProto model;
  std::ifstream in(folder / "model.onnx", std::ios::binary);
  if (!model.ParseFromIstream(&in)) return {Outcome::failed, "cannot be parsed"};
  const onnx::GraphProto& graph = model.graph();
  const auto opset_of = [&](const onnx::NodeProto& node) {
    for (const auto& import : model.opset_import()) {
      if (import.domain() == node.domain()) return static_cast<int>(import.version());
    }
    return 1;  // models before opsets were declared
  };
  Verdict verdict;
  for (const onnx::NodeProto& node : graph.node()) {
    if (!is_supported(node.op_type(), node.domain(), opset_of(node)))
      verdict.unknown = node.op_type();
  }
  try {
    const auto laid_out = [&](const Tensor& value) {
      return channels_last ? value.to_layout(Layout::channels_last) : value;
    };
    const fs::path data = folder / "test_data_set_0";
    std::map<std::string, Tensor> values;
    for (const onnx::TensorProto& constant : graph.initializer())
      values[constant.name()] = laid_out(read_tensor(constant));
    int file = 0;
    for (const onnx::ValueInfoProto& declared : graph.input()) {
      if (values.contains(declared.name())) continue;
      const std::string name = "input_" + std::to_string(file++) + ".pb";
      values[declared.name()] = laid_out(read_declared(declared, data / name));
    }
    for (const onnx::NodeProto& node : graph.node()) {
      std::vector<Tensor> inputs;
      for (const std::string& name : node.input())
        inputs.push_back(name.empty() ? Tensor() : values.at(name));
      const Attributes attributes = read_attributes(node);
      const OpCall call{node.op_type(), node.domain(),      opset_of(node),
                        attributes,     node.output_size(), "n"};
      const std::vector<Tensor> outputs = run_op(call, inputs);
      for (int i = 0; i < node.output_size(); ++i) {
        if (!node.output(i).empty())
          values[node.output(i)] = outputs.at(static_cast<std::size_t>(i));
      }
    }
    for (int i = 0; i < graph.output_size(); ++i) {
      const std::string name = "output_" + std::to_string(i) + ".pb";
      const Tensor want = read_declared(graph.output(i), data / name);
      if (const auto text = difference(values.at(graph.output(i).name()), want))
        return {Outcome::failed, "output " + std::to_string(i) + ": " + *text};
    }
  } catch (const Error& error) {
    verdict.outcome = error.code() == ErrorCode::unsupported ? Outcome::refused : Outcome::failed;
    verdict.reason = error.what();
  } catch (const NotATensor&) {
    verdict.outcome = Outcome::refused;
    verdict.reason = "operands are not numeric tensors";
  }
  return verdict;
}

void check_all_cases(const std::string& set, int least_passed, bool channels_last) {
  const fs::path root = cases_folder() / set;
  if (!fs::exists(root))
    GTEST_SKIP() << "no ONNX cases in " << root << ": install libonnx-testdata";
  std::vector<fs::path> folders;
  for (const auto& entry : fs::directory_iterator(root)) folders.push_back(entry.path());
  std::ranges::sort(folders);
  int passed = 0, refused = 0, failed = 0;
  std::set<std::string> unknown;
  for (const fs::path& folder : folders) {
    if (kErrata.contains(folder.filename().string())) continue;
    const Verdict verdict = run_case(folder, channels_last);
    switch (verdict.outcome) {
      case Outcome::passed:
        ++passed;
        break;
      case Outcome::refused:
        ++refused;
        if (verdict.unknown.empty())
          std::cout << "refused " << folder.filename().string() << ": " << verdict.reason << "\n";
        else
          unknown.insert(verdict.unknown);
        break;
      case Outcome::failed:
        ++failed;
        ADD_FAILURE() << folder.filename().string() << ": " << verdict.reason;
        break;
    }
  }
  std::cout << folders.size() << " cases: " << passed << " passed, " << refused << " refused, "
            << failed << " failed\n";
  std::cout << "operators without a kernel:";
  for (const std::string& op : unknown) std::cout << " " << op;
  std::cout << "\n";
  // A regression in coverage is as bad as a wrong value.
  EXPECT_GE(passed, least_passed);
}

/// A folder of libonnx-testdata 1.12, and how many of its cases pass today.
struct CaseSet {
  const char* name;
  int least_passed;
};
class ConformanceTest : public testing::TestWithParam<CaseSet> {};

TEST_P(ConformanceTest, cases_match_or_are_refused) {
  check_all_cases(GetParam().name, GetParam().least_passed, false);
}

TEST_P(ConformanceTest, cases_match_with_channels_last_operands) {
  check_all_cases(GetParam().name, GetParam().least_passed, true);
}

INSTANTIATE_TEST_SUITE_P(All,
                         ConformanceTest,
                         testing::Values(CaseSet{"node", 717},
                                         CaseSet{"simple", 7},
                                         CaseSet{"pytorch-converted", 82},
                                         CaseSet{"pytorch-operator", 35}),
                         [](const auto& set) {
                           std::string name = set.param.name;
                           std::ranges::replace(name, '-', '_');
                           return name;
                         });

}  // namespace
}  // namespace qsweep
