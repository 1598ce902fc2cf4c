"""Convert a network's ONNX to half precision, with float32 input and output.

TensorRT 11 takes its precision from the graph alone.
"""

from __future__ import annotations

import numpy as np
import onnx

# Inputs (sizes and scales) that ONNX always wants in float32, whatever the data's type.
_KEEP_FLOAT = {"Resize": (1, 2)}


def in_half_precision(graph: bytes) -> bytes:
    """The graph with weights, biases and everything between the first and the last node as float16.

    Raises:
        ValueError: the graph is quantised, or has a Cast that is not the widening of a stored weight.
    """
    model = onnx.load_from_string(graph)
    _drop_widening(model)
    strange = {node.op_type for node in model.graph.node} & {"Cast", "QuantizeLinear", "DequantizeLinear"}
    if strange:
        raise ValueError(f"not a plain float graph: it has {', '.join(sorted(strange))}")
    kept = {
        node.input[index]
        for node in model.graph.node
        for index in _KEEP_FLOAT.get(node.op_type, ())
        if index < len(node.input)
    }
    for tensor in model.graph.initializer:
        if tensor.data_type == onnx.TensorProto.FLOAT and tensor.name not in kept:
            half = onnx.numpy_helper.to_array(tensor).astype(np.float16)
            tensor.CopyFrom(onnx.numpy_helper.from_array(half, tensor.name))
    del model.graph.value_info[:]  # types have changed; shapes are inferred again
    source, target = model.graph.input[0].name, model.graph.output[0].name
    for node in model.graph.node:
        _rename(node.input, source, f"{source}_half")
        _rename(node.output, target, f"{target}_half")
    nodes = [
        onnx.helper.make_node("Cast", [source], [f"{source}_half"], "narrow_input", to=onnx.TensorProto.FLOAT16),
        *model.graph.node,
        onnx.helper.make_node("Cast", [f"{target}_half"], [target], "widen_output", to=onnx.TensorProto.FLOAT),
    ]
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    onnx.checker.check_model(model)
    return model.SerializeToString()


def _drop_widening(model: onnx.ModelProto) -> None:
    """Remove the Cast to float32 behind each weight, which is already stored as float16."""
    stored = {tensor.name: tensor for tensor in model.graph.initializer}
    nodes = []
    for node in model.graph.node:
        if node.op_type == "Cast" and node.input[0] in stored:
            stored[node.input[0]].name = node.output[0]
        else:
            nodes.append(node)
    del model.graph.node[:]
    model.graph.node.extend(nodes)


def _rename(names, old: str, new: str) -> None:
    for index, name in enumerate(names):
        if name == old:
            names[index] = new
