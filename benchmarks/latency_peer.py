"""Our slim models against torch-pruning with defaults, both in onnxruntime on one CPU thread at batch 1.

    python -m benchmarks.latency_peer                         # what has its row already is kept
    python -m benchmarks.latency_peer --models torchvision:mobilenet_v2 --again

The peer: `BasePruner` with the magnitude importance of its README at ratio 0.5 and the classifier kept, then
`torch.onnx.export` with defaults. Ours may have as many multiply-adds as the peer's and widths that are multiples of
16: once by filters alone, once by blocks and filters, and once as is fastest of eight (`TRIED`), where more of the
early stages may leave than of the late ones. That choice goes by a short measurement; its row is measured anew. Weights
are random: latency does not depend on them, and nothing here says how well such networks answer.

Files are built once, in `--work`, which takes about ten minutes; then the ten networks take about six. One row a
network in `results/latency-peer/`. The ratio is of runs in turns, but a machine with nothing else to do gives narrow
intervals.
"""

import argparse
import copy
import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import nn

from benchmarks.rows import RESULTS, digest_of_code, write_rows
from compressor.bench.latency import bench
from compressor.data import parse_preprocess
from compressor.errors import PruneError
from compressor.export.form import Form
from compressor.export.onnx import export_onnx
from compressor.load import Checkpoint, build, load
from compressor.prune import count_cost, plan, slim, trace_coupling
from compressor.prune.named import still_deciding
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
FASTEST = "fastest"
TRIED = tuple((structure, early) for structure in VARIANTS.values() for early in (None, 0.6, 0.7, 0.8))
"""What leaves, and the ratio of the early stages; None: that of all."""
EARLY_SIDE = SIDE // 8
"""A stage is early when its images are at least so many pixels wide."""
NUM_RUNS_TO_CHOOSE = 60
CLEARLY = 0.98
"""Another cut takes the place of the plain one where the short measurement gives at most so much of its ratio."""
PEER = "peer"
PAUSE_SECONDS = 0.002
"""Idle time before each run: a machine that does other work too then gives the times of an idle one (see why.md)."""
CODE = ("compressor/prune", "compressor/export", "benchmarks/latency_peer.py")
"""What the files depend on."""


def main() -> None:
    """Measure each network that has no row yet."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", nargs="+", default=list(MODELS))
    parser.add_argument("--again", action="store_true", help="measure also what has its row")
    parser.add_argument("--build", action="store_true", help="build the files only")
    parser.add_argument("--work", type=Path, default=Path(".compress/latency-peer"), help="where files are kept")
    options = parser.parse_args()
    torch.set_num_threads(1)
    for name in options.models:
        path = FOLDER / f"{name.split(':')[1]}.json"
        if path.exists() and not options.again:
            print(f"{name}: kept", flush=True)
            continue
        costs = built(name, options.work / path.stem)
        if not options.build:
            begin = time.monotonic()
            row = measured(name, options.work / path.stem, costs)
            write_rows(path, [row])
            ratios = [f"{each} {row[each]['latency']['against']['ratio_p50']:.3f}" for each in (*VARIANTS, FASTEST)]
            print(f"{name}: {', '.join(ratios)}, {time.monotonic() - begin:.0f} s", flush=True)


def built(name: str, folder: Path) -> dict[str, Any]:
    """Write the three files of one network, or find them; return what each costs."""
    record, code = folder / "costs.json", digest_of_code(CODE)
    if record.exists() and (costs := json.loads(record.read_bytes()))["code"] == code:
        return dict(costs)
    folder.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(0)
    model = build(name, num_classes=NUM_CLASSES).eval()
    # Without normalisation in the file, as the peer's: both then compute the same.
    dense = load(copy.deepcopy(model), arch=name, preprocess=parse_preprocess("none"), input_size=(SIDE, SIDE))
    other = peers(model)
    with quiet():
        torch.onnx.export(other, (torch.zeros(1, 3, SIDE, SIDE),), folder / f"{PEER}.onnx")
    num_bytes = sum(path.stat().st_size for path in folder.glob(f"{PEER}.onnx*"))
    costs = {"code": code, "dense": _cost(dense.model), PEER: _cost(other) | {"bytes": num_bytes}}
    for variant, structure in VARIANTS.items():
        onnx, cost = small(dense, macs=costs[PEER]["macs"], structure=structure)
        (folder / f"{variant}.onnx").write_bytes(onnx)
        costs[variant] = cost
    onnx, costs[FASTEST] = fastest(dense, macs=costs[PEER]["macs"], beside=folder / f"{PEER}.onnx")
    (folder / f"{FASTEST}.onnx").write_bytes(onnx)
    record.write_text(json.dumps(costs))
    return costs


def measured(name: str, folder: Path, costs: dict[str, Any]) -> dict[str, Any]:
    """Return the row of one network: each of ours in turns with the peer's."""
    row: dict[str, Any] = {"model": name, "ratio": RATIO, "round_to": ROUND_TO} | costs
    for variant in (*VARIANTS, FASTEST):
        latency = bench(folder / f"{variant}.onnx", against=folder / f"{PEER}.onnx", pause_seconds=PAUSE_SECONDS)
        row[variant] = costs[variant] | {"latency": to_plain(latency)}
    return row


