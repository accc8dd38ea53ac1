"""Writes the workload infer_step as an ONNX model: one token by an LSTM, greedily.

    pip install onnx numpy
    python write_onnx.py model.onnx

Inputs: token `[1, 1]`, h and c `[1, 1, hidden]`. Outputs: next_token, next_h and next_c of the same shapes.
"""
import sys

import numpy as np
from onnx import TensorProto, checker, helper, numpy_helper, save
from sizes import WORKLOADS, check_weights, rng

if len(sys.argv) != 2:
    print("usage: write_onnx.py MODEL.onnx", file=sys.stderr)
    sys.exit(2)
size = WORKLOADS["infer_step"]
hidden, state = size.hidden_size, (1, 1, size.hidden_size)


def weights(*shape):
    return rng.normal(0, 0.05, shape).astype(np.float32)


parameters = {
    "embedding": weights(size.vocabulary, size.embedding_size),
    "w": weights(1, 4 * hidden, size.embedding_size),
    "r": weights(1, 4 * hidden, hidden),
    "readout": weights(hidden, size.vocabulary),
    "bias": np.zeros(size.vocabulary, np.float32),
}
check_weights("infer_step", "ONNX", [array.shape for array in parameters.values()])
parameters["b"] = np.zeros((1, 8 * hidden), np.float32)

nodes = [
    helper.make_node("Gather", ["embedding", "token"], ["x"]),
    helper.make_node("LSTM", ["x", "w", "r", "b", "", "h", "c"], ["", "next_h", "next_c"], hidden_size=hidden),
    helper.make_node("Squeeze", ["next_h", "first"], ["row"]),
    helper.make_node("Gemm", ["row", "readout", "bias"], ["logits"]),
    helper.make_node("ArgMax", ["logits"], ["next_token"], axis=1),
]
initializers = [numpy_helper.from_array(array, name) for name, array in parameters.items()]
initializers.append(numpy_helper.from_array(np.array([0]), "first"))


def values(token, h, c):
    return [helper.make_tensor_value_info(token, TensorProto.INT64, (1, 1)),
            helper.make_tensor_value_info(h, TensorProto.FLOAT, state),
            helper.make_tensor_value_info(c, TensorProto.FLOAT, state)]


graph = helper.make_graph(
    nodes, "infer_step", values("token", "h", "c"), values("next_token", "next_h", "next_c"), initializers)
model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
checker.check_model(model)
save(model, sys.argv[1])
