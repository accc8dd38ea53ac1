"""The workload infer_step in ONNX Runtime.

    pip install onnx onnxruntime numpy
    python write_onnx.py model.onnx
    python onnx_bench.py THREADS model.onnx

The state is bound to the session, so that nothing of it is copied between steps. Prints
name,peer,threads,median_ms,min_ms,tokens_per_s.
"""
import numpy as np
import onnxruntime
from sizes import WORKLOADS
from timing import arguments, measure

threads, (path,) = arguments()
options = onnxruntime.SessionOptions()
options.intra_op_num_threads = threads
options.inter_op_num_threads = 1
session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])

state = (1, 1, WORKLOADS["infer_step"].hidden_size)
# Two places for each part of the state: a step reads one and writes the other.
places = [{name: onnxruntime.OrtValue.ortvalue_from_numpy(np.zeros(shape, kind))
           for name, shape, kind in [("token", (1, 1), np.int64), ("h", state, np.float32), ("c", state, np.float32)]}
          for _ in range(2)]


def binding(source, target):
    bound = session.io_binding()
    for name, value in source.items():
        bound.bind_ortvalue_input(name, value)
    for name, value in target.items():
        bound.bind_ortvalue_output(f"next_{name}", value)
    return bound


bindings = [binding(*places), binding(*places[::-1])]


def step():
    session.run_with_iobinding(bindings[0])
    bindings.reverse()


measure("infer_step", "onnxruntime", threads, 1, step, seconds=2.0)
