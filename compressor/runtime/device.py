"""Which torch device runs this."""

import re

import torch

from compressor.errors import MachineError, OptionError


def resolve_device(text: str) -> str:
    """Return `cpu` or `cuda:i` for `auto`, `cpu`, `cuda` or `cuda:i`.

    Raises:
        OptionError: another word.
        MachineError: torch sees no such GPU.
    """
    if text == "auto":
        return "cuda:0" if torch.cuda.is_available() else "cpu"
    if text == "cpu":
        return "cpu"
    match = re.fullmatch(r"cuda(?::(\d+))?", text)
    if match is None:
        raise OptionError(f"--device {text!r} is not known", advice="use auto, cpu, cuda or cuda:0")
    index = int(match.group(1) or 0)
    if index >= torch.cuda.device_count():
        raise MachineError(
            f"--device {text}: torch sees {torch.cuda.device_count()} CUDA devices here",
            advice="use --device cpu, or see compress doctor",
        )
    return f"cuda:{index}"
