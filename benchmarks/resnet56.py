"""ResNet-56 on CIFAR-10 at full length: slim networks against the control, in parts that go on where they stopped.

    python -m benchmarks.resnet56 --device cuda:0 --seconds 400 --state STATE --output OUT

Parts: `control` tunes the dense network by the recipe `full`; `2.1`, `2.5` and `4` plan for so many times fewer
multiply-adds, cut, and tune by the same recipe, learning from the network as delivered. State is kept after each epoch:
call again with the same `--state` until every part has its row. The test images are looked at once, at the end of a
part. Results go to resnet56-DEVICE.json.
"""

import argparse
import json
import signal
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from benchmarks.finetune import PREPROCESS, SHAPE, data_of, test_accuracy, told
from benchmarks.rows import ROOT, write_rows
from compressor.finetune import finetune
from compressor.finetune.recipe import RECIPES
from compressor.load import load
from compressor.prune import count_cost, plan, slim

CONTROL = "control"
PARTS = (CONTROL, "2.1", "2.5", "4")


class TimeIsUp(Exception):
    """The seconds of this call are over; the state of the last whole epoch stays."""


def main() -> None:
    """Measure what has no row yet, until the time is up."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--seconds", type=int, default=0, help="of this call; 0: as long as it takes")
    parser.add_argument("--state", type=Path, default=ROOT / ".compress" / "resnet56", help="what is resumed")
    parser.add_argument("--epochs", type=int, help="left out: those of the recipe; fewer are rows of their own")
    parser.add_argument("--num-train", type=int, help="training images; left out: all")
    parser.add_argument("--num-test", type=int, help="test images; left out: all")
    parser.add_argument("--shared", type=Path, default=ROOT.parent / "shared" / "data", help="checkpoint and archive")
    parser.add_argument("--cifar", type=Path, help="CIFAR-10 as train/CLASS/, test/CLASS/, if unpacked already")
    parser.add_argument("--output", type=Path, default=ROOT / "benchmarks" / "results")
    options = parser.parse_args()
    options.work = options.state
    path = options.output / f"resnet56-{options.device.split(':')[0]}.json"
    rows: list[dict[str, Any]] = json.loads(path.read_bytes())["rows"] if path.is_file() else []
    signal.signal(signal.SIGALRM, _ring)
    signal.alarm(options.seconds)
    try:
        for name in PARTS:
            key = {"part": name, "epochs": options.epochs, "num_train": options.num_train, "num_test": options.num_test}
            if any(all(row[field] == value for field, value in key.items()) for row in rows):
                print(f"{name}: has its row", flush=True)
                continue
            rows.append(key | measured(name, options))
            print(rows[-1], flush=True)
            write_rows(path, rows)
    except TimeIsUp:
        print("the time is up: call again with the same --state", flush=True)


def measured(name: str, options: argparse.Namespace) -> dict[str, Any]:
    """Cut, tune, and look at the test images."""
    torch.manual_seed(0)
    source = options.shared / "checkpoints" / "resnet56-4bfd9763.th"
    dense = load(source, arch="cifar:resnet56", preprocess=PREPROCESS, input_size=SHAPE[1:])
    network = dense if name == CONTROL else slim(dense, plan(dense, target_macs=1 / float(name)))
    recipe = RECIPES["full"] if options.epochs is None else replace(RECIPES["full"], epochs=options.epochs)
    tuned, history = finetune(
        network, data_of(options), recipe, teacher=dense, device=options.device, state=options.state / name
    )
    before, after = (count_cost(each.model, SHAPE).macs for each in (dense, network))
    return {
        "macs_ratio": round(before / after, 3),
        **told(history),
        "recipe": history.recipe.epochs,
        "test_accuracy": test_accuracy(tuned.model, options),
        "test_accuracy_dense": test_accuracy(dense.model, options),
    }


def _ring(*_: object) -> None:
    raise TimeIsUp


if __name__ == "__main__":
    main()