def peers(model: nn.Module) -> nn.Module:
    """Return a copy of the model, pruned as torch-pruning's README does it, but for the widths that it may round."""
    import torch_pruning

    model = copy.deepcopy(model)
    with quiet():
        pruner = torch_pruning.pruner.BasePruner(
            model,
            torch.zeros(1, 3, SIDE, SIDE),
            importance=torch_pruning.importance.GroupMagnitudeImportance(p=2),
            pruning_ratio=RATIO,
            ignored_layers=[each for each in model.modules() if NUM_CLASSES in _widths(each)],
        )
        pruner.step()
    return model


def small(
    dense: Checkpoint, *, macs: int, structure: Structure, ratio_for: Mapping[str, float] | None = None
) -> tuple[bytes, dict[str, Any]]:
    """Return our slim model as a file, and what it costs: no more multiply-adds, and widths that suit the kernels."""
    chosen = plan(dense, target_macs=macs, round_to=ROUND_TO, structure=structure, ratio_for=ratio_for)
    ours = slim(dense, chosen)
    onnx = export_onnx(ours, Form(batch=1))
    return onnx, _cost(ours.model) | {"bytes": len(onnx)}


def fastest(dense: Checkpoint, *, macs: int, beside: Path) -> tuple[bytes, dict[str, Any]]:
    """Return the fastest of those that are tried, by a short measurement beside the peer's file, and what it costs."""
    early = early_layers(dense)
    found: list[tuple[float, bytes, dict[str, Any]]] = []
    for structure, ratio in TRIED:
        ratio_for = {} if ratio is None else dict.fromkeys(early, ratio)
        try:
            onnx, cost = small(dense, macs=macs, structure=structure, ratio_for=ratio_for)
        except PruneError as error:
            print(f"  {structure}, early {ratio}: {error}", flush=True)
            continue
        beside.with_name(f"{FASTEST}.onnx").write_bytes(onnx)
        short = bench(beside.with_name(f"{FASTEST}.onnx"), against=beside, num_runs=NUM_RUNS_TO_CHOOSE)
        assert short.against is not None
        found.append((short.against.ratio_p50, onnx, cost | {"structure": structure, "early_ratio": ratio}))
        print(f"  {structure}, early {ratio}: {short.against.ratio_p50:.3f}", flush=True)
    best = min(found, key=lambda each: each[0])
    plain = found[0]  # by filters, spread evenly: comes first
    return (best if best[0] < CLEARLY * plain[0] else plain)[1:]


def early_layers(dense: Checkpoint) -> tuple[str, ...]:
    """Return the names of the layers that decide a width of their own where images are still large."""
    names: list[str] = []
    hooks = []
    for name, module in dense.model.named_modules():
        if isinstance(module, nn.Conv2d):

            def note(_: nn.Module, __: object, out: torch.Tensor, name: str = name) -> None:
                if out.shape[-1] >= EARLY_SIDE:
                    names.append(name)

            hooks.append(module.register_forward_hook(note))
    with torch.no_grad():
        dense.model.eval()(torch.zeros(1, 3, SIDE, SIDE))
    for hook in hooks:
        hook.remove()
    graph = trace_coupling(dense.model, dense.input_shape)
    return tuple(still_deciding(graph, dict.fromkeys(names, RATIO)))


def _widths(module: nn.Module) -> tuple[int | None, int | None]:
    """Return the width of a layer; the last one is as wide as there are classes."""
    return getattr(module, "out_features", None), getattr(module, "out_channels", None)


def _cost(model: nn.Module) -> dict[str, int]:
    macs = count_cost(model, (3, SIDE, SIDE)).macs
    return {"macs": macs, "params": sum(parameter.numel() for parameter in model.parameters())}


if __name__ == "__main__":
    main()
