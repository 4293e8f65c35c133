"""Which device: the one that was named, or this process's own."""

import pytest
import torch

from compressor.errors import MachineError, OptionError
from compressor.runtime.device import resolve_device


@pytest.fixture
def gpus(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let torch see two GPUs."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)


@pytest.mark.usefixtures("gpus")
@pytest.mark.parametrize(("rank", "device"), [("0", "cuda:0"), ("1", "cuda:1"), ("2", "cuda:0")])
def test_processes_of_torchrun_take_gpus_in_turn(monkeypatch: pytest.MonkeyPatch, rank: str, device: str) -> None:
    """Unless a number was given; and only torchrun makes LOCAL_RANK mean something."""
    monkeypatch.setenv("LOCAL_RANK", rank)
    assert resolve_device("auto") == "cuda:0"
    monkeypatch.setenv("TORCHELASTIC_RUN_ID", "none")
    monkeypatch.setenv("WORLD_SIZE", "3")
    assert resolve_device("auto") == resolve_device("cuda") == device
    assert resolve_device("cuda:1") == "cuda:1"


@pytest.mark.usefixtures("gpus")
def test_a_gpu_that_is_not_there_is_refused() -> None:
    """By number, with how many there are; and so is another word."""
    with pytest.raises(MachineError, match="torch sees 2 CUDA devices"):
        resolve_device("cuda:2")
    with pytest.raises(OptionError, match="gpu"):
        resolve_device("gpu")
