"""Our slim models against torch-pruning with defaults, both in onnxruntime on one CPU thread at batch 1.

    python -m benchmarks.latency_peer                         # what has its row already is kept
    python -m benchmarks.latency_peer --models torchvision:mobilenet_v2 --again

The peer: `BasePruner` with the magnitude importance of its README at ratio 0.5 and the classifier kept, then
`torch.onnx.export` with defaults. Ours may have as many multiply-adds as the peer's and widths that are multiples of
16, once by filters alone and once by blocks and filters. One row a network in `results/latency-peer/`. Weights are
random: latency does not depend on them, and nothing here says how well such networks answer.
"""

import argparse
import copy
import tempfile
import time
from pathlib import Path
from typing import Any

import torch
from torch import nn

from benchmarks.rows import RESULTS, digest_of_code, write_rows
from compressor.bench.latency import bench
from compressor.data import parse_preprocess
from compressor.export.onnx import export_onnx
from compressor.load import Checkpoint, build, load
from compressor.prune import count_cost, plan, slim
from compressor.records import to_plain
from compressor.runtime.quiet import quiet
from compressor.types import Structure

FOLDER = RESULTS / "latency-peer"
MODELS = (
    "torchvision:resnet18", "torchvision:resnet50", "torchvision:vgg16_bn", "torchvision:convnext_tiny",
    "torchvision:densenet121", "torchvision:squeezenet1_0", "torchvision:regnet_y_400mf", "torchvision:mobilenet_v2",
    "torchvision:efficientnet_b0", "torchvision:mobilenet_v3_large",
)  # fmt: skip
RATIO = 0.5
SIDE = 224
NUM_CLASSES = 1000
ROUND_TO = 16
VARIANTS = {"filters": Structure.FILTERS, "blocks": Structure.BOTH}
CODE = ("compressor/prune", "compressor/export", "compressor/bench", "benchmarks/latency_peer.py")


def main() -> None:
    """Measure each network that has no row of this code yet."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", nargs="+", default=list(MODELS))
    parser.add_argument("--again", action="store_true", help="measure also what has its row")
    options = parser.parse_args()
    torch.set_num_threads(1)
    for name in options.models:
        path = FOLDER / f"{name.split(':')[1]}.json"
        if path.exists() and not options.again:
            print(f"{name}: kept", flush=True)
            continue
        begin = time.monotonic()
        row = measured(name)
        write_rows(path, [row])
        ratios = {each: row[each]["latency"]["against"]["ratio_p50"] for each in VARIANTS}
        print(f"{name}: {ratios}, {time.monotonic() - begin:.0f} s", flush=True)


def measured(name: str) -> dict[str, Any]:
    """Return the row of one network."""
    torch.manual_seed(0)
    model = build(name, num_classes=NUM_CLASSES).eval()
    # Without normalisation in the file, as the peer's: both then compute the same.
    dense = load(copy.deepcopy(model), arch=name, preprocess=parse_preprocess("none"), input_size=(SIDE, SIDE))
    row: dict[str, Any] = {
        "model": name,
        "ratio": RATIO,
        "round_to": ROUND_TO,
        "code": digest_of_code(CODE),
        "dense": {"macs": _macs(dense.model), "params": _params(dense.model)},
    }
    with tempfile.TemporaryDirectory() as folder:
        peer = peers(model)
        peer_macs, peer_file = _macs(peer), exported_by_default(peer, Path(folder))
        num_bytes = sum(path.stat().st_size for path in Path(folder).iterdir())
        row["peer"] = {"macs": peer_macs, "params": _params(peer), "bytes": num_bytes}
        for variant, structure in VARIANTS.items():
            ours = small(dense, macs=peer_macs, structure=structure)
            onnx = export_onnx(ours, export_batch=1)
            latency = bench(onnx, against=peer_file)
            row[variant] = {
                "macs": _macs(ours.model),
                "params": _params(ours.model),
                "bytes": len(onnx),
                "latency": to_plain(latency),
            }
    return row


def peers(model: nn.Module) -> nn.Module:
    """Return a copy of the model, pruned as torch-pruning's README does it, but for the widths that it may round."""
    import torch_pruning

    model = copy.deepcopy(model)
    ends = [each for each in model.modules() if NUM_CLASSES in _widths(each)]
    pruner = torch_pruning.pruner.BasePruner(
        model,
        torch.zeros(1, 3, SIDE, SIDE),
        importance=torch_pruning.importance.GroupMagnitudeImportance(p=2),
        pruning_ratio=RATIO,
        ignored_layers=ends,
    )
    with quiet():
        pruner.step()
    return model


def exported_by_default(model: nn.Module, folder: Path) -> Path:
    """Write a model as `torch.onnx.export` does when nothing else is said."""
    path = folder / "peer.onnx"
    with quiet():
        torch.onnx.export(model, (torch.zeros(1, 3, SIDE, SIDE),), path)
    return path


def small(dense: Checkpoint, *, macs: int, structure: Structure) -> Checkpoint:
    """Return our slim model: no more multiply-adds than that, and widths that suit the kernels."""
    return slim(dense, plan(dense, target_macs=macs, round_to=ROUND_TO, structure=structure))


def _widths(module: nn.Module) -> tuple[int | None, int | None]:
    """Return the width of a layer; the last one is as wide as there are classes."""
    return getattr(module, "out_features", None), getattr(module, "out_channels", None)


def _macs(model: nn.Module) -> int:
    return count_cost(model, (3, SIDE, SIDE)).macs


def _params(model: nn.Module) -> int:
    return sum(parameter.numel() for parameter in model.parameters())


if __name__ == "__main__":
    main()
