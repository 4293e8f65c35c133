"""What every test shares: fixed seeds, and the real inputs beside the project."""

from pathlib import Path

import pytest

SHARED = Path(__file__).resolve().parents[2] / "shared" / "data"


@pytest.fixture
def shared_data() -> Path:
    """Return the folder of real checkpoints and images; skip where it is absent."""
    if not SHARED.is_dir():
        pytest.skip("the shared data folder is not beside this checkout")
    return SHARED


@pytest.fixture(autouse=True)
def _seed() -> None:
    """Start every test from the same random state."""
    import torch

    torch.manual_seed(0)
