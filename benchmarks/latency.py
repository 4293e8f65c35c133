"""Dense against slim in onnxruntime, in turns: medians, and their ratio with its interval.

    python -m benchmarks.latency --provider cpu --output benchmarks/results
    python -m benchmarks.latency --provider cuda --batches 1 8 64 --precisions fp32 fp16 --graphs --output OUT

Weights are random: latency does not depend on them. Rows go to latency-PROVIDER.json as they come, so that a time limit
keeps what was measured before it.
"""

import argparse
import subprocess
import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from benchmarks.rows import write_rows
from compressor.bench.latency import bench
from compressor.data import parse_preprocess
from compressor.export.onnx import export_onnx
from compressor.load import Checkpoint, build, load, save_slim
from compressor.prune import count_cost, plan, slim
from compressor.records import to_plain

MODELS = {
    "cifar:resnet20": (32, 32),
    "cifar:resnet56": (32, 32),
    "torchvision:resnet18": (224, 224),
    "torchvision:resnet50": (224, 224),
    "torchvision:mobilenet_v2": (224, 224),
}
ROUND_TO = 16
"""Kernels compute 16 channels at a time on CPUs with AVX-512, and 8 or 16 on GPUs."""
FP32 = "fp32"


def main() -> None:
    """Measure every model at every precision and batch size."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--provider", default="cpu")
    parser.add_argument("--batches", type=int, nargs="+", default=[1, 8])
    parser.add_argument("--precisions", nargs="+", default=[FP32])
    parser.add_argument("--graphs", action="store_true", help="also the captured CUDA graph")
    parser.add_argument("--ratio", type=float, default=0.5)
    parser.add_argument("--models", nargs="+", default=list(MODELS))
    parser.add_argument("--output", type=Path, required=True)
    options = parser.parse_args()
    path, rows = options.output / f"latency-{options.provider}.json", []
    for name in options.models:
        pair = dense_and_slim(name, options.ratio)
        costs = dict(zip(("macs_dense", "macs_slim"), (_macs(each) for each in pair), strict=True))
        files: dict[str, list[bytes] | str] = {each: exported(pair, each) for each in options.precisions}
        for batch in options.batches:
            for precision, found in files.items():
                row = {"model": name, "ratio": options.ratio, "batch": batch, "precision": precision, **costs}
                rows.append(row | compared(found, batch, options))
                write_rows(path, rows)


def dense_and_slim(name: str, ratio: float) -> tuple[Checkpoint, Checkpoint]:
    """Return a fresh network and its slim one."""
    torch.manual_seed(0)
    fresh = build(name, num_classes=10)
    dense = load(fresh, arch=name, preprocess=parse_preprocess("imagenet"), input_size=MODELS[name])
    return dense, slim(dense, plan(dense, ratio=ratio, round_to=None if name.startswith("cifar:") else ROUND_TO))


def exported(pair: tuple[Checkpoint, Checkpoint], precision: str) -> list[bytes] | str:
    """Return both files, or why there are none. Other precisions come from the command line, as users get them."""
    if precision == FP32:
        return [export_onnx(each) for each in pair]
    files = []
    for place, each in enumerate(pair):
        with tempfile.TemporaryDirectory() as folder:
            checkpoint = Path(folder) / f"model{place}.safetensors"
            save_slim(replace(each, history=()), checkpoint)
            command = ["export", str(checkpoint), "--precision", precision, "--output", f"{folder}/exports", "--quiet"]
            line = [sys.executable, "-m", "cli", *command]
            done = subprocess.run(line, capture_output=True, text=True, check=False)
            written = sorted(Path(folder).glob("exports/**/model.onnx"))
            if done.returncode or not written:
                said = (done.stderr or done.stdout).strip().splitlines() or ["it said nothing"]
                return f"compress export --precision {precision} ended with {done.returncode}: {said[-1]}"
            files.append(written[0].read_bytes())
    return files


def compared(files: list[bytes] | str, batch: int, options: argparse.Namespace) -> dict[str, Any]:
    """Return the record of slim against dense, or why there is none."""
    if isinstance(files, str):
        print(files, flush=True)
        return {"not_measured": files}
    dense, small = files
    latency = bench(
        small, against=dense, provider=options.provider, batches=(batch,), threads=1, cuda_graphs=options.graphs
    )
    assert latency.against is not None
    print(f"batch {batch}: {latency.against.ratios}", flush=True)
    return {"latency": to_plain(latency)}


def _macs(checkpoint: Checkpoint) -> int:
    return count_cost(checkpoint.model, checkpoint.input_shape).macs


if __name__ == "__main__":
    main()
