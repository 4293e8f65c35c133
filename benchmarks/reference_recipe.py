"""Fine-tuning as torchvision's reference scripts do it: DataLoader, PIL transforms, fp32, plain SGD.

Source: pytorch/vision, references/classification (train.py, presets.py): files decoded by PIL in each epoch, random
crop and mirror, normalised tensors (N, C, H, W), cross-entropy, SGD with momentum and weight decay, cosine. Differs
from it: the crop is CIFAR's (four black pixels around 32 x 32), because theirs is for 224 pixels.
"""

import math
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset, Subset
from torchvision import transforms
from torchvision.datasets import ImageFolder

from compressor.data import Preprocess


@dataclass(frozen=True, slots=True, kw_only=True)
class Plain:
    """The values of the plain recipe."""

    epochs: int = 3
    lr: float = 0.02
    batch_size: int = 128
    momentum: float = 0.9
    weight_decay: float = 5e-4
    num_workers: int = 0
    """Processes that decode."""
    seed: int = 0


def loader_of(
    folder: Path, preprocess: Preprocess, plain: Plain, *, augmented: bool = True, num_images: int | None = None
) -> DataLoader[Any]:
    """Return the batches of a folder with one subfolder for each class, of all images or of some drawn by the seed."""
    steps = [transforms.RandomCrop(32, padding=4), transforms.RandomHorizontalFlip()] if augmented else []
    last = [transforms.PILToTensor(), transforms.ConvertImageDtype(torch.float32)]
    normalise = transforms.Normalize(mean=preprocess.mean, std=preprocess.std)
    every = ImageFolder(str(folder), transform=transforms.Compose([*steps, *last, normalise]))
    images: Dataset[Any] = every
    if num_images is not None:
        order = torch.randperm(len(every), generator=torch.Generator().manual_seed(plain.seed))
        images = Subset(every, order[:num_images].tolist())
    return DataLoader(
        images,
        batch_size=plain.batch_size,
        shuffle=augmented,
        num_workers=plain.num_workers,
        generator=torch.Generator().manual_seed(plain.seed),
        drop_last=augmented,
    )


def train(model: nn.Module, loader: DataLoader[Any], plain: Plain, *, device: str = "cpu") -> Iterator[float]:
    """Train a model that takes normalised images, in place; yield after each epoch how many images a second it took."""
    model.to(device).train()
    optimizer = torch.optim.SGD(
        model.parameters(), lr=plain.lr, momentum=plain.momentum, weight_decay=plain.weight_decay
    )
    num_steps = max(1, plain.epochs * len(loader))
    step = 0
    for _ in range(plain.epochs):
        began, seen = time.perf_counter(), 0
        for images, labels in loader:
            for group in optimizer.param_groups:
                group["lr"] = plain.lr * (1 + math.cos(math.pi * step / num_steps)) / 2
            loss = nn.functional.cross_entropy(model(images.to(device)), labels.to(device))
            optimizer.zero_grad(set_to_none=True)
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            seen, step = seen + len(labels), step + 1
        if device != "cpu":
            torch.cuda.synchronize()
        yield seen / (time.perf_counter() - began)
    model.eval()
