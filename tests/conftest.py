"""What every test shares: fixed seeds, one thread per worker, and the real inputs beside the project."""

import dataclasses
import functools
import logging
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

# Before torch is imported: two workers with two threads each spend most of their time waiting for each other.
os.environ.setdefault("OMP_NUM_THREADS", "1")

SHARED = Path(__file__).resolve().parents[2] / "shared" / "data"


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_protocol() -> None:
    """Keep pytest from listening to torch's log for tracing: as soon as somebody does, torch writes whole graphs to it.

    pytest listens to each log that does not hand on what it hears, and this one does not (measured: a tenth of the
    time of an export).
    """
    import torch  # noqa: F401 - sets this log up when it is imported

    log = logging.getLogger("torch.__trace")
    log.handlers.clear()
    log.propagate = True


@pytest.fixture(scope="session", autouse=True)
def _operators_read_once() -> Iterator[None]:
    """Let torch's exporter parse its table of operators once for all tests of a process: a third of a small export.

    The product leaves torch as it is. Where torch calls this otherwise, nothing is shared.
    """
    try:
        from torch.onnx._internal.exporter._registration import ONNXRegistry

        kept = vars(ONNXRegistry)["from_torchlib"]
    except (ImportError, KeyError):
        yield
        return
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ONNXRegistry, "from_torchlib", staticmethod(functools.cache(kept.__func__.__get__(ONNXRegistry))))
        yield


@pytest.fixture
def shared_data() -> Path:
    """Return the folder of real checkpoints and images; skip where it is absent."""
    if not SHARED.is_dir():
        pytest.skip("the shared data folder is not beside this checkout")
    return SHARED


@pytest.fixture
def brief_benchmarks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Time files for a tenth of a second instead of two: for tests that need a measurement and no precise one."""
    from compressor.bench import turns

    monkeypatch.setattr(turns, "WARM_UP_SECONDS", 0.02)
    monkeypatch.setattr(turns, "SECONDS_PER_ROW", 0.1)


@pytest.fixture(autouse=True)
def _seed() -> None:
    """Start every test from the same random state."""
    import torch

    torch.manual_seed(0)


@pytest.fixture(scope="session")
def digits_checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a checkpoint of a small residual network that reads digits, trained here within seconds."""
    import torch

    from compressor.data import open_data, parse_preprocess
    from compressor.finetune import Recipe, finetune
    from compressor.load import build, load, save_slim

    torch.manual_seed(0)
    network = build("cifar:resnet8", num_classes=10, in_channels=1)
    fresh = load(network, arch="cifar:resnet8", preprocess=parse_preprocess("none"), input_size=(8, 8))
    data = open_data("digits", preprocess=fresh.preprocess)
    trained, _ = finetune(fresh, data, Recipe(epochs=4, lr=0.1, batch_size=32, distill=False))
    path = tmp_path_factory.mktemp("digits") / "digits.safetensors"
    save_slim(dataclasses.replace(trained, history=()), path)
    return path


@pytest.fixture(scope="session")
def made():
    """Return an honest certificate of a small network, and what it is about."""
    from real_bundle import make, tiny_checkpoint

    return make(*tiny_checkpoint())


@pytest.fixture(scope="session")
def honest(made) -> dict[str, bytes]:
    """Return the files of a small real bundle that passed."""
    from real_bundle import files_of

    files, decision = files_of(made)
    assert decision == "passed"
    return files
