"""ONNX's backend cases of one node, as models that the exporter takes."""
import re

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

NEWEST_OPSET = 21


def imported_operators(sources):
    """Names of the operators that have a kernel."""
    return set(re.findall(r"^OPERATOR\((\w+),", (sources / "src/kernels/operators.inc").read_text(), re.M))


def schemas(operators):
    """{operator: {since_version: schema}}."""
    found = {}
    for schema in onnx.defs.get_all_schemas_with_history():
        if schema.domain == "" and schema.name in operators:
            found.setdefault(schema.name, {})[schema.since_version] = schema
    return found


def _tensor(path):
    proto = onnx.TensorProto()
    proto.ParseFromString(path.read_bytes())
    return numpy_helper.to_array(proto)


def single_nodes(backend, operators):
    """(name, model, inputs by name) of the cases of one of these operators on plain tensors."""
    not_plain = (TensorProto.STRING, TensorProto.FLOAT16, TensorProto.BFLOAT16, TensorProto.COMPLEX64, TensorProto.COMPLEX128)
    for folder in sorted((backend / "node").iterdir()) if backend.is_dir() else []:
        model = onnx.load(folder / "model.onnx")
        node, given = model.graph.node[0], model.graph.input
        if len(model.graph.node) > 1 or node.op_type not in operators or node.domain or model.graph.initializer:
            continue
        if any(v.type.WhichOneof("value") != "tensor_type" or v.type.tensor_type.elem_type in not_plain for v in [*given, *model.graph.output]):
            continue
        yield folder.name, model, {v.name: _tensor(folder / f"test_data_set_0/input_{i}.pb") for i, v in enumerate(given)}


def add_layer(model, feeds):
    """A convolution of its own beside the node: a scheme needs a layer, an export an image. All operands but the first
    become constants, as models have them."""
    for value in [*model.graph.input][1:]:
        model.graph.initializer.append(numpy_helper.from_array(feeds.pop(value.name), value.name))
        model.graph.input.remove(value)
    image = helper.make_tensor_value_info("image", TensorProto.FLOAT, [1, 1, 1, 1])
    model.graph.input.insert(0, image)
    model.graph.output.insert(0, helper.make_tensor_value_info("scores", TensorProto.FLOAT, [1, 1, 1, 1]))
    model.graph.node.insert(0, helper.make_node("Conv", ["image", "layer_weight"], ["scores"]))
    model.graph.initializer.append(numpy_helper.from_array(np.full((1, 1, 1, 1), 2, np.float32), "layer_weight"))
    feeds["image"] = np.full((1, 1, 1, 1), 3, np.float32)
