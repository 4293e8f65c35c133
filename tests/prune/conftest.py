"""Trained networks as their author published them."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
from prune_nets import in_memory

from compressor.data.preprocess import parse_preprocess
from compressor.load.checkpoint import Checkpoint
from compressor.load.cifar_resnet import CifarResNet

FILES = {20: "resnet20-12fca82f.th", 56: "resnet56-4bfd9763.th"}


@pytest.fixture
def trained(shared_data: Path) -> Callable[[int], Checkpoint]:
    """Return a function from depth to the published CIFAR ResNet."""

    def read(depth: int) -> Checkpoint:
        model = CifarResNet(depth)
        saved = torch.load(shared_data / "checkpoints" / FILES[depth], map_location="cpu", weights_only=True)
        checkpoint = in_memory(
            model, (3, 32, 32), architecture=f"cifar:resnet{depth}", preprocess=parse_preprocess("imagenet")
        )
        model.load_state_dict({name.removeprefix("module."): value for name, value in saved["state_dict"].items()})
        return checkpoint

    return read


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    """Tiny tensors on many threads wait for each other more than they compute."""
    num_threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(num_threads)
