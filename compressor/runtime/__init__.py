"""Open an ONNX file on a provider that really loaded, or say why not; and say what machine this is.

The only place that imports onnxruntime, and only when a model is opened.
"""

from compressor.runtime.doctor import Check, checks
from compressor.runtime.machine import host, versions
from compressor.runtime.session import Session, open_session

__all__ = ["Check", "Session", "checks", "host", "open_session", "versions"]
