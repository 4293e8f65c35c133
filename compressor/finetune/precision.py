"""How a pass is computed: in fewer bits where the device has them, and by compiled code where that is asked for."""

import os
import shutil
from contextlib import AbstractContextManager, nullcontext

import torch
from torch import nn

from compressor.errors import MachineError
from compressor.finetune.recipe import Precision

TYPES = {"bf16": torch.bfloat16, "fp16": torch.float16}


def best_precision(device: torch.device) -> Precision:
    """Return what a recipe's `auto` means: bf16 on GPUs and CPUs with units for it, fp16 on older GPUs, else fp32."""
    if device.type != "cuda":
        return "bf16" if has_tiles() else "fp32"
    return "bf16" if torch.cuda.is_bf16_supported(including_emulation=False) else "fp16"


def has_tiles() -> bool:
    """Whether this CPU multiplies matrices of bf16 in units of their own (AMX); without, bf16 is slower than fp32."""
    supported = getattr(torch.cpu, "_is_amx_tile_supported", None)  # torch has no public name for it yet
    return supported is not None and bool(supported())


def autocast(precision: Precision, device: torch.device) -> AbstractContextManager[object]:
    """Return the context that a forward pass runs in; weights stay fp32."""
    if precision not in TYPES:
        return nullcontext()
    return torch.autocast(device.type, dtype=TYPES[precision])


def gradient_scaler(precision: Precision, device: torch.device) -> torch.amp.GradScaler:
    """Return what keeps small gradients from vanishing in fp16; with any other precision it does nothing."""
    return torch.amp.GradScaler(device.type, enabled=precision == "fp16")


def compiled(classifier: nn.Module, device: torch.device) -> nn.Module:
    """Return the same classifier, its passes built by torch.compile when they first run.

    Raises:
        MachineError: a CPU without a C++ compiler, which the generated code needs.
    """
    if device.type == "cpu" and not any(map(shutil.which, (os.environ.get("CXX", "g++"), "clang++", "cl"))):
        raise MachineError(
            "torch.compile needs a C++ compiler on the CPU, and none is on the PATH",
            advice="install g++, or train with --no-compile",
        )
    built = torch.compile(classifier)
    assert isinstance(built, nn.Module)
    return built
