"""ResNet-20 on CIFAR-10, three epochs: ours at half the multiply-adds, its control, and plain torch-pruning with SGD.

    python -m benchmarks.finetune                          # what has no row yet; each takes a quarter of an hour
    python -m benchmarks.finetune plain ours --again       # these parts anew
    python -m benchmarks.finetune --num-train 2000         # shortened: rows of their own

Parts: `plain` prunes inner convolutions with torch-pruning (L1, ratio 0.5: 1.97x fewer multiply-adds) and tunes by
`reference_recipe` (learning rate 0.02, cosine); `ours` plans for half the multiply-adds and tunes by the recipe `few`,
learning from the network as delivered; `control` tunes the dense network by the same recipe. Two variants of ours:
`inner` cuts inner convolutions only (`--keep`), and `taught` is the same cut that learns from the control, whose time
counts. Each row is written when
it is measured, and an interrupted part of ours goes on where it was (its time is then not reported). The test images
are looked at once, at the end of a part. Time is processor time of the whole part, decoding included. Results go to
finetune-DEVICE.json.
"""

import argparse
import json
import os
import tarfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
import torch_pruning
from torch import nn

from benchmarks.reference_recipe import Plain, loader_of, train
from benchmarks.rows import ROOT, digest_of_code, write_rows
from compressor.data import Data, Normalised, open_data, parse_preprocess
from compressor.data.images import stratified
from compressor.evaluate import evaluate
from compressor.finetune import History, Recipe, finetune
from compressor.load import Checkpoint, load
from compressor.prune import count_cost, plan, slim
from compressor.runtime.machine import versions

CODE = {
    "plain": ("benchmarks/reference_recipe.py",),
    "ours": ("compressor/finetune", "compressor/data", "compressor/prune"),
    "control": ("compressor/finetune", "compressor/data"),
    "inner": ("compressor/finetune", "compressor/data", "compressor/prune"),
    "taught": ("compressor/finetune", "compressor/data", "compressor/prune"),
}
STREAM = ("conv1", "layer?.?.conv2")
"""What writes to the residual stream: kept, only inner convolutions are cut."""
PREPROCESS = parse_preprocess("imagenet")
SHAPE = (3, 32, 32)

Fields = dict[str, Any]


def main() -> None:
    """Measure what is missing."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"{', '.join(PARTS)}; none: all")
    parser.add_argument("--again", action="store_true", help="measure anew what has a row")
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--num-train", type=int, help="training images; left out: all")
    parser.add_argument("--num-test", type=int, help="test images; left out: all")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--shared", type=Path, default=ROOT.parent / "shared" / "data", help="checkpoint and archive")
    parser.add_argument(
        "--cifar", type=Path, help="CIFAR-10 as train/CLASS/, test/CLASS/, where it is unpacked already"
    )
    parser.add_argument(
        "--work", type=Path, default=ROOT / ".compress" / "finetune", help="what is unpacked and resumed"
    )
    parser.add_argument("--output", type=Path, default=ROOT / "benchmarks" / "results")
    options = parser.parse_args()
    if set(options.parts) - set(PARTS):
        parser.error(f"a part is one of {', '.join(PARTS)}")
    torch.set_num_threads(options.threads)
    path = options.output / f"finetune-{options.device.split(':')[0]}.json"
    rows: list[Fields] = json.loads(path.read_bytes())["rows"] if path.is_file() else []
    for name in options.parts or PARTS:
        key = {"part": name, "epochs": options.epochs, "num_train": options.num_train, "num_test": options.num_test}
        made = {"code": digest_of_code(CODE[name]), "torch": versions()["torch"], "threads": options.threads}
        here = [row for row in rows if all(row[field] == value for field, value in key.items())]
        if not options.again and any(row["made"] == made for row in here):
            print(f"{name}: has its row", flush=True)
            continue
        rows = [row for row in rows if row not in here]
        rows.append(key | {"made": made, "load": os.getloadavg()[0]} | PARTS[name](options))
        print(rows[-1], flush=True)
        write_rows(path, rows)


def _plain(options: argparse.Namespace) -> Fields:
    """Prune and tune as the documentation of torch-pruning and torchvision's reference scripts do."""
    network = _dense(options).model
    before = count_cost(network, SHAPE).macs
    inner = {module for name, module in network.named_modules() if name.endswith(".conv1") and "layer" in name}
    layers = (nn.Conv2d, nn.Linear)
    others = [module for module in network.modules() if isinstance(module, layers) and module not in inner]
    pruner = torch_pruning.pruner.BasePruner(
        network,
        torch.randn(1, *SHAPE),
        importance=torch_pruning.importance.GroupMagnitudeImportance(p=1),
        pruning_ratio=0.5,
        ignored_layers=others,
        in_channel_groups={},
        out_channel_groups={},
        num_heads={},
    )
    pruner.step()
    plain = Plain(epochs=options.epochs)
    loader = loader_of(_root(options) / "train", PREPROCESS, plain, num_images=options.num_train)
    began, clock = time.process_time(), time.perf_counter()
    rates = list(train(network, loader, plain, device=options.device))
    return {
        "seconds": round(time.process_time() - began, 2),
        "wall_seconds": round(time.perf_counter() - clock, 2),
        "images_per_second": [round(rate, 1) for rate in rates],
        "macs_ratio": round(before / count_cost(network.cpu(), SHAPE).macs, 3),
        "test_accuracy": test_accuracy(network, options),
    }


