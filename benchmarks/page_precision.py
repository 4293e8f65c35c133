"""The section of docs/benchmarks.md about float16 and int8."""

from collections.abc import Sequence
from typing import Any

from benchmarks.markdown import origin, table

WORDS = """\
## One slim network in float32, float16 and int8

`python -m benchmarks.precision SLIM.safetensors --data DIR --threat linf:1/255`

Each file has a parity, a certificate and a latency of its own. Accuracy is that of the file on all test images;
latency is at batch 1 on one thread, in turns with the float32 file. A CPU computes float16 in float32 and converts, so
that it gains size there and no time.
"""
HEAD = (
    "network", "precision", "bytes", "accuracy %", "same answer as torch %", "robust % (certified images)", "flags",
    "p50 (ms)", "ratio to float32",
)  # fmt: skip
MIN_SPEED_UP, MAX_LOSS = 1.3, 0.005


def precisions(records: Sequence[dict[str, Any]]) -> str:
    """Return the table, and each target beside what was found."""
    if not records:
        return f"{WORDS}\nNo rows yet.\n"
    rows = [row for record in records for row in record["rows"]]
    created, hosts, versions = ([record[name] for record in records] for name in ("created", "host", "versions"))
    parts = [WORDS, table(HEAD, [_cells(row) for row in rows], num_left=2) + "\n", *_targets(records)]
    return "\n".join([*parts, origin(created, hosts, versions) + "\n"])


def _cells(row: dict[str, Any]) -> list[str]:
    low, high = row["interval"]
    against = row["latency"]["against"]
    ratio_low, ratio_high = against["ratio_interval"]
    return [
        row["model"],
        row["precision"],
        f"{row['bytes']:,}",
        f"{row['parity']['accuracy_onnx']:.2%}".rstrip("%"),
        f"{row['parity']['agreement']:.2%}".rstrip("%"),
        f"{row['robust_accuracy']:.1%} [{low:.1%}, {high:.1%}] ({row['num_certified']:,}) at {row['threat']}",
        ", ".join(row["flags"]) or "none",
        f"{row['latency']['rows'][0]['p50_ms']:.3f}",
        f"{against['ratio_p50']:.2f} [{ratio_low:.2f}, {ratio_high:.2f}]",
    ]


def _targets(records: Sequence[dict[str, Any]]) -> list[str]:
    """Say of int8 whether it is as fast and as right as is aimed at."""
    lines = []
    for record in records:
        found = {row["precision"]: row for row in record["rows"]}
        if not {"fp32", "int8"} <= set(found):
            continue
        speed_up = 1 / found["int8"]["latency"]["against"]["ratio_interval"][1]
        loss = found["fp32"]["parity"]["accuracy_onnx"] - found["int8"]["parity"]["accuracy_onnx"]
        lines.append(
            f"- int8 at least {MIN_SPEED_UP} times as fast as float32: at least {speed_up:.2f} times, "
            f"{_reached(speed_up >= MIN_SPEED_UP)}.\n"
            f"- int8 within {100 * MAX_LOSS} points of its accuracy: {100 * loss:+.2f} points lost, "
            f"{_reached(loss <= MAX_LOSS)}.\n"
        )
    return lines


def _reached(is_reached: bool) -> str:
    return "reached" if is_reached else "missed"
