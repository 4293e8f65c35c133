"""Which GPU libraries this process has really loaded, asked of the libraries themselves."""

import ctypes
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

_MAPS = Path("/proc/self/maps")


def loaded_versions() -> dict[str, str]:
    """Return the versions of CUDA, cuDNN and TensorRT in this process, as far as they are loaded (Linux)."""
    found = {}
    for name, (pattern, ask) in _ASKED.items():
        path = _loaded(pattern)
        if path is not None:
            try:
                found[name] = ask(ctypes.CDLL(path))
            except (OSError, AttributeError):
                continue
    return found


def spelled_cuda(number: int) -> str:
    """Return `13.2` for 13020."""
    return f"{number // 1000}.{number % 1000 // 10}"


def spelled_cudnn(number: int) -> str:
    """Return `9.10.2` for 91002."""
    return f"{number // 10000}.{number // 100 % 100}.{number % 100}"


def _loaded(pattern: str) -> str | None:
    try:
        text = _MAPS.read_text(errors="replace")
    except OSError:
        return None
    found = re.search(rf"(/\S*/{pattern}[.\d]*)$", text, re.MULTILINE)
    return found.group(1) if found else None


def _cudart(library: Any) -> str:
    number = ctypes.c_int()
    library.cudaRuntimeGetVersion(ctypes.byref(number))
    return spelled_cuda(number.value)


def _driver(library: Any) -> str:
    number = ctypes.c_int()
    library.cuDriverGetVersion(ctypes.byref(number))
    return spelled_cuda(number.value)


def _cudnn(library: Any) -> str:
    library.cudnnGetVersion.restype = ctypes.c_size_t
    return spelled_cudnn(library.cudnnGetVersion())


def _tensorrt(library: Any) -> str:
    number = library.getInferLibVersion()  # 10.3.0 says 100300, 8.6.1 said 8601
    return f"{number // 10000}.{number // 100 % 100}.{number % 100}" if number >= 100_000 else str(number)


_ASKED: dict[str, tuple[str, Callable[[Any], str]]] = {
    "cuda": (r"libcudart\.so", _cudart),
    "cuda-driver": (r"libcuda\.so", _driver),
    "cudnn": (r"libcudnn\.so", _cudnn),
    "tensorrt": (r"libnvinfer\.so", _tensorrt),
}
