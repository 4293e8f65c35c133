"""Which torch device runs this."""

import re

import torch

from compressor.errors import MachineError, OptionError
from compressor.launch import local_rank


def resolve_device(text: str) -> str:
    """Return `cpu` or `cuda:i` for `auto`, `cpu`, `cuda` or `cuda:i`.

    Where no number is given, processes of one machine that torchrun started take one GPU each, in turn.

    Raises:
        OptionError: another word.
        MachineError: torch sees no such GPU.
    """
    if text == "auto":
        return f"cuda:{_own_gpu()}" if torch.cuda.is_available() else "cpu"
    if text == "cpu":
        return "cpu"
    match = re.fullmatch(r"cuda(?::(\d+))?", text)
    if match is None:
        raise OptionError(f"--device {text!r} is not known", advice="use auto, cpu, cuda or cuda:0")
    index = _own_gpu() if match.group(1) is None else int(match.group(1))
    if index >= torch.cuda.device_count():
        raise MachineError(
            f"--device {text}: torch sees {torch.cuda.device_count()} CUDA devices here",
            advice="use --device cpu, or see compress doctor",
        )
    return f"cuda:{index}"


def _own_gpu() -> int:
    return local_rank() % max(torch.cuda.device_count(), 1)
