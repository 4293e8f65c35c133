"""Dense against slim in onnxruntime: medians of interleaved runs, ratio with its interval.

    python -m benchmarks.latency --provider cpu --output benchmarks/results

Weights are random: latency does not depend on them. Results go to latency-PROVIDER.json.
"""

import argparse
from pathlib import Path

import torch

from benchmarks.rows import write_rows
from compressor.bench.latency import bench
from compressor.data import parse_preprocess
from compressor.export.onnx import export_onnx
from compressor.load import build, load
from compressor.prune import count_cost, plan, slim
from compressor.records import to_plain

MODELS = {
    "cifar:resnet20": (32, 32),
    "cifar:resnet56": (32, 32),
    "torchvision:resnet18": (224, 224),
    "torchvision:mobilenet_v2": (224, 224),
}


def main() -> None:
    """Measure every model at every batch size."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--provider", default="cpu")
    parser.add_argument("--batches", type=int, nargs="+", default=[1, 8])
    parser.add_argument("--ratio", type=float, default=0.5)
    parser.add_argument("--models", nargs="+", default=list(MODELS))
    parser.add_argument("--output", type=Path, required=True)
    options = parser.parse_args()
    rows = []
    for name in options.models:
        torch.manual_seed(0)
        dense = load(
            build(name, num_classes=10), arch=name, preprocess=parse_preprocess("imagenet"), input_size=MODELS[name]
        )
        small = slim(dense, plan(dense, ratio=options.ratio))
        costs = [count_cost(each.model, each.input_shape).macs for each in (dense, small)]
        files = [export_onnx(each) for each in (dense, small)]
        for batch in options.batches:
            latency = bench(files[1], against=files[0], provider=options.provider, batches=(batch,), threads=1)
            assert latency.against is not None
            row = {
                "model": name,
                "ratio": options.ratio,
                "batch": batch,
                "macs_dense": costs[0],
                "macs_slim": costs[1],
                "slim": to_plain(latency.rows),
                "dense": to_plain(latency.against.rows),
                "ratio_p50": latency.against.ratio_p50,
                "ratio_interval": list(latency.against.ratio_interval),
                "noisy": latency.noisy,
            }
            rows.append(row)
            print(f"{name} batch {batch}: slim/dense {row['ratio_p50']:.3f} {row['ratio_interval']}", flush=True)
    write_rows(options.output / f"latency-{options.provider}.json", rows)


if __name__ == "__main__":
    main()
