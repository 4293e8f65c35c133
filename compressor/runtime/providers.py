"""Which providers there are, and why one of them does not work here. onnxruntime tells its reasons only in its log."""

import re
import sys
from typing import Any

from compressor.errors import MachineError
from compressor.runtime.machine import installed_version

PROVIDERS = {
    "cpu": "CPUExecutionProvider",
    "cuda": "CUDAExecutionProvider",
    "tensorrt": "TensorrtExecutionProvider",
}
"""Our word and onnxruntime's."""

DISTRIBUTIONS = ("onnxruntime", "onnxruntime-gpu")
"""Both unpack into the same folder: together, the one installed last has overwritten parts of the other."""

PIP = f"{sys.executable} -m pip"
INSTALL_GPU = f"{PIP} install --upgrade 'onnxruntime-gpu[cuda,cudnn]'"
REINSTALL_GPU = (
    f"{PIP} uninstall -y onnxruntime onnxruntime-gpu && {PIP} install --no-cache-dir 'onnxruntime-gpu[cuda,cudnn]'"
)
INSTALL_TENSORRT = "install TensorRT so that its libraries are on LD_LIBRARY_PATH, or use --provider cuda"
UPDATE_DRIVER = "install or update the NVIDIA driver (nvidia-smi must list the GPU), or use --provider cpu"
USE_CPU = "use --provider cpu, or run on a machine with an NVIDIA GPU"

_MISSING_LIBRARY = re.compile(r"(lib[\w.+-]+?\.so[\d.]*|[\w-]+\.dll)[^:\n]*: cannot open shared object file")
_REASONS = (
    (r"driver version is insufficient", "the NVIDIA driver is too old for this onnxruntime", UPDATE_DRIVER),
    (r"no CUDA-capable device|CUDA failure 100\b|CUDA_ERROR_NO_DEVICE", "CUDA finds no GPU on this machine", USE_CPU),
    (r"system has unsupported display driver|CUDA failure 803\b", "driver and CUDA do not match", UPDATE_DRIVER),
    (r"no kernel image is available|CUDA failure 209\b", "this onnxruntime has no code for this old GPU", USE_CPU),
    (r"out of memory|Failed to allocate memory|CUDA failure 2\b", "the GPU has too little free memory",
     "free memory on the GPU, or use a smaller --batch"),
    (r"cudnn|CUDNN", "cuDNN is missing or does not fit", INSTALL_GPU),
    (r"install TensorRT libraries", "TensorRT is not installed", INSTALL_TENSORRT),
)  # fmt: skip


def installed_distributions() -> tuple[str, ...]:
    """Return which onnxruntime distributions are installed; more than one is a fault of the installation."""
    return tuple(name for name in DISTRIBUTIONS if installed_version(name) is not None)


def check_available(provider: str, available: list[str]) -> None:
    """Refuse a provider that this build of onnxruntime does not have at all.

    Raises:
        MachineError: says which distribution is installed and which one is needed.
    """
    if PROVIDERS[provider] in available:
        return
    installed = installed_distributions()
    found = ", ".join(f"{name} {installed_version(name)}" for name in installed) or "this onnxruntime"
    if len(installed) > 1:
        raise MachineError(
            f"provider {provider} is not there: {' and '.join(installed)} are both installed, "
            "and one has overwritten the other",
            advice=REINSTALL_GPU,
        )
    raise MachineError(
        f"provider {provider} is not part of {found}, which offers {', '.join(known(available)) or 'none of ours'}",
        advice=f"on x86-64 Linux or Windows: {REINSTALL_GPU}",
    )


def known(available: list[str]) -> list[str]:
    """Return our words for those of onnxruntime's providers that have one."""
    return [word for word, name in PROVIDERS.items() if name in available]


def why_not_loaded(provider: str, log: str) -> MachineError:
    """Turn onnxruntime's log into one sentence and one command.

    Args:
        provider: our word for it, `cuda` or `tensorrt`.
        log: what onnxruntime and its loader said, Python and C++.

    Returns:
        The error to raise: the reason, and what repairs it.
    """
    if len(installed_distributions()) > 1:
        return MachineError(
            f"provider {provider} did not load: onnxruntime and onnxruntime-gpu are both installed, "
            "and one has overwritten the other",
            advice=REINSTALL_GPU,
        )
    missing = _MISSING_LIBRARY.search(log)
    if missing is not None:
        library = missing.group(1)
        return MachineError(
            f"provider {provider} did not load: the library {library} is missing", advice=_advice_for(library)
        )
    for pattern, reason, advice in _REASONS:
        if re.search(pattern, log):
            return MachineError(f"provider {provider} did not load: {reason}", advice=advice)
    reason = first_reason(log)
    return MachineError(
        f"provider {provider} did not load: {reason or 'onnxruntime gave no reason'}",
        advice="see compress doctor, or use --provider cpu",
    )


def _advice_for(library: str) -> str:
    if library.startswith(("libcuda.so", "nvcuda", "libnvidia")):
        return UPDATE_DRIVER
    if library.startswith(("libnvinfer", "libnvonnxparser", "nvinfer")):
        return INSTALL_TENSORRT
    return INSTALL_GPU


def first_reason(said: Any) -> str:
    """Return the first telling line of an exception or a log, without onnxruntime's prefixes, colours and paths."""
    text = re.sub(r"\x1b\[[\d;]*m", "", str(said))
    lines = (_without_prefixes(line) for line in text.splitlines())
    first = next((line for line in lines if line and not line.startswith("EP Error")), "")
    return first if len(first) <= 300 else f"{first[:297]}..."


def _without_prefixes(line: str) -> str:
    for pattern in (
        r"^.*?\[ONNXRuntimeError\] : \d+ : \w+ : ",
        r"^\S+ \S+ \[[EWF]:onnxruntime:[^\]]*\] ",
        r"/\S*/onnxruntime/\S*:\d+ ",
    ):
        line = re.sub(pattern, "", line)
    return line.strip(" *")