def _ours(options: argparse.Namespace) -> Fields:
    """Plan for half the multiply-adds, cut, and tune by the recipe `few`."""
    dense = _dense(options)
    smaller = slim(dense, plan(dense, target_macs=0.5))
    before, after = (count_cost(each.model, SHAPE).macs for each in (dense, smaller))
    return {"macs_ratio": round(before / after, 3), **_tuned(smaller, dense, options, "ours")[1]}


def _control(options: argparse.Namespace) -> Fields:
    """Tune the dense network by the same recipe."""
    dense = _dense(options)
    _, row = _tuned(dense, dense, options, "control")
    return {"macs_ratio": 1.0, **row}


def _inner(options: argparse.Namespace) -> Fields:
    """As `ours`, but with the residual stream as wide as it was."""
    dense = _dense(options)
    return _inner_taught_by(dense, options, "inner")


def _taught(options: argparse.Namespace) -> Fields:
    """As `inner`, with the control as teacher: tuned first, in the time of this part, unless its state is at hand."""
    dense = _dense(options)
    control, before = _tuned(dense, dense, options, "control")
    row = _inner_taught_by(control, options, "taught")
    if before["seconds"] is None or row["seconds"] is None:
        return row | {"seconds": None, "seconds_without_control": row["seconds"]}
    return row | {"seconds": before["seconds"] + row["seconds"], "seconds_without_control": row["seconds"]}


def _inner_taught_by(teacher: Checkpoint, options: argparse.Namespace, name: str) -> Fields:
    dense = _dense(options)
    smaller = slim(dense, plan(dense, target_macs=0.5, keep=STREAM))
    before, after = (count_cost(each.model, SHAPE).macs for each in (dense, smaller))
    return {"macs_ratio": round(before / after, 3), **_tuned(smaller, teacher, options, name)[1]}


def _tuned(
    checkpoint: Checkpoint, teacher: Checkpoint, options: argparse.Namespace, name: str
) -> tuple[Checkpoint, Fields]:
    state = options.work / "state" / name
    is_whole = not state.exists()
    began, clock = time.process_time(), time.perf_counter()
    tuned, history = finetune(
        checkpoint, data_of(options), Recipe(epochs=options.epochs), teacher=teacher, device=options.device, state=state
    )
    spent, wall = time.process_time() - began, time.perf_counter() - clock
    return tuned, {
        "seconds": round(spent, 2) if is_whole else None,
        "wall_seconds": round(wall, 2) if is_whole else None,
        **told(history),
        "test_accuracy": test_accuracy(tuned.model, options),
    }


def told(history: History) -> Fields:
    """Return what a row says of a history."""
    return {
        "images_per_second": [epoch.images_per_second for epoch in history.epochs],
        "select_accuracy_before": history.select_accuracy_before,
        "select_accuracy_batchnorm": history.select_accuracy_batchnorm,
        "select_accuracy": [epoch.select_accuracy for epoch in history.epochs],
        "best_epoch": history.best_epoch,
    }


def _dense(options: argparse.Namespace) -> Checkpoint:
    path = options.shared / "checkpoints" / "resnet20-12fca82f.th"
    return load(path, arch="cifar:resnet20", preprocess=PREPROCESS, input_size=(32, 32))


def data_of(options: argparse.Namespace) -> Data:
    """Open CIFAR-10, all of it or a sample of the training images."""
    data = open_data(str(_root(options)), preprocess=PREPROCESS, input_size=(32, 32), seed=0)
    if options.num_train is None:
        return data
    return replace(data, train=stratified(data.need("train"), options.num_train, seed=0))


def test_accuracy(network: nn.Module, options: argparse.Namespace) -> float:
    """Return the share of test images that a network answers right, in [0, 1]."""
    images = open_data(str(_root(options)), preprocess=PREPROCESS, input_size=(32, 32), seed=0).need("test")
    some = images if options.num_test is None else stratified(images, options.num_test, seed=0)
    return evaluate(Normalised(network.cpu().eval(), PREPROCESS), some).accuracy


def _root(options: argparse.Namespace) -> Path:
    """Return the folder with train/ and test/, unpacking it first where nobody has."""
    folder: Path = options.cifar or options.work / "cifar"
    if not folder.is_dir():
        with tarfile.open(options.shared / "cifar10-jpeg.tar.xz") as archive:
            archive.extractall(folder, filter="data")
    return next(path.parent for path in [folder / "train", *folder.glob("*/train")] if path.is_dir())


PARTS: dict[str, Callable[[argparse.Namespace], Fields]] = {
    "plain": _plain,
    "ours": _ours,
    "control": _control,
    "inner": _inner,
    "taught": _taught,
}


if __name__ == "__main__":
    main()
