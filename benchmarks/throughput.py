"""How fast this machine fine-tunes and attacks: images a second, medians over repeats.

    python -m benchmarks.throughput --device cuda:0 --output benchmarks/results
    python -m benchmarks.throughput --parts reference --threads 1 --output benchmarks/results   # only this, go on

Parts: `fine-tune` and `attack` are our own rates; `reference` is fine-tuning in turns with torchvision's reference
recipe, on the same files: what is compared is a whole epoch of each, once with one process that decodes beside and once
without, and the faster of the two counts. The images are noise: the arithmetic is the same. Each row is written when
it is measured; what has its row of this code and these settings is left out, `--again` measures it anew. Results
go to throughput-DEVICE.json.
"""

import argparse
import json
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from benchmarks.reference_recipe import Plain, loader_of, train
from benchmarks.rows import digest_of_code, write_rows
from compressor.attacks.model import AttackedModel
from compressor.data import Data, open_data, parse_preprocess
from compressor.finetune import Recipe, finetune
from compressor.finetune.recipe_text import read_values
from compressor.load import Checkpoint, build, load
from compressor.runtime.machine import versions

BATCHES = (32, 256, 1024)
PARTS = ("fine-tune", "reference", "attack")
CODE = ("compressor/finetune", "compressor/data", "compressor/attacks", "benchmarks/reference_recipe.py")
WORKERS = (0, 1)
"""Processes that decode for the reference recipe."""
PREPROCESS = parse_preprocess("imagenet")

Fields = dict[str, Any]


