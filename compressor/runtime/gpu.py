"""What NVIDIA's driver says about the GPUs here, asked without torch and without touching a GPU."""

import ctypes
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

_NVML = "nvml.dll" if os.name == "nt" else "libnvidia-ml.so.1"
_CUDA = "nvcuda.dll" if os.name == "nt" else "libcuda.so.1"
_NAME_BYTES = 96
_SM_CLOCK, _MEMORY_CLOCK, _CORE_SENSOR = 1, 2, 0


class _Memory(ctypes.Structure):
    _fields_ = (("total", ctypes.c_ulonglong), ("free", ctypes.c_ulonglong), ("used", ctypes.c_ulonglong))


@dataclass(frozen=True, slots=True, kw_only=True)
class Driver:
    """The NVIDIA driver and the GPUs it sees."""

    version: str
    """For example `580.159.04`."""
    gpus: tuple[str, ...]
    """Their names, in the driver's order."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GpuMemory:
    """Memory of one GPU."""

    total_bytes: int
    free_bytes: int


def read_driver() -> Driver | None:
    """Ask NVML for its version and its GPUs; None where there is no driver, or no GPU."""
    with _nvml() as library:
        if library is None:
            return None
        version = ctypes.create_string_buffer(_NAME_BYTES)
        library.nvmlSystemGetDriverVersion(version, _NAME_BYTES)
        count = ctypes.c_uint()
        library.nvmlDeviceGetCount_v2(ctypes.byref(count))
        names = tuple(_nvml_name(library, index) for index in range(count.value))
        return Driver(version=version.value.decode(errors="replace"), gpus=names) if names else None


def gpu_memory(index: int = 0) -> tuple[GpuMemory, ...]:
    """Return the memory of the GPU that CUDA calls `index`, or of all GPUs where CUDA answers nothing; empty: none."""
    with _nvml() as library:
        if library is None:
            return ()
        return tuple(
            GpuMemory(total_bytes=memory.total, free_bytes=memory.free)
            for memory in (_memory(library, handle) for handle in _handles(library, index))
            if memory is not None
        )


def used_memory_bytes(index: int = 0) -> int | None:
    """Return how much memory of a GPU is used, by whomever; None without a driver."""
    found = gpu_memory(index)
    return found[0].total_bytes - found[0].free_bytes if found else None


def gpu_clocks(index: int = 0) -> dict[str, int]:
    """Return clocks, temperature and power of a GPU now, units in the names; what it does not say is left out."""
    with _nvml() as library:
        handle = next(_handles(library, index), None) if library is not None else None
        if library is None or handle is None:
            return {}
        asked: dict[str, Callable[[Any], int]] = {
            "gpu_sm_mhz": lambda out: library.nvmlDeviceGetClockInfo(handle, _SM_CLOCK, out),
            "gpu_sm_max_mhz": lambda out: library.nvmlDeviceGetMaxClockInfo(handle, _SM_CLOCK, out),
            "gpu_memory_mhz": lambda out: library.nvmlDeviceGetClockInfo(handle, _MEMORY_CLOCK, out),
            "gpu_temperature_c": lambda out: library.nvmlDeviceGetTemperature(handle, _CORE_SENSOR, out),
            "gpu_power_mw": lambda out: library.nvmlDeviceGetPowerUsage(handle, out),
        }
        found = {}
        for name, ask in asked.items():
            value = ctypes.c_uint()
            if ask(ctypes.byref(value)) == 0:
                found[name] = value.value
        return found


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


@contextmanager
def _nvml() -> Iterator[Any]:
    """Open NVML for a while; None where there is none."""
    library = _open(_NVML)
    if library is None or library.nvmlInit_v2() != 0:
        yield None
        return
    try:
        yield library
    finally:
        library.nvmlShutdown()


def _open(name: str) -> Any:
    try:
        return ctypes.CDLL(name)
    except OSError:
        return None


def _handles(library: Any, index: int) -> Iterator[ctypes.c_void_p]:
    """Yield NVML's handle of the GPU that CUDA calls `index`; without CUDA's answer those of all GPUs, in order."""
    place = _bus_of(index)
    handle = ctypes.c_void_p()
    if place is not None and library.nvmlDeviceGetHandleByPciBusId_v2(place, ctypes.byref(handle)) == 0:
        yield handle
        return
    count = ctypes.c_uint()
    library.nvmlDeviceGetCount_v2(ctypes.byref(count))
    for number in range(count.value):
        handle = ctypes.c_void_p()
        if library.nvmlDeviceGetHandleByIndex_v2(number, ctypes.byref(handle)) == 0:
            yield handle


def _bus_of(index: int) -> bytes | None:
    """Return where on the PCI bus CUDA's `index`-th GPU is; None unless this process uses CUDA already."""
    library = _open(_CUDA)
    device, place = ctypes.c_int(), ctypes.create_string_buffer(_NAME_BYTES)
    # Without cuInit, which is not called here, the driver answers with an error.
    if library is None or library.cuDeviceGet(ctypes.byref(device), index):
        return None
    return place.value if library.cuDeviceGetPCIBusId(place, _NAME_BYTES, device) == 0 else None


def _memory(library: Any, handle: ctypes.c_void_p) -> _Memory | None:
    memory = _Memory()
    return memory if library.nvmlDeviceGetMemoryInfo(handle, ctypes.byref(memory)) == 0 else None


def _nvml_name(library: Any, index: int) -> str:
    handle, name = ctypes.c_void_p(), ctypes.create_string_buffer(_NAME_BYTES)
    library.nvmlDeviceGetHandleByIndex_v2(index, ctypes.byref(handle))
    library.nvmlDeviceGetName(handle, name, _NAME_BYTES)
    return name.value.decode(errors="replace")
