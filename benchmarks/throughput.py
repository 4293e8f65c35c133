"""How fast this machine fine-tunes and attacks: images a second, medians over repeats.

    python -m benchmarks.throughput --device cuda:0 --output benchmarks/results

The images are noise: the arithmetic is the same. Results go to throughput-DEVICE.json.
"""

import argparse
import statistics
import tempfile
import time
from pathlib import Path

import numpy as np
import torch

from benchmarks.rows import write_rows
from compressor.attacks.model import AttackedModel
from compressor.data import Data, open_data, parse_preprocess
from compressor.finetune import Recipe, finetune
from compressor.load import Checkpoint, build, load

BATCHES = (32, 256, 1024)


def main() -> None:
    """Measure both for every model."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--models", nargs="+", default=["cifar:resnet20", "cifar:resnet56"])
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--num-train", type=int, default=4096)
    parser.add_argument("--output", type=Path, required=True)
    options = parser.parse_args()
    rows = []
    for name in options.models:
        torch.manual_seed(0)
        model = load(
            build(name, num_classes=10), arch=name, preprocess=parse_preprocess("imagenet"), input_size=(32, 32)
        )
        rows.append({"model": name, "what": "fine-tune", **_tuning(model, options)})
        rows += [{"model": name, "what": "attack", **_attacking(model, batch, options)} for batch in BATCHES]
        for row in rows[-1 - len(BATCHES) :]:
            print(row, flush=True)
    write_rows(options.output / f"throughput-{options.device.split(':')[0]}.json", rows)


def _tuning(model: Checkpoint, options: argparse.Namespace) -> dict[str, object]:
    """Images a second of fine-tuning, as its own history reports it, without the first epoch (warm-up)."""
    data = _noise(options.num_train)
    recipe = Recipe(epochs=1 + options.repeats, distill=False)
    _, history = finetune(model, data, recipe, device=options.device)
    rates = [epoch.images_per_second for epoch in history.epochs[1:]]
    return {"batch": recipe.batch_size, "images_per_second": statistics.median(rates), "all": rates}


def _attacking(model: Checkpoint, batch: int, options: argparse.Namespace) -> dict[str, object]:
    """Forward and backward passes a second of the attacked model, at several numbers of images in flight."""
    images = torch.rand(batch, 3, 32, 32)
    labels = torch.zeros(batch, dtype=torch.int64)
    rates = []
    with AttackedModel(model.classifier(), shape=(3, 32, 32), device=torch.device(options.device)) as attacked:
        for _ in range(1 + options.repeats):
            begin = time.perf_counter()
            attacked.loss_and_gradient(images, _cross_entropy, labels.to(attacked.device))
            rates.append(batch / (time.perf_counter() - begin))
    return {"batch": batch, "images_per_second": statistics.median(rates[1:]), "all": rates[1:]}


def _cross_entropy(logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    return torch.nn.functional.cross_entropy(logits, labels, reduction="none")


def _noise(num: int) -> Data:
    """Return `num` training images of noise."""
    generator = np.random.default_rng(0)
    path = Path(tempfile.mkdtemp()) / "noise.npz"
    images = generator.integers(0, 256, (num + 200, 32, 32, 3), dtype=np.uint8)
    labels = generator.integers(0, 10, num + 200)
    np.savez(
        path,
        x_train=images[:num],
        y_train=labels[:num],
        x_val=images[num : num + 100],
        y_val=labels[num : num + 100],
        x_test=images[num + 100 :],
        y_test=labels[num + 100 :],
    )
    return open_data(str(path), preprocess=parse_preprocess("imagenet"), seed=0)


if __name__ == "__main__":
    main()
