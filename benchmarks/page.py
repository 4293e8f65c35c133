"""Write docs/benchmarks.md from the committed rows.

    python -m benchmarks.page

One function for each section. A section without rows says so, and how to make them.
"""

import json
from collections.abc import Iterator, Sequence
from typing import Any

from benchmarks import page_battery, page_latency, page_peers, page_precision, page_search, page_startup
from benchmarks.battery_row import Row, read_rows
from benchmarks.markdown import origin, table
from benchmarks.rows import RESULTS, ROOT
from compressor.files import write_whole

PAGE = ROOT / "docs" / "benchmarks.md"
HEAD = """\
# Benchmarks

Written by `make bench` from `benchmarks/results/`; nothing here is edited by hand. Every table names its command, and
every row holds host, versions, settings and seed. Targets stand beside what was found, reached or not. Coverage
of architectures has [a page of its own](coverage.md).
"""
THROUGHPUT = """\
## Throughput of fine-tuning and of attacks

`python -m benchmarks.throughput --device cpu --output benchmarks/results`; with a GPU `benchmarks/gpu_queue.sh OUT`
"""
REFERENCE = """\
Against torchvision's reference recipe (DataLoader, PIL transforms, fp32), one epoch of each in turns on the same files
and threads; the faster of no and one process that decodes beside counts.
"""
FINETUNE = """\
## Three epochs of ResNet-20

`python -m benchmarks.finetune`

Half the multiply-adds by us and by plain torch-pruning, and the dense network tuned by our recipe (control). *inner*
is ours with the residual stream as wide as it was (`--keep conv1 --keep 'layer?.?.conv2'`), as plain torch-pruning cuts
here; *taught* is that with the control as teacher (`finetune --distill-from`), whose seconds count. Accuracy on the
test images, once at the end; seconds of processor time, decoding included. Rows on fewer training images are shortened
runs.
"""
LEAST_RATIO = {"cpu": 1.6, "cuda": 5.0}
"""Of our images/s to the reference recipe's, on ResNet-20."""
MOST_BELOW_CONTROL, MOST_TIME = 0.015, 1.5
OURS = ("ours", "inner", "taught")
NONE = "No rows yet.\n"


def main() -> None:
    """Write the page."""
    write_whole(PAGE, page(read_rows()).encode())
    print(f"wrote {PAGE.relative_to(ROOT)}")


def page(rows: Sequence[Row]) -> str:
    """Return the page.

    Args:
        rows: of the battery benchmark; the other sections read their own.
    """
    sections = (
        page_battery.oracles(rows),
        page_battery.resnets(rows),
        page_battery.speed(rows),
        page_battery.choice(rows),
        page_latency.against_peer(_records("latency-peer/*.json")),
        page_latency.slim_and_dense(_records("latency-*.json")),
        page_latency.torch_rows(_records("torch-latency-*.json")),
        page_precision.precisions(_records("precision/*.json")),
        throughput(_records("throughput-*.json")),
        finetuning(_records("finetune*.json")),
        page_peers.peers(_records("peers/*.json")),
        page_search.against_grid(_records("search.json")),
        page_search.budgets(_records("search-budget.json")),
        page_startup.startup(_records("startup.json")),
    )
    return "\n".join([HEAD, *sections])


def throughput(records: Sequence[dict[str, Any]]) -> str:
    """Return images a second, and how they compare with the reference recipe."""
    rows = [(record, row) for record in records for row in record["rows"]]
    alone = [
        [row["model"], row["what"], str(row["batch"]), f"{row['images_per_second']:.0f}"]
        for _, row in rows
        if row["what"] != "reference"
    ]
    pairs = [(record, row) for record, row in rows if row["what"] == "reference"]
    made = [table(("network", "what", "batch", "images/s"), alone, num_left=2)] if alone or not pairs else []
    if pairs:
        head = ("network", "device", "threads", "ours (images/s)", "reference (images/s)", "ratio", "pairs")
        made += [REFERENCE, table(head, [_pair(record, row) for record, row in pairs], num_left=2)]
        made += ["\n".join(_reached(_device(record), row) for record, row in pairs if "resnet20" in row["model"])]
    return _section(THROUGHPUT, records, "\n\n".join(each.rstrip() for each in made))


def finetuning(records: Sequence[dict[str, Any]]) -> str:
    """Return accuracy and time of the three parts, and whether the targets are reached."""
    rows = [row for record in records for row in record["rows"]]
    cells = [
        [
            row["part"],
            str(row["epochs"]),
            "all" if row["num_train"] is None else f"{row['num_train']:,}",
            f"{row['macs_ratio']:.2f}x",
            f"{row['test_accuracy']:.1%}",
            "-" if row["seconds"] is None else f"{row['seconds']:,.0f}",
        ]
        for row in rows
    ]
    head = ("part", "epochs", "training images", "fewer multiply-adds", "test accuracy", "seconds")
    whole = {row["part"]: row for row in rows if row["num_train"] is None}
    made = table(head, cells, num_left=3)
    if {"plain", "control"} <= set(whole):
        made += "\n\n" + "\n".join(
            line
            for part in OURS
            if part in whole
            for line in _targets(part, whole[part], whole["control"], whole["plain"])
        )
    return _section(FINETUNE, records, made)


def _pair(record: dict[str, Any], row: dict[str, Any]) -> list[str]:
    ours, theirs = row["images_per_second"], row["reference_images_per_second"]
    threads, num = row["settings"]["threads"], len(row["ratios"])
    device = f"{_device(record)}, {row['precision']}"
    return [row["model"], device, str(threads), f"{ours:.0f}", f"{theirs:.0f}", f"{row['ratio']:.2f}", str(num)]


def _device(record: dict[str, Any]) -> str:
    return "cuda" if "cuda" in record["command"] else "cpu"


def _reached(device: str, row: dict[str, Any]) -> str:
    least = LEAST_RATIO[device]
    return f"- {row['model']} on {device}, at least {least}: {row['ratio']:.2f}, {_said(row['ratio'] >= least)}."


def _targets(part: str, ours: dict[str, Any], control: dict[str, Any], plain: dict[str, Any]) -> Iterator[str]:
    """Yield both targets with what was found."""
    below = control["test_accuracy"] - ours["test_accuracy"]
    yield f"- {part}, at most 1.5 points below the control: {below:.1%}, {_said(below <= MOST_BELOW_CONTROL)}."
    seconds = ours["seconds"]
    if part == "taught" and seconds is None and control["seconds"]:  # the control was at hand, tuned by another run
        seconds = ours["seconds_without_control"] + control["seconds"]
    if seconds and plain["seconds"]:
        times = seconds / plain["seconds"]
        yield f"- {part}, at most 1.5 times as long as the plain recipe: {times:.2f}, {_said(times <= MOST_TIME)}."


def _said(is_reached: bool) -> str:
    return "reached" if is_reached else "**not reached**"


def _section(words: str, records: Sequence[dict[str, Any]], made: str) -> str:
    if not records:
        return "\n".join([words, NONE])
    created, hosts, versions = ([record[name] for record in records] for name in ("created", "host", "versions"))
    rest = [] if any(host["gpu"] for host in hosts) else [page_latency.NO_GPU]
    return "\n".join([words, made + "\n", *rest, origin(created, hosts, versions) + "\n"])


def _records(pattern: str) -> list[dict[str, Any]]:
    """Read what `rows.write_rows` wrote."""
    return [json.loads(path.read_bytes()) for path in sorted(RESULTS.glob(pattern))]


if __name__ == "__main__":
    main()
