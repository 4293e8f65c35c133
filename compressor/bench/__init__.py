"""How long one model file takes, measured on this machine.

This face names the record only, which the gate reads without onnxruntime; the verb is in `latency`.
"""

from compressor.bench.record import Latency

__all__ = ["Latency"]
