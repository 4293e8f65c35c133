"""What runs on this machine, what is missing, and the one command that repairs each gap."""

import importlib
import importlib.metadata
import platform
import shutil
import sys
import sysconfig
from dataclasses import dataclass
from pathlib import Path

from compressor.errors import CompressorError, first_line
from compressor.runtime.gpu import gpu_memory, read_driver
from compressor.runtime.libraries import loaded_versions, spelled_cudnn
from compressor.runtime.machine import free_memory_bytes, installed_version
from compressor.runtime.needed import is_older, lowest_versions
from compressor.runtime.providers import (
    INSTALL_GPU,
    PIP,
    PROVIDERS,
    REINSTALL_GPU,
    UPDATE_DRIVER,
    installed_distributions,
)
from compressor.runtime.quiet import quiet
from compressor.runtime.trial import tried

NEEDED_PYTHON = (3, 11)

NEEDED_MEMORY_BYTES = 2 << 30
"""Enough to fine-tune and export a resnet50 on small images; importing torch alone takes about 0.4 GiB."""

NEEDED_GPU_MEMORY_BYTES = 2 << 30
"""Enough to attack a resnet50 at its smallest flight."""

LIBRARIES = ("matplotlib", "onnx", "onnxscript", "safetensors", "torch-pruning", "torchattacks")
"""Beside torch, torchvision and onnxruntime, which are looked at more closely. None is imported for it."""

NEEDED_DISK_BYTES = 1 << 30
"""Room for bundles, and for the state that lets a run resume."""

OWN_PACKAGES = ("compressor", "cli")
"""Our import names. `compress` is the distribution and the command."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One thing that was looked at."""

    name: str
    ok: bool
    """Nothing to repair. A GPU that is not there is not a fault."""
    found: str
    """What is there, in a few words."""
    fix: str = ""
    """The one command that repairs it; empty when there is nothing to repair."""


def checks() -> tuple[Check, ...]:
    """Look at everything. Takes some seconds: torch is imported and a tiny model runs on each provider."""
    return (
        _python(),
        _torch(),
        _torchvision(),
        _cudnn(),
        *(_library(name) for name in LIBRARIES),
        _onnxruntime(),
        *(_provider(provider) for provider in PROVIDERS),
        _memory(),
        _gpu_memory(),
        _disk(),
        _command(),
        *(_package(name) for name in OWN_PACKAGES),
    )


def _check(name: str, ok: bool, found: str, fix: str) -> Check:  # noqa: FBT001 - the order is that of the record
    return Check(name=name, ok=ok, found=found, fix="" if ok else fix)


def _python() -> Check:
    wanted = ".".join(str(number) for number in NEEDED_PYTHON)
    found = f"{platform.python_version()} ({sys.executable})"
    return _check("python", sys.version_info >= NEEDED_PYTHON, found, f"install Python {wanted} or newer")


def _torch() -> Check:
    try:
        with quiet():
            torch = importlib.import_module("torch")
            sees_gpu = torch.cuda.is_available()
    except (ImportError, OSError) as error:
        return Check(name="torch", ok=False, found=f"does not import: {error}", fix=f"{PIP} install torch torchvision")
    driver, version = read_driver(), torch.__version__
    if sees_gpu:
        name = torch.cuda.get_device_name(0)
        return Check(name="torch", ok=True, found=f"{version}, CUDA {torch.version.cuda}, {name}")
    if driver is None:
        return Check(name="torch", ok=True, found=f"{version}, no NVIDIA GPU here")
    if torch.version.cuda is None:
        fix = f"{PIP} install --force-reinstall torch torchvision"
        return Check(name="torch", ok=False, found=f"{version} is a build without CUDA, but there is a GPU", fix=fix)
    found = f"{version} with CUDA {torch.version.cuda} does not see {driver.gpus[0]} (driver {driver.version})"
    return Check(name="torch", ok=False, found=found, fix=UPDATE_DRIVER)


def _torchvision() -> Check:
    try:
        with quiet():
            version = importlib.import_module("torchvision").__version__
    except (ImportError, OSError, RuntimeError) as error:  # a build for another torch lacks its operators
        reason = first_line(error)
        fix = f"{PIP} install --force-reinstall torch torchvision"
        return Check(name="torchvision", ok=False, found=f"does not import beside this torch: {reason}", fix=fix)
    return Check(name="torchvision", ok=True, found=version)


def _cudnn() -> Check:
    try:
        with quiet():
            version = importlib.import_module("torch").backends.cudnn.version()
    except (ImportError, OSError, RuntimeError) as error:
        return Check(name="cudnn", ok=False, found=first_line(error), fix=INSTALL_GPU)
    if version is None:
        return _check("cudnn", read_driver() is None, "none that torch can use", INSTALL_GPU)
    return Check(name="cudnn", ok=True, found=spelled_cudnn(version))


