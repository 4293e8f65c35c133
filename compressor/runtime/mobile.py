"""`model.ort`: the same graph in onnxruntime's own format, which its mobile builds read."""

import tempfile
from pathlib import Path

from compressor.runtime.quiet import quiet
from compressor.runtime.raw import onnxruntime


def to_ort(onnx: bytes) -> bytes:
    """Return an ONNX file in onnxruntime's flatbuffer format, for `ORT_MOBILE` and minimal builds.

    Optimised at the basic level only: stronger levels write kernels of this machine into the file. onnxruntime orders
    some of its tables anew each time, so that equal files need not give equal bytes (measured, 1.31).

    Args:
        onnx: a self-contained file, already checked.
    """
    ort = onnxruntime()
    with tempfile.TemporaryDirectory() as folder, quiet():
        written = Path(folder) / "model.ort"
        options = ort.SessionOptions()
        options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_BASIC
        options.optimized_model_filepath = str(written)
        options.log_severity_level = 4
        options.add_session_config_entry("session.save_model_format", "ORT")
        ort.InferenceSession(onnx, options, providers=["CPUExecutionProvider"])
        return written.read_bytes()
