"""Write docs/benchmarks.md from the committed rows.

    python -m benchmarks.page

One function for each section. A section without rows says so, and how to make them.
"""

import json
from collections.abc import Sequence
from typing import Any

from benchmarks import page_battery, page_latency, page_precision
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
    )
    return "\n".join([HEAD, *sections])


def throughput(records: Sequence[dict[str, Any]]) -> str:
    """Return images a second."""
    cells = [
        [row["model"], row["what"], str(row["batch"]), f"{row['images_per_second']:.0f}"]
        for record in records
        for row in record["rows"]
    ]
    return _section(THROUGHPUT, records, table(("network", "what", "batch", "images/s"), cells, num_left=2))


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