def _library(name: str) -> Check:
    """Is it installed, and new enough for what this project declares?"""
    version, lowest = installed_version(name), lowest_versions().get(name)
    fix = f"{PIP} install --upgrade '{name}>={lowest}'" if lowest else f"{PIP} install --upgrade {name}"
    if version is None:
        return Check(name=name, ok=False, found="not installed", fix=fix)
    if lowest and is_older(version, lowest):
        return Check(name=name, ok=False, found=f"{version} is too old: {lowest} is needed", fix=fix)
    return Check(name=name, ok=True, found=version)


def _onnxruntime() -> Check:
    installed = installed_distributions()
    found = ", ".join(f"{name} {installed_version(name)}" for name in installed) or "not installed"
    if len(installed) > 1:
        found += ": both are installed, and one has overwritten the other"
    return _check("onnxruntime", len(installed) == 1, found, REINSTALL_GPU if installed else INSTALL_GPU)


def _provider(provider: str) -> Check:
    """Run a tiny model there: only that shows that a provider works."""
    name = f"provider {provider}"
    try:
        session = tried(provider)
    except ImportError as error:
        return Check(name=name, ok=False, found=str(error), fix=f"{PIP} install onnx")
    except CompressorError as error:
        # Without a GPU nothing is missing; TensorRT is an extra that nobody has to have.
        needed = provider == "cpu" or (provider == "cuda" and read_driver() is not None)
        return _check(name, not needed, error.message, error.advice)
    loaded = loaded_versions() if provider != "cpu" else {}
    using = "".join(f", {library} {version}" for library, version in loaded.items())
    return Check(name=name, ok=True, found=f"runs on {session.device_name}{using}")


def _memory() -> Check:
    free = free_memory_bytes()
    found = f"{free / 2**30:.1f} GiB free" if free else "unknown"
    fix = f"close other programs: {NEEDED_MEMORY_BYTES >> 30} GiB are needed"
    return _check("memory", free == 0 or free >= NEEDED_MEMORY_BYTES, found, fix)


def _gpu_memory() -> Check:
    found = gpu_memory()
    if not found:
        return Check(name="gpu memory", ok=True, found="no NVIDIA GPU here")
    most = max(each.free_bytes for each in found)
    text = ", ".join(f"{each.free_bytes / 2**30:.1f} of {each.total_bytes / 2**30:.1f} GiB free" for each in found)
    fix = "nvidia-smi (shows which programs hold it: end them, or use --device cpu)"
    return _check("gpu memory", most >= NEEDED_GPU_MEMORY_BYTES, text, fix)


def _disk() -> Check:
    free = shutil.disk_usage(Path.cwd()).free
    fix = f"free some space, or write elsewhere with --output and --work-dir: {NEEDED_DISK_BYTES >> 30} GiB are needed"
    return _check("disk", free >= NEEDED_DISK_BYTES, f"{free / 2**30:.1f} GiB free here", fix)


def _command() -> Check:
    """Is the `compress` that a shell finds ours? Unix has an old one of that name."""
    folder = Path(sysconfig.get_path("scripts")).resolve()
    found = shutil.which("compress")
    if found is None:
        return Check(name="name compress", ok=True, found=f"not on PATH: call {folder / 'compress'}")
    ours = Path(found).resolve().parent == folder
    text = found if ours else f"the shell finds {found}, another program"
    return _check("name compress", ours, text, f'export PATH="{folder}:$PATH"')


def _package(name: str) -> Check:
    """Is the package that Python finds under one of our names ours, and nobody else's?"""
    home = Path(__file__).resolve().parents[2]
    owners = set(importlib.metadata.packages_distributions().get(name, [])) - {"compress"}
    others = [place for place in _places_of(name) if place.parent != home]
    if not owners and not others:
        return Check(name=f"name {name}", ok=True, found=str(home / name))
    found = ", ".join([*(f"distribution {owner}" for owner in sorted(owners)), *(str(place) for place in others)])
    fix = f"{PIP} uninstall {' '.join(sorted(owners))}" if owners else f"rename {others[0] if others else name}"
    return Check(name=f"name {name}", ok=False, found=f"also provided by {found}", fix=fix)


def _places_of(name: str) -> list[Path]:
    """Return every module file or package folder of that name on Python's path, in its order."""
    found = []
    for entry in sys.path:
        folder = Path(entry or ".").resolve()
        found += [place for place in (folder / f"{name}.py", folder / name / "__init__.py") if place.is_file()]
    return [place.parent if place.name == "__init__.py" else place for place in dict.fromkeys(found)]
