"""Small networks and files for the tests of loading."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from slimming import slim_by_hand
from torch import nn

from compressor.data.preprocess import parse_preprocess
from compressor.load import Checkpoint, build, load

ORACLES = """
from torch import nn

def cifar10():
    return nn.Sequential(
        nn.Conv2d(3, 16, 4, 2, 1), nn.ReLU(), nn.Conv2d(16, 32, 4, 2, 1), nn.ReLU(),
        nn.Flatten(), nn.Linear(2048, 100), nn.ReLU(), nn.Linear(100, 10),
    )

def mnist():
    return nn.Sequential(
        nn.Conv2d(1, 16, 4, 2, 1), nn.ReLU(), nn.Conv2d(16, 32, 4, 2, 1), nn.ReLU(),
        nn.Flatten(), nn.Linear(1568, 100), nn.ReLU(), nn.Linear(100, 10),
    )

def any_classes(num_classes=4):
    return nn.Sequential(nn.Conv2d(3, 5, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(5, num_classes))

def needs_classes(num_classes):
    return any_classes(num_classes)

def broken():
    raise RuntimeError("no such weights")

def not_a_module():
    return 3
"""


@pytest.fixture(scope="module", autouse=True)
def _one_thread() -> Iterator[None]:
    """Compute on one thread: these networks are too small for more, and the machine may be shared."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture
def factories(tmp_path: Path) -> Path:
    """Return a Python file with factories."""
    path = tmp_path / "networks.py"
    path.write_text(ORACLES)
    return path


@pytest.fixture
def resnet8() -> nn.Module:
    """Return a small network whose norms have seen something, so that every weight matters."""
    model = build("cifar:resnet8", num_classes=5, in_channels=1)
    with torch.no_grad():
        for name, buffer in model.named_buffers():
            if "running" in name:
                buffer.uniform_(0.5, 1.5)
    return model


@pytest.fixture
def slim(resnet8: nn.Module) -> Checkpoint:
    """Return a checkpoint that was cut by hand, with everything known about it."""
    dense = load(
        resnet8,
        arch="cifar:resnet8",
        preprocess=parse_preprocess("mean=0.5;std=0.25;resize=9;crop=8"),
        input_size=(8, 8),
        labels=("a", "b", "c", "d", "e"),
    )
    model = build("cifar:resnet8", **dense.arguments)
    model.load_state_dict(dense.model.state_dict())
    slim_by_hand(model)
    return dense.followed_by(model, "cut by hand")


@pytest.fixture
def images() -> torch.Tensor:
    """Return two images for `resnet8`."""
    return torch.randn(2, 1, 8, 8)


@pytest.fixture(scope="session")
def cifar_test() -> tuple[torch.Tensor, torch.Tensor]:
    """Return 1,000 seeded test images of the CIFAR-10 JPEGs in [0, 1] and their labels, read from the archive."""
    import io
    import random
    import tarfile

    import numpy as np
    from PIL import Image

    archive = Path(__file__).resolve().parents[3] / "shared" / "data" / "cifar10-jpeg.tar.xz"
    if not archive.is_file():
        pytest.skip("the shared data folder is not beside this checkout")
    with tarfile.open(archive) as held:
        members = [each for each in held if "test/" in each.name and each.name.endswith(".jpg")]
        classes = sorted({Path(each.name).parent.name for each in members})
        members.sort(key=lambda each: each.name)
        picked = sorted(random.Random(0).sample(members, 1000), key=lambda each: each.offset)
        arrays = [np.asarray(Image.open(io.BytesIO(held.extractfile(each).read())).convert("RGB")) for each in picked]
    labels = torch.tensor([classes.index(Path(each.name).parent.name) for each in picked])
    return torch.from_numpy(np.stack(arrays)).permute(0, 3, 1, 2).float() / 255, labels
