"""Small robust networks that settings may be chosen by: trained here, on other images than the oracles have seen.

    python -m benchmarks.battery choice

The architecture is that of the oracles, the images are not: scikit-learn's digits enlarged to MNIST's size, and the
JPEG copy of CIFAR-10. A setting of `standard` is good when nothing that it leaves falls to `full` on any of these.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from benchmarks.battery_models import Opener, Places, Subject, cnn_a, in_memory
from compressor.attacks.threat import parse_threat
from compressor.data import Data, open_data, parse_preprocess
from compressor.data.images import stratified
from compressor.finetune.adversarial import perturb
from compressor.finetune.randomness import Noise

NUM_CIFAR = 6000
"""Training images of the networks for CIFAR."""

SIDE = {"digits": 28, "cifar": 32}
STEPS = 7
"""Of the inner attack in training."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Proxy:
    """How one of them is trained."""

    data: str
    """`digits` or `cifar`."""
    threat: str
    """Trained and attacked within it."""
    seed: int
    epochs: int

    @property
    def name(self) -> str:
        """What its row and its file are called."""
        return f"{self.data}-{self.threat.replace(':', '-').replace('/', '_')}-seed{self.seed}"


PROXIES = (
    Proxy(data="digits", threat="linf:0.3", seed=1, epochs=50),
    Proxy(data="digits", threat="linf:0.2", seed=2, epochs=40),
    Proxy(data="cifar", threat="linf:2/255", seed=3, epochs=8),
    Proxy(data="cifar", threat="linf:8/255", seed=4, epochs=8),
)


def opener(proxy: Proxy) -> Opener:
    """Return what opens a proxy, training it where nobody has."""

    def open_proxy(places: Places, num_images: int) -> Subject:
        data = _digits(places) if proxy.data == "digits" else places.open_cifar("none")
        path = places.work / f"{proxy.name}.pt"
        side, channels = SIDE[proxy.data], 1 if proxy.data == "digits" else 3
        network = cnn_a(channels, side)
        if path.exists():
            network.load_state_dict(torch.load(path, weights_only=True))
        else:
            print(f"train {path.name}", flush=True)
            _train(network, data, proxy)
            torch.save(network.state_dict(), path)
        return Subject(
            model=f"small CNN trained here, {proxy.data} at {proxy.threat} (seed {proxy.seed}, {proxy.epochs} epochs)",
            checkpoint=in_memory(network, proxy.name, side=side, channels=channels, preprocess="none"),
            images=stratified(data.need("test"), num_images, seed=0),
            where="digits of scikit-learn, enlarged" if proxy.data == "digits" else "CIFAR-10 test, JPEG",
        )

    return open_proxy


def _train(network: nn.Module, data: Data, proxy: Proxy) -> None:
    """Train on adversarial images whose radius grows in the first 40 % of the epochs (otherwise it learns nothing)."""
    torch.manual_seed(proxy.seed)
    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            module.reset_parameters()
    train = stratified(data.need("train"), NUM_CIFAR, seed=proxy.seed)
    images, labels = train.read(range(len(train))), torch.from_numpy(train.labels)
    threat, source = parse_threat(proxy.threat), torch.Generator().manual_seed(proxy.seed)
    optimizer = torch.optim.Adam(network.parameters(), 1e-3)
    for epoch in range(proxy.epochs):
        optimizer.param_groups[0]["lr"] = 1e-3 if epoch < 0.7 * proxy.epochs else 2e-4
        share = min(1.0, (epoch + 1) / (0.4 * proxy.epochs))
        for rows in torch.randperm(len(images), generator=source).split(64):  # type: ignore[no-untyped-call]
            clean = _mirrored(images[rows], source) if proxy.data == "cifar" else images[rows]
            noise = Noise.of("perturb", proxy.seed, epoch, indices=rows)
            hard = perturb(network, clean, labels[rows], threat=threat, num_steps=STEPS, source=noise)
            hard = clean + share * (hard - clean)
            optimizer.zero_grad()
            nn.functional.cross_entropy(network(hard), labels[rows]).backward()  # type: ignore[no-untyped-call]
            optimizer.step()


def _mirrored(images: Tensor, source: torch.Generator) -> Tensor:
    flipped = torch.rand(len(images), 1, 1, 1, generator=source) < 0.5
    return torch.where(flipped, images.flip(3), images)


def _digits(places: Places) -> Data:
    """Open the embedded digits, enlarged and sharpened until strokes are nearly binary, as MNIST's are."""
    path = places.work / "digits-28.npz"
    if not path.exists():
        small = open_data("digits", preprocess=parse_preprocess("none"))
        arrays = {}
        for role in ("train", "select", "test"):
            part = small.need(role)
            pixels = part.read(range(len(part)))
            large = nn.functional.interpolate(pixels, size=(28, 28), mode="bicubic", align_corners=False)
            kind = {"select": "val"}.get(role, role)
            arrays[f"x_{kind}"] = (255 * ((large - 0.3) * 2.2).clamp(0, 1)).round().to(torch.uint8).numpy()
            arrays[f"y_{kind}"] = part.labels
        _save(path, arrays)
    return open_data(str(path), preprocess=parse_preprocess("none"))


def _save(path: Path, arrays: dict[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savez(path, **arrays)
