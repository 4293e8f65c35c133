"""What machine is this, and which versions are installed? Nothing heavy is imported to find out."""

import importlib.metadata
import os
import platform
from pathlib import Path

from compressor.runtime.gpu import gpu_clocks, read_driver

PACKAGES = (
    "compress",
    "numpy",
    "onnx",
    "onnx-ir",
    "onnxruntime",
    "onnxruntime-gpu",
    "onnxscript",
    "safetensors",
    "scipy",
    "torch",
    "torch-pruning",
    "torchattacks",
    "torchvision",
)
"""Distributions whose version can change a number."""


def host() -> dict[str, str | int]:
    """Return the processor, cores, memory, system, GPU and driver of this machine. No name that identifies it."""
    driver = read_driver()
    return {
        "cpu": processor_name(),
        "cores": num_cores(),
        "memory_bytes": memory_bytes(),
        "os": platform.platform(),
        "gpu": ", ".join(driver.gpus) if driver else "",
        "driver": driver.version if driver else "",
    }


def clocks() -> dict[str, str | int]:
    """Return what sets the pace just now: governor, frequency and load of the processor, our priority, a GPU's clocks.

    What this machine does not say (virtual machines often do not) is left out.
    """
    found: dict[str, str | int] = {}
    governor = _first_line("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor")
    if governor:
        found["cpu_governor"] = governor
    kilohertz = _first_line("/sys/devices/system/cpu/cpu0/cpufreq/scaling_cur_freq")
    megahertz = _first_line("/proc/cpuinfo", "cpu MHz")
    if kilohertz.isdigit():
        found["cpu_mhz"] = int(kilohertz) // 1000
    elif megahertz:
        found["cpu_mhz"] = round(float(megahertz))
    if hasattr(os, "getloadavg"):
        found["load_average"] = f"{os.getloadavg()[0]:.2f}"
    if hasattr(os, "nice"):
        found["nice"] = os.nice(0)
    return found | gpu_clocks()


def versions() -> dict[str, str]:
    """Return the version of Python and of each installed distribution that can change a number."""
    found = {"python": platform.python_version()}
    for name in PACKAGES:
        version = installed_version(name)
        if version is not None:
            found[name] = version
    return found


def installed_version(name: str) -> str | None:
    """Return the version of an installed distribution, without importing it; None if it is absent."""
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def processor_name() -> str:
    """Return what the processor calls itself; a board such as a Jetson or a Raspberry Pi names itself instead."""
    return (
        _first_line("/proc/cpuinfo", "model name")
        or _first_line("/proc/device-tree/model")
        or platform.processor()
        or platform.machine()
    )


def num_cores() -> int:
    """Return the number of logical cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def memory_bytes() -> int:
    """Return the memory of this machine, or what its container may use if that is less. 0 where unknown."""
    try:
        total = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):
        return 0
    limit = _container_limit()
    return total if limit is None else min(total, limit)


def free_memory_bytes() -> int:
    """Return how much memory can still be taken without swapping. 0 where unknown."""
    text = _first_line("/proc/meminfo", "MemAvailable")
    free = int(text.split()[0]) * 1024 if text else 0
    limit = _container_limit()
    if limit is None:
        return free
    # Files that the container read count as used but are given back on demand; only `anon` memory is not.
    anonymous = _first_line("/sys/fs/cgroup/memory.stat", "anon ").split()
    return min(free, max(0, limit - int(anonymous[1]))) if anonymous else min(free, limit)


def _container_limit() -> int | None:
    """Return the memory limit of this container (cgroup version 2 or 1); None without one."""
    for path in ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"):
        text = _first_line(path)
        if text.isdigit():
            return int(text)
    return None


def _first_line(path: str, key: str = "") -> str:
    """Return the first line that begins with `key`, without `key:` itself; empty where there is none."""
    try:
        with Path(path).open(errors="replace") as file:
            line = next((line for line in file if line.startswith(key)), "")
    except OSError:
        return ""
    return (line.split(":", 1)[-1] if key else line).strip(" \t\n\0")