def main() -> None:
    """Measure what is missing, for every model."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--models", nargs="+", default=["cifar:resnet20", "cifar:resnet56"])
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=PARTS)
    parser.add_argument("--repeats", type=int, default=3, help="pairs, or repetitions of what is measured alone")
    parser.add_argument("--num-train", type=int, default=4096)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--set", nargs="*", default=[], help="recipe values of ours, such as compile=true")
    parser.add_argument("--again", action="store_true", help="measure anew what has a row")
    parser.add_argument("--output", type=Path, required=True)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    path = options.output / f"throughput-{options.device.split(':')[0]}.json"
    rows: list[Fields] = [] if options.again or not path.is_file() else json.loads(path.read_bytes())["rows"]
    for name in options.models:
        torch.manual_seed(0)
        model = load(build(name, num_classes=10), arch=name, preprocess=PREPROCESS, input_size=(32, 32))
        for key, measure in _measurements(name, model, options):
            rows = [row for row in rows if not _same(row, key) or row["settings"] == key["settings"]]
            if not any(_same(row, key) for row in rows):
                rows.append(key | measure())
                print(rows[-1], flush=True)
                write_rows(path, rows)


def _measurements(
    name: str, model: Checkpoint, options: argparse.Namespace
) -> list[tuple[Fields, Callable[[], Fields]]]:
    """Return what may be measured of a model: what tells the row from others, and how its numbers are found."""
    settings = {
        "code": digest_of_code(CODE),
        "torch": versions()["torch"],
        "threads": options.threads,
        "repeats": options.repeats,
        "images": options.num_train,
    }
    found: list[tuple[Fields, Callable[[], Fields]]] = []

    def add(what: str, batch: int, measure: Callable[[], Fields], **more: Any) -> None:
        found.append(({"model": name, "what": what, "batch": batch, "settings": settings | more}, measure))

    if "fine-tune" in options.parts:
        add("fine-tune", Recipe().batch_size, lambda: _tuning(model, options), values=options.set)
    if "reference" in options.parts:
        add("reference", Plain().batch_size, lambda: _against_reference(model, options), values=options.set)
    if "attack" in options.parts:
        for batch in BATCHES:
            add("attack", batch, partial(_attacking, model, batch, options))
    return found


def _same(row: Fields, key: Fields) -> bool:
    return all(row.get(name) == key[name] for name in ("model", "what", "batch"))


def _recipe(options: argparse.Namespace, epochs: int) -> Recipe:
    return Recipe(epochs=epochs, distill=False, **read_values(options.set))


def _tuning(model: Checkpoint, options: argparse.Namespace) -> Fields:
    """Images a second of fine-tuning, as its own history reports it, without the first epoch (warm-up)."""
    _, history = finetune(
        model, _noise(options.num_train), _recipe(options, 1 + options.repeats), device=options.device
    )
    rates = [epoch.images_per_second for epoch in history.epochs[1:]]
    return {"precision": history.recipe.precision, "images_per_second": statistics.median(rates), "all": rates}


def _against_reference(model: Checkpoint, options: argparse.Namespace) -> Fields:
    """Images a second of one epoch of ours and of the reference recipe, in turns, after one unmeasured turn of each."""
    with tempfile.TemporaryDirectory() as folder:
        tree = _files(Path(folder), options.num_train)
        data = open_data(str(tree), preprocess=PREPROCESS, input_size=(32, 32))
        rates: dict[str, list[float]] = {"ours": [], **{f"workers {number}": [] for number in WORKERS}}
        whole: list[float] = []
        for _ in range(1 + options.repeats):
            began = time.perf_counter()
            epochs = 2 if _recipe(options, 1).compile else 1  # the first one compiles
            _, history = finetune(model, data, _recipe(options, epochs), device=options.device)
            whole.append(time.perf_counter() - began)
            rates["ours"].append(history.epochs[-1].images_per_second)
            for number in WORKERS:
                plain = Plain(epochs=1, num_workers=number)
                fresh = build(model.architecture, num_classes=10)
                rates[f"workers {number}"] += train(
                    fresh, loader_of(tree / "train", PREPROCESS, plain), plain, device=options.device
                )
    measured = {name: values[1:] for name, values in rates.items()}
    best = max((name for name in measured if name != "ours"), key=lambda name: statistics.median(measured[name]))
    ratios = [ours / theirs for ours, theirs in zip(measured["ours"], measured[best], strict=True)]
    return {
        "images_per_second": statistics.median(measured["ours"]),
        "reference_images_per_second": statistics.median(measured[best]),
        "reference": best,
        "ratio": statistics.median(ratios),
        "ratios": [round(ratio, 4) for ratio in ratios],
        "all": measured,
        "whole_seconds": [round(seconds, 3) for seconds in whole[1:]],
        "load": os.getloadavg()[0],
        "precision": history.recipe.precision,
    }


def _attacking(model: Checkpoint, batch: int, options: argparse.Namespace) -> Fields:
    """Forward and backward passes a second of the attacked model, at several numbers of images in flight."""
    images = torch.rand(batch, 3, 32, 32)
    labels = torch.zeros(batch, dtype=torch.int64)
    rates = []
    with AttackedModel(model.classifier(), shape=(3, 32, 32), device=torch.device(options.device)) as attacked:
        for _ in range(1 + options.repeats):
            begin = time.perf_counter()
            attacked.loss_and_gradient(images, _cross_entropy, labels.to(attacked.device))
            rates.append(batch / (time.perf_counter() - begin))
    return {"images_per_second": statistics.median(rates[1:]), "all": rates[1:]}


def _cross_entropy(logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    return torch.nn.functional.cross_entropy(logits, labels, reduction="none")


def _pixels(num: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (num, 32, 32, 3), dtype=np.uint8)


def _files(folder: Path, num: int) -> Path:
    """Write images as JPEG files, as CIFAR-10 is often passed around: train/, val/ and test/ with ten classes."""
    for split, count in (("train", num), ("val", 100), ("test", 20)):
        for number, pixels in enumerate(_pixels(count)):
            place = folder / split / str(number % 10)
            place.mkdir(parents=True, exist_ok=True)
            Image.fromarray(pixels).save(place / f"{number}.jpg")
    return folder


def _noise(num: int) -> Data:
    """Return `num` training images of noise."""
    images, labels = _pixels(num + 200), np.random.default_rng(1).integers(0, 10, num + 200)
    parts = {"train": slice(num), "val": slice(num, num + 100), "test": slice(num + 100, None)}
    arrays: dict[str, Any] = {f"x_{split}": images[part] for split, part in parts.items()}
    arrays |= {f"y_{split}": labels[part] for split, part in parts.items()}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "noise.npz"
        np.savez(path, **arrays)
        return open_data(str(path), preprocess=PREPROCESS, seed=0)


if __name__ == "__main__":
    main()
