#pragma once

#include <string>
#include <vector>

#include <onnx/onnx_pb.h>

namespace qsweep::testing {

/// Writes small ONNX models. The protobuf stays open to the test, which may damage it at will.
struct OnnxBuilder {
  onnx::ModelProto model;

  explicit OnnxBuilder(int opset = 17) {
    model.set_ir_version(8);
    model.set_producer_name("builder");
    auto* import = model.add_opset_import();
    import->set_domain("");
    import->set_version(opset);
    graph().set_name("g");
  }

  onnx::GraphProto& graph() { return *model.mutable_graph(); }

  /// An extent of -1 becomes the symbol `n`.
  onnx::ValueInfoProto& input(const std::string& name,
                              const std::vector<std::int64_t>& shape,
                              int type = 1) {
    return describe(*graph().add_input(), name, shape, type);
  }
  onnx::ValueInfoProto& output(const std::string& name,
                               const std::vector<std::int64_t>& shape = {},
                               int type = 1) {
    return describe(*graph().add_output(), name, shape, type);
  }

  onnx::NodeProto& node(const std::string& op,
                        const std::vector<std::string>& inputs,
                        const std::vector<std::string>& outputs,
                        const std::string& name = {}) {
    auto* proto = graph().add_node();
    proto->set_op_type(op);
    if (!name.empty()) proto->set_name(name);
    for (const auto& x : inputs) proto->add_input(x);
    for (const auto& x : outputs) proto->add_output(x);
    return *proto;
  }

  /// An initializer without elements; fill in raw_data or a typed field.
  onnx::TensorProto& tensor(const std::string& name,
                            int type,
                            const std::vector<std::int64_t>& dims) {
    auto* proto = graph().add_initializer();
    proto->set_name(name);
    proto->set_data_type(type);
    for (const auto d : dims) proto->add_dims(d);
    return *proto;
  }
  onnx::TensorProto& floats(const std::string& name,
                            const std::vector<std::int64_t>& dims,
                            const std::vector<float>& elements) {
    auto& proto = tensor(name, 1, dims);
    proto.set_raw_data(elements.data(), elements.size() * sizeof(float));
    return proto;
  }

  [[nodiscard]] std::string bytes() const { return model.SerializeAsString(); }

 private:
  static onnx::ValueInfoProto& describe(onnx::ValueInfoProto& info,
                                        const std::string& name,
                                        const std::vector<std::int64_t>& shape,
                                        int type) {
    info.set_name(name);
    auto* tensor_type = info.mutable_type()->mutable_tensor_type();
    tensor_type->set_elem_type(type);
    for (const auto d : shape) {
      auto* dim = tensor_type->mutable_shape()->add_dim();
      if (d < 0) {
        dim->set_dim_param("n");
      } else {
        dim->set_dim_value(d);
      }
    }
    return info;
  }
};

inline onnx::AttributeProto& add_attribute(onnx::NodeProto& node,
                                           const std::string& name,
                                           onnx::AttributeProto::AttributeType type) {
  auto* attribute = node.add_attribute();
  attribute->set_name(name);
  attribute->set_type(type);
  return *attribute;
}

}  // namespace qsweep::testing
