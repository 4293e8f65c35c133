"""What the fine-tuning tests use: the digits of scikit-learn, nets of a few hundred weights, a listener that kills."""

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from sklearn.datasets import load_digits
from torch import Tensor, nn

from compressor.data.images import Data, ImageSet
from compressor.data.preprocess import parse_preprocess
from compressor.load.checkpoint import Checkpoint, sha256_of_weights
from compressor.types import Role

NAMES = tuple("0123456789")


class TinyNet(nn.Module):
    """Two convolutions, with BatchNorm or without."""

    def __init__(self, width: int = 8, *, norm: bool = True) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(1, width, 3, padding=1)
        self.norm1 = nn.BatchNorm2d(width) if norm else nn.Identity()
        self.conv2 = nn.Conv2d(width, width, 3, padding=1, stride=2)
        self.norm2 = nn.BatchNorm2d(width) if norm else nn.Identity()
        self.linear = nn.Linear(width * 16, 10)

    def forward(self, images: Tensor) -> Tensor:
        """(N, 1, 8, 8) -> (N, 10)."""
        features = torch.relu(self.norm1(self.conv1(images)))
        features = torch.relu(self.norm2(self.conv2(features)))
        return self.linear(features.flatten(1))


def images_of(role: Role, pixels: np.ndarray, labels: np.ndarray) -> ImageSet:
    """Return arrays (N, 1, 8, 8) uint8 as a set of images."""
    stored = torch.from_numpy(pixels)
    return ImageSet(
        role=role,
        labels=labels.astype(np.int64),
        names=tuple(f"{role}/{index}" for index in range(len(labels))),
        class_names=NAMES,
        shape=(1, 8, 8),
        reader=lambda wanted: stored[torch.as_tensor(list(wanted), dtype=torch.int64)],
        hasher=lambda index: hashlib.sha256(pixels[index].tobytes()).hexdigest(),
    )


def forbidden() -> ImageSet:
    """Return test images that must not be read."""

    def read(wanted: Sequence[int]) -> Tensor:
        raise AssertionError("fine-tuning read a test image")

    def digest(index: int) -> str:
        raise AssertionError("fine-tuning looked at a test image")

    some = images_of("test", np.zeros((20, 1, 8, 8), dtype=np.uint8), np.zeros(20))
    return replace(some, reader=read, hasher=digest)


def digits(num_train: int = 600) -> Data:
    """Return train and select digits, and a test role that must not be touched."""
    bunch = load_digits()
    pixels = np.rint(bunch.images / 16 * 255).astype(np.uint8)[:, None]
    order = np.random.default_rng(0).permutation(len(pixels))
    select, train = order[:200], order[200 : 200 + num_train]
    return Data(
        spec="digits",
        class_names=NAMES,
        train=images_of("train", pixels[train], bunch.target[train]),
        select=images_of("select", pixels[select], bunch.target[select]),
        test=forbidden(),
        notes=(),
    )


def checkpoint_of(model: nn.Module, preprocess: str = "mean=0.3;std=0.4") -> Checkpoint:
    """Return a model in memory with all that is known about it."""
    model.eval()
    return Checkpoint(
        model=model,
        architecture=f"memory:{type(model).__name__}",
        input_shape=(1, 8, 8),
        num_classes=10,
        preprocess=parse_preprocess(preprocess),
        sha256=sha256_of_weights(model.state_dict()),
    )


def only_file(folder: Path) -> Path:
    """Return the one file there."""
    (path,) = folder.iterdir()
    return path


class Killed(BaseException):
    """Stands for Ctrl-C."""


class Killer:
    """A listener that hears everything and interrupts after so many units of training."""

    def __init__(self, after: int | None = None) -> None:
        self.after = after
        self.heard: list[str] = []
        self.num = 0

    @contextmanager
    def stage(self, name: str, *, total: int | None = None, unit: str = "") -> Iterator["Killer"]:
        """Count in the training stage only."""
        self.counts = name == "fine-tune"
        yield self

    def advance(self, amount: int = 1, note: str = "") -> None:
        """Interrupt once enough was done."""
        if self.counts:
            self.num += amount
            if self.after is not None and self.num >= self.after:
                raise Killed

    def say(self, message: str) -> None:
        """Remember what was said."""
        self.heard.append(message)
