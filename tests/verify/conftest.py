"""One real bundle for all tests of this folder."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from real_bundle import exported

from compressor.bundle import write_bundle
from compressor.verify import model as model_checks


@pytest.fixture(scope="module", autouse=True)
def _one_thread() -> Iterator[None]:
    """Compute on one thread: for so small a network more of them take ten times as long."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(autouse=True)
def _exports_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Export equal checkpoints once for all tests: it takes seconds, and its sameness has tests of its own."""
    monkeypatch.setattr(model_checks, "export_onnx", exported)


@pytest.fixture
def folder(honest: dict[str, bytes], tmp_path: Path) -> Path:
    """Return a bundle that passed."""
    return write_bundle(tmp_path, "tiny", honest, rejected=False, force=False)
