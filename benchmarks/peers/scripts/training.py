"""Training code that whoever has a trained network has already: images, an epoch, accuracy, an ONNX file.

Source: pytorch/vision, references/classification: PIL transforms, cross-entropy, SGD with momentum, cosine.
"""

from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.utils.data import DataLoader
from torchvision import transforms
from torchvision.datasets import ImageFolder

Batches = DataLoader[Any]


def loaders(data: Path) -> tuple[Batches, Batches]:
    """Return the images to train on, and those to choose by."""
    last = [transforms.ToTensor(), transforms.Normalize((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))]
    augment = [transforms.RandomCrop(32, padding=4), transforms.RandomHorizontalFlip()]
    train = ImageFolder(str(data / "train"), transforms.Compose([*augment, *last]))
    val = ImageFolder(str(data / "val"), transforms.Compose(last))
    return DataLoader(train, 128, shuffle=True, drop_last=True), DataLoader(val, 250)


def tune(model: nn.Module, train: Batches, epochs: int = 1, lr: float = 0.02) -> None:
    """Train in place."""
    optimizer = torch.optim.SGD(model.parameters(), lr, momentum=0.9, weight_decay=5e-4)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, epochs * len(train))
    model.train()
    for _ in range(epochs):
        for images, labels in train:
            loss = nn.functional.cross_entropy(model(images), labels)
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            schedule.step()


@torch.no_grad()
def accuracy(model: nn.Module, batches: Batches) -> float:
    """Return the share of images answered right."""
    model.eval()
    right = sum(int((model(images).argmax(1) == labels).sum()) for images, labels in batches)
    return right / len(batches.dataset)  # type: ignore[arg-type]


def export(model: nn.Module, path: Path) -> None:
    """Write the model for batches of one image."""
    torch.onnx.export(model.eval(), (torch.zeros(1, 3, 32, 32),), path, external_data=False)
