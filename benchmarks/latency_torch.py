"""The same networks in torch, eager and compiled, for scale: medians on the device, and with copies.

    python -m benchmarks.latency_torch --device cuda --batches 1 8 64 --precisions fp32 fp16 --output OUT

Rows go to torch-latency-DEVICE.json as they come, all eager ones first: compiling takes most of a minute each.
"""

import argparse
import copy
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from benchmarks.latency import MODELS, dense_and_slim
from benchmarks.rows import write_rows
from compressor.load import Checkpoint

KINDS = ("eager", "compiled")
WARM_UP_RUNS = 10
NUM_RUNS = 100
DTYPES = {"fp32": torch.float32, "fp16": torch.float16}


def main() -> None:
    """Measure every model, eager first."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--batches", type=int, nargs="+", default=[1])
    parser.add_argument("--precisions", nargs="+", default=["fp32"], choices=DTYPES)
    parser.add_argument("--kinds", nargs="+", default=list(KINDS), choices=KINDS)
    parser.add_argument("--ratio", type=float, default=0.5)
    parser.add_argument("--models", nargs="+", default=list(MODELS))
    parser.add_argument("--output", type=Path, required=True)
    options = parser.parse_args()
    # As in the ONNX files: float32 stays float32.
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
    device = torch.device(options.device)
    pairs = {name: dense_and_slim(name, options.ratio) for name in options.models}
    rows = []
    for kind in options.kinds:
        for name, pair in pairs.items():
            for precision in options.precisions:
                for batch in options.batches:
                    row: dict[str, Any] = {"model": name, "kind": kind, "precision": precision, "batch": batch}
                    for which, checkpoint in zip(("dense", "slim"), pair, strict=True):
                        row[which] = medians(checkpoint, kind, batch=batch, dtype=DTYPES[precision], device=device)
                    rows.append(row)
                    print(row, flush=True)
                    write_rows(options.output / f"torch-latency-{device.type}.json", rows)


def medians(
    checkpoint: Checkpoint, kind: str, *, batch: int, dtype: torch.dtype, device: torch.device
) -> dict[str, Any]:
    """Return milliseconds on the device and from host to host, or why there are none.

    Args:
        checkpoint: the network; its normalisation is timed too, as in the ONNX file.
        kind: `eager`, or `compiled`, which on a GPU replays a CUDA graph.
        batch: images at a time.
        dtype: of weights and images.
        device: where it runs.
    """
    classifier = copy.deepcopy(checkpoint.classifier()).eval().to(device, dtype)
    images = torch.rand(batch, *checkpoint.input_shape)
    there = images.to(device, dtype)
    try:
        call = torch.compile(classifier, mode="reduce-overhead") if kind == "compiled" else classifier
        with torch.inference_mode():
            return {
                "device_ms": _median_ms(lambda: call(there), device),
                "end_to_end_ms": _median_ms(lambda: call(images.to(device, dtype)).float().cpu(), device),
            }
    except Exception as error:  # noqa: BLE001 - whatever compilers and devices raise
        return {"not_measured": f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}"}


def _median_ms(run: Callable[[], object], device: torch.device) -> float:
    times = []
    for number in range(WARM_UP_RUNS + NUM_RUNS):
        begin = time.perf_counter()
        run()
        if device.type == "cuda":
            torch.cuda.synchronize()
        if number >= WARM_UP_RUNS:
            times.append((time.perf_counter() - begin) * 1e3)
    return statistics.median(times)


if __name__ == "__main__":
    main()
