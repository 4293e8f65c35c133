"""The models that batteries are compared on, each with its images: oracles, residual networks, a robust small CNN."""

import tarfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import nn

from compressor.data import Data, ImageSet, open_data, parse_preprocess
from compressor.data.images import stratified
from compressor.finetune import Recipe, finetune
from compressor.load import Checkpoint, load, save_slim
from compressor.load.checkpoint import sha256_of_weights

SEED = 0
CNN_A_CIFAR = "mean={},{},{};std={},{},{}".format(*(value / 255 for value in (125.3, 123.0, 113.9, 63.0, 62.1, 66.7)))
NUM_TRAIN = 20_000
"""Training images of the residual network that is made robust here: enough for something to stand."""

RECIPE = Recipe(epochs=3, lr=0.02, adversarial="linf:4/255", adversarial_steps=2, distill=False, seed=SEED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Places:
    """Where things lie."""

    shared: Path
    """Checkpoints and archives that were not made here."""
    cifar: Path | None
    """CIFAR-10 as folders of JPEG files; None: unpacked into `work`."""
    work: Path
    """What is unpacked, trained and resumed; may be deleted at any time."""

    def open_cifar(self, preprocess: str) -> Data:
        """Open CIFAR-10, unpacking it first where nobody has."""
        folder = self.cifar or self.work / "cifar"
        if not folder.is_dir():
            with tarfile.open(self.shared / "cifar10-jpeg.tar.xz") as archive:
                archive.extractall(folder, filter="data")
        root = next(path.parent for path in [folder / "train", *folder.glob("*/train")] if path.is_dir())
        return open_data(str(root), preprocess=parse_preprocess(preprocess), input_size=(32, 32), seed=SEED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """A model with the images that it is attacked on."""

    model: str
    """What it is and how it was trained."""
    checkpoint: Checkpoint
    images: ImageSet
    where: str
    """Which images these are."""


Opener = Callable[[Places, int], Subject]
"""(places, number of images) -> subject"""


def cnn_a(channels: int, side: int) -> nn.Sequential:
    """Return the small CNN of verification papers: images (N, C, side, side) to ten logits."""
    first, second = nn.Conv2d(channels, 16, 4, 2, 1), nn.Conv2d(16, 32, 4, 2, 1)
    head = (nn.Linear(32 * (side // 4) ** 2, 100), nn.ReLU(), nn.Linear(100, 10))
    return nn.Sequential(first, nn.ReLU(), second, nn.ReLU(), nn.Flatten(), *head)


def in_memory(model: nn.Module, name: str, *, side: int, channels: int, preprocess: str) -> Checkpoint:
    """Return a checkpoint around a network that no `--arch` builds."""
    return Checkpoint(
        model=model.eval(),
        architecture=f"memory:{name}",
        input_shape=(channels, side, side),
        num_classes=10,
        preprocess=parse_preprocess(preprocess),
        sha256=sha256_of_weights(model.state_dict()),
    )


def mnist_oracle(places: Places, num_images: int) -> Subject:
    """Return mnist_cnn_a_adv with its published 200 images."""
    return _oracle(places, num_images, "mnist_cnn_a_adv", "sdp-mnist-200.npz", channels=1, side=28, preprocess="none")


def cifar_oracle(places: Places, num_images: int) -> Subject:
    """Return cifar_cnn_a_mix with its published 200 images."""
    return _oracle(
        places, num_images, "cifar_cnn_a_mix", "sdp-cifar10-200.npz", channels=3, side=32, preprocess=CNN_A_CIFAR
    )


def _oracle(
    places: Places, num_images: int, name: str, file: str, *, channels: int, side: int, preprocess: str
) -> Subject:
    network = cnn_a(channels, side)
    network.load_state_dict(torch.load(places.shared / "checkpoints" / f"{name}.model", weights_only=True))
    images = open_data(str(places.shared / file), preprocess=parse_preprocess(preprocess)).need("test")
    return Subject(
        model=f"{name}, as published",
        checkpoint=in_memory(network, name, side=side, channels=channels, preprocess=preprocess),
        images=stratified(images, num_images, seed=SEED),
        where=f"the {len(images)} published ones",
    )


def cifar_oracle_on_jpeg(places: Places, num_images: int) -> Subject:
    """Return cifar_cnn_a_mix with images of the JPEG test set."""
    data = places.open_cifar(CNN_A_CIFAR)
    return replace(cifar_oracle(places, 1), images=_sample(data, num_images), where="CIFAR-10 test, JPEG")


def natural_resnet(places: Places, num_images: int) -> Subject:
    """Return resnet20 as published, trained on natural images."""
    return Subject(
        model="resnet20, as published, trained on natural images",
        checkpoint=_resnet20(places),
        images=_sample(places.open_cifar("imagenet"), num_images),
        where="CIFAR-10 test, JPEG",
    )


def robust_resnet(places: Places, num_images: int) -> Subject:
    """Return resnet20 made robust by adversarial fine-tuning; trained once."""
    data = places.open_cifar("imagenet")
    path = places.work / f"resnet20-robust-{RECIPE.epochs}x{NUM_TRAIN}.safetensors"
    if path.exists():
        checkpoint = load(path)
    else:
        print(f"train {path.name}: adversarially, {RECIPE.adversarial}", flush=True)
        dense = _resnet20(places)
        few = replace(
            data,
            train=stratified(data.need("train"), NUM_TRAIN, seed=SEED),
            select=stratified(data.need("select"), 200, seed=SEED),
        )
        checkpoint, history = finetune(dense, few, RECIPE)
        print(f"  {history.select_accuracy:.1%} right on images aside", flush=True)
        save_slim(checkpoint, path)
    return Subject(
        model=f"resnet20, then {RECIPE.epochs} adversarial epochs on {NUM_TRAIN:,} training "
        f"images ({RECIPE.adversarial}, {RECIPE.adversarial_steps} steps, seed {RECIPE.seed})",
        checkpoint=checkpoint,
        images=_sample(data, num_images),
        where="CIFAR-10 test, JPEG",
    )


def _resnet20(places: Places) -> Checkpoint:
    path = places.shared / "checkpoints" / "resnet20-12fca82f.th"
    return load(path, arch="cifar:resnet20", preprocess=parse_preprocess("imagenet"))


def _sample(data: Data, num_images: int) -> ImageSet:
    return stratified(data.need("test"), num_images, seed=SEED)
