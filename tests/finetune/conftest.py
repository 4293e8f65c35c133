"""Digits and a net that has already learnt a little, made once."""

from collections.abc import Iterator

import pytest
import torch
from finetune_digits import TinyNet, checkpoint_of, digits

from compressor.data.images import Data
from compressor.finetune import Recipe, finetune
from compressor.load.checkpoint import Checkpoint


@pytest.fixture(scope="session", autouse=True)
def _one_thread() -> Iterator[None]:
    """Nets this small only lose by a second thread, and much where the machine is busy."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="session")
def data() -> Data:
    return digits()


@pytest.fixture(scope="session")
def teacher(data: Data) -> Checkpoint:
    """Return a wider net that knows the digits."""
    torch.manual_seed(1)
    recipe = Recipe(epochs=8, lr=0.1, batch_size=50, batchnorm_batches=0)
    return finetune(checkpoint_of(TinyNet(16)), data, recipe)[0]


@pytest.fixture
def fresh() -> Checkpoint:
    """Return an untrained net, the same in every test."""
    torch.manual_seed(2)
    return checkpoint_of(TinyNet())
