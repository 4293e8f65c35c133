"""Small models and images for the tests of certification."""

import hashlib
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from compressor.certify.certify import certify
from compressor.data.images import ImageSet
from compressor.data.preprocess import Preprocess
from compressor.load.checkpoint import Checkpoint, sha256_of_weights

SHAPE = (1, 6, 6)
NUM_CLASSES = 5


def images_of(pixels: Tensor, labels: Tensor) -> ImageSet:
    """Return float32 images in memory."""
    return ImageSet(
        role="test",
        labels=labels.numpy().astype(np.int64),
        names=tuple(f"test/{index}" for index in range(len(labels))),
        class_names=("a", "b", "c", "d", "e"),
        shape=tuple(pixels.shape[1:]),
        reader=lambda rows: pixels[list(rows)],
        hasher=lambda index: hashlib.sha256(pixels[index].numpy().tobytes()).hexdigest(),
        is_held=True,
    )


def checkpoint_of(model: nn.Module, shape: tuple[int, int, int] = SHAPE, num_classes: int = NUM_CLASSES) -> Checkpoint:
    """Return a checkpoint around a module that takes images in [0, 1] as they are."""
    return Checkpoint(
        model=model.eval(),
        architecture="memory:test",
        input_shape=shape,
        num_classes=num_classes,
        preprocess=Preprocess(mean=(), std=()),
        sha256=sha256_of_weights(model.state_dict()),
    )


def linear(weights: np.ndarray, shape: tuple[int, int, int] = SHAPE) -> nn.Module:
    """Return logits = flatten(images) @ weights, as `tiny_onnx.linear_onnx` computes them."""
    layer = nn.Linear(*weights.shape, bias=False)
    layer.weight.data = torch.from_numpy(weights.T.copy())
    return nn.Sequential(nn.Flatten(), layer)


def bent(width: int = 13, seed: int = 0) -> nn.Module:
    """Return a small network with the odd widths that pruning leaves."""
    torch.manual_seed(seed)
    return nn.Sequential(
        nn.Conv2d(1, width, 3),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(width * 16, 37),
        nn.ReLU(),
        nn.Linear(37, NUM_CLASSES),
    )


def answered_by(model: nn.Module, num: int = 60, wrong: int = 6, shape: tuple[int, int, int] = SHAPE) -> ImageSet:
    """Return random images with the model's own answers as labels, but for the first `wrong`."""
    pixels = torch.rand(num, *shape, generator=torch.Generator().manual_seed(7))
    with torch.no_grad():
        logits = model(pixels)
    labels = logits.argmax(1)
    labels[:wrong] = logits.argmin(1)[:wrong]
    return images_of(pixels, labels)


def run(model: nn.Module, images: ImageSet, *, threats=(), battery="quick", **options):
    """Certify a module in memory."""
    options = {"data_spec": "fake", "params": 1, "macs": 1, **options}
    shape = tuple(images.shape)
    if isinstance(options.get("baseline"), nn.Module):
        options["baseline"] = checkpoint_of(options["baseline"], shape)
    if isinstance(battery, Path):
        battery = str(battery)
    return certify(checkpoint_of(model, shape), images, threats=list(threats), battery=battery, **options)


class Stopped(Exception):
    """A listener had enough."""


class StopsAfter:
    """A listener that stops the run at the n-th report, as an interruption would."""

    def __init__(self, num: int) -> None:
        self.num = num

    @contextmanager
    def stage(self, name, *, total=None, unit=""):
        """Open a stage."""
        yield self

    def advance(self, amount=1, note=""):
        """Count down."""
        self.num -= 1
        if self.num == 0:
            raise Stopped

    def say(self, message):
        """Hear nothing."""
