"""What NVIDIA's driver says about the GPUs here, asked without torch and without touching a GPU."""

import ctypes
import os
from dataclasses import dataclass
from typing import Any

_NVML = "nvml.dll" if os.name == "nt" else "libnvidia-ml.so.1"
_CUDA = "nvcuda.dll" if os.name == "nt" else "libcuda.so.1"
_NAME_BYTES = 96


@dataclass(frozen=True, slots=True, kw_only=True)
class Driver:
    """The NVIDIA driver and the GPUs it sees."""

    version: str
    """For example `580.159.04`."""
    gpus: tuple[str, ...]
    """Their names, in the driver's order."""


def read_driver() -> Driver | None:
    """Ask NVML for its version and its GPUs; None where there is no driver, or no GPU."""
    library = _open(_NVML)
    if library is None or library.nvmlInit_v2() != 0:
        return None
    try:
        version = ctypes.create_string_buffer(_NAME_BYTES)
        library.nvmlSystemGetDriverVersion(version, _NAME_BYTES)
        count = ctypes.c_uint()
        library.nvmlDeviceGetCount_v2(ctypes.byref(count))
        names = tuple(_nvml_name(library, index) for index in range(count.value))
        return Driver(version=version.value.decode(errors="replace"), gpus=names) if names else None
    finally:
        library.nvmlShutdown()


def cuda_device_name(index: int = 0) -> str:
    """Return what the `index`-th GPU that CUDA shows this process calls itself; empty if none answers.

    Only for a process that uses CUDA already: asking initialises it. Unlike NVML it honours CUDA_VISIBLE_DEVICES.
    """
    library = _open(_CUDA)
    if library is None or library.cuInit(0) != 0:
        return ""
    device, name = ctypes.c_int(), ctypes.create_string_buffer(_NAME_BYTES)
    if library.cuDeviceGet(ctypes.byref(device), index) or library.cuDeviceGetName(name, _NAME_BYTES, device):
        return ""
    return name.value.decode(errors="replace")


def _open(name: str) -> Any:
    try:
        return ctypes.CDLL(name)
    except OSError:
        return None


def _nvml_name(library: Any, index: int) -> str:
    handle, name = ctypes.c_void_p(), ctypes.create_string_buffer(_NAME_BYTES)
    library.nvmlDeviceGetHandleByIndex_v2(index, ctypes.byref(handle))
    library.nvmlDeviceGetName(handle, name, _NAME_BYTES)
    return name.value.decode(errors="replace")
