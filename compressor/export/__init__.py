"""From a torch model to one self-contained ONNX file, and the proof that both answer alike.

This face names the record only, which the gate reads without torch; the verbs are in `onnx` and `parity`.
"""

from compressor.export.record import Parity

__all__ = ["Parity"]
