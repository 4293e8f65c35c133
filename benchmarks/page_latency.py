"""The sections of docs/benchmarks.md about latency."""

from collections.abc import Iterator, Sequence
from typing import Any

from benchmarks.markdown import origin, table

Plain = dict[str, Any]

FASTER = 0.9
"""A ratio up to here is at least 10 % faster."""
NUM_FASTER = 5
TELLING = 1.02
"""An interval that reaches further up does not show that nothing is slower."""
NUM_NETWORKS = 10

PEER = """\
## Latency on a CPU against torch-pruning with defaults

`python -m benchmarks.latency_peer`

Ten networks of torchvision with 224 x 224 images, one thread, batch 1, onnxruntime. The peer is torch-pruning's
`BasePruner` as its README sets it up, at ratio 0.5 with the classifier kept, then `torch.onnx.export` with defaults.
Ours has at most the peer's multiply-adds and widths that are multiples of 16: `compress prune CKPT --target-macs N
--round-to 16`, then `compress export --export-batch 1`; *blocks too* is the same with `--structure both`, and *fastest*
is the fastest of eight: both structures, with 0.6, 0.7 or 0.8 of the filters of early stages (images at least 28 pixels
wide) gone by `--ratio-for`, or none singled out. It was chosen by a short measurement and then measured anew. The files
compute the same: none of them normalises. Ten pairs of fresh sessions each, in turns, with 2 ms of pause before each
run; the interval is of the ratio ours / peer. *load* is how many programs wanted the machine's cores meanwhile: it
makes long runs longer on both sides and intervals wide. Weights are random: this says nothing about how well such
networks answer, for which a release has its certificate.
"""
MACS_MISLEAD = """\
Why multiply-adds mislead on the mobile networks: the kernels compute 16 channels at a time, so that 8 or 12 channels
cost what 16 do, and below 16 input channels another, slower kernel runs. In mobilenet_v2 at ratio 0.5 with unrounded
widths, the first expansion (8 to 48 channels at 112 x 112) has 5.7 % of the multiply-adds and takes 12 % of the time (a
profile of onnxruntime on the host below). Depthwise convolutions, activations and changes of layout add time with next
to no multiply-adds; they follow the number of channels, which is why fewer blocks of wider layers are faster at equal
multiply-adds. Networks of wide plain convolutions (resnet, vgg) run at the pace of the processor at any of these
widths: there equal multiply-adds are equal times.
"""
CLAIMED = {"filters": "By filters", "blocks": "By blocks and filters", "fastest": "By the fastest of eight"}
HEAD_PEER = (
    "network", "MACs dense", "MACs peer", "MACs ours", "MACs blocks too", "peer p50 (ms)", "ours p50 (ms)",
    "ours / peer", "blocks too / peer", "fastest / peer", "fastest is", "load",
)  # fmt: skip

LATENCY = """\
## Latency in ONNX Runtime, slim against dense

`python -m benchmarks.latency --provider cpu --output benchmarks/results`; with a GPU `benchmarks/gpu_queue.sh OUT`
"""
HEAD_LATENCY = (
    "network", "provider", "precision", "timed", "batch", "dense p50 (ms)", "slim p50 (ms)", "slim / dense",
    "slim images/s",
)  # fmt: skip

TORCH = """\
## The same networks in torch, for scale

`python -m benchmarks.latency_torch --device cuda --batches 1 8 64 --precisions fp32 fp16 --output benchmarks/results`
"""
HEAD_TORCH = (
    "network", "torch", "precision", "batch", "dense (ms)", "slim (ms)", "dense end to end", "slim end to end",
)  # fmt: skip
NONE = "No rows yet.\n"
NO_GPU = "No rows from a GPU yet.\n"


def against_peer(records: Sequence[Plain]) -> str:
    """Return each network beside the peer's, and whether the targets are reached."""
    if not records:
        return "\n".join([PEER, NONE])
    rows = [record["rows"][0] for record in records]
    cells = [
        [
            row["model"].removeprefix("torchvision:"),
            *(_millions(row[which]["macs"]) for which in ("dense", "peer", "filters", "blocks")),
            f"{row['filters']['latency']['against']['rows'][0]['p50_ms']:.2f}",
            f"{row['filters']['latency']['rows'][0]['p50_ms']:.2f}",
            _ratio(row["filters"]["latency"]["against"]),
            _ratio(row["blocks"]["latency"]["against"]),
            *([_ratio(row["fastest"]["latency"]["against"]), _which(row["fastest"])] if "fastest" in row else "--"),
            str(row.get("fastest", row["filters"])["latency"]["host"].get("load_average", "-")),
        ]
        for row in rows
    ]
    having = {which: [row for row in rows if which in row] for which in CLAIMED}
    found = "\n".join(
        f"- {words}" for which, some in having.items() for words in _peer_claims(which, some) if len(some) > 1
    )
    return "\n".join([PEER, table(HEAD_PEER, cells) + "\n", found + "\n", MACS_MISLEAD, _origin(records)])


def _which(row: Plain) -> str:
    """Return what the fastest of ours leaves out."""
    words = "filters" if row["structure"] == "filters" else "blocks too"
    return words if row["early_ratio"] is None else f"{words}, early {row['early_ratio']:.1f}"


def _peer_claims(which: str, rows: Sequence[Plain]) -> Iterator[str]:
    """Yield both targets with what was found. Slower is what an interval above 1 shows; a wide one shows nothing."""
    name = CLAIMED[which]
    against = [row[which]["latency"]["against"] for row in rows]
    slower = sum(each["ratio_interval"][0] > 1 for each in against)
    highest = max(each["ratio_interval"][1] for each in against)
    status = "**not reached**" if slower or len(rows) < NUM_NETWORKS else "reached"
    if status == "reached" and highest > TELLING:
        status = f"**open**: no interval is above 1, but they reach up to {highest:.3f}"
    surely = sum(each["ratio_p50"] <= FASTER and each["ratio_interval"][1] < 1 for each in against)
    yield f"{name}, slower on none of ten: {slower} of {len(rows)} shown to be slower, {status}."
    yield (
        f"{name}, at least 10 % faster on {NUM_FASTER} (ratio at most {FASTER}, interval below 1): "
        f"{surely} of {len(rows)}, {_reached(surely >= NUM_FASTER)}."
    )


def slim_and_dense(records: Sequence[Plain]) -> str:
    """Return the medians of slim and dense models, and their ratio with its interval, of each way of timing."""
    if not records:
        return "\n".join([LATENCY, NONE])
    cells = [list(_way(row, place)) for record in records for row in record["rows"] for place in range(_num_ways(row))]
    missing = [
        f"- {row['model']}, {row['precision']}, batch {row['batch']}: not measured, {reason}\n"
        for record in records
        for row in record["rows"]
        for reason in _reasons(row)
    ]
    return "\n".join([LATENCY, table(HEAD_LATENCY, cells, num_left=4) + "\n", *missing, _origin(records)])


def torch_rows(records: Sequence[Plain]) -> str:
    """Return the medians of torch, eager and compiled."""
    if not records:
        return "\n".join([TORCH, NONE])
    cells = [
        [
            row["model"],
            row["kind"],
            row["precision"],
            str(row["batch"]),
            *(_known(row[which].get(key)) for key in ("device_ms", "end_to_end_ms") for which in ("dense", "slim")),
        ]
        for record in records
        for row in record["rows"]
    ]
    return "\n".join([TORCH, table(HEAD_TORCH, cells, num_left=3) + "\n", _origin(records)])


def _num_ways(row: Plain) -> int:
    return len(row["latency"]["rows"]) if "latency" in row else 0


def _way(row: Plain, place: int) -> Iterator[str]:
    """Yield the cells of one way of timing."""
    small, against = row["latency"]["rows"][place], row["latency"]["against"]
    yield row["model"]
    yield small["provider"]
    yield row["precision"]
    yield "CUDA graph" if small.get("cuda_graph") else "end to end" if small["transfers_included"] else "on device"
    yield str(row["batch"])
    yield f"{against['rows'][place]['p50_ms']:.3f}"
    yield f"{small['p50_ms']:.3f}"
    yield _ratio(against["ratios"][place])
    yield f"{small['images_per_second']:,.0f}"


def _reasons(row: Plain) -> Iterator[str]:
    if "not_measured" in row:
        yield row["not_measured"]
    for each in row.get("latency", {}).get("not_measured", ()):
        yield f"{each['what']}: {each['reason']}"


def _ratio(found: Plain) -> str:
    low, high = found["ratio_interval"]
    return f"{found['ratio_p50']:.3f} ({low:.3f} to {high:.3f})"


def _millions(macs: int) -> str:
    return f"{macs / 1e6:,.0f}M"


def _known(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def _reached(holds: bool) -> str:
    return "reached" if holds else "**not reached**"


def _origin(records: Sequence[Plain]) -> str:
    created, hosts, versions = ([record[name] for record in records] for name in ("created", "host", "versions"))
    rest = "" if any(host["gpu"] for host in hosts) else f"{NO_GPU}\n"
    return f"{rest}{origin(created, hosts, versions)}\n"
