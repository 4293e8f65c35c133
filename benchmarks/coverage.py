"""Every torchvision classifier, and some of timm, the whole way: recognised, pruned, saved, reloaded, exported.

    python -m benchmarks.coverage                      # what has no row of this code and these versions yet
    python -m benchmarks.coverage --only torchvision:resnet18 timm:dla34
    python -m benchmarks.coverage --table              # only write docs/coverage.md from the rows

Weights are random: what is measured does not depend on them. One row per network, so that it can be interrupted.
"""

import argparse
import os
import tempfile
import time
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before numpy and torch: times are those of one thread

from benchmarks.cover import Limits, cover, digest_of_code
from benchmarks.coverage_row import Row
from benchmarks.coverage_table import write_table
from benchmarks.rows import ROOT
from benchmarks.stages import STAGES
from compressor.files import write_whole
from compressor.records import dump, parse
from compressor.runtime.machine import versions

RESULTS = ROOT / "benchmarks" / "results" / "coverage"
TABLE = ROOT / "docs" / "coverage.md"


def main() -> None:
    """Measure what is missing, then write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--family", choices=("torchvision", "timm"), help="only this one")
    parser.add_argument("--only", nargs="+", help="only these networks, as --arch takes them")
    parser.add_argument("--but", nargs="+", default=[], help="leave out networks whose names hold one of these")
    parser.add_argument("--again", action="store_true", help="measure anew what has a row")
    parser.add_argument("--without-export", action="store_true", help="leave out the slow half; a later run adds it")
    parser.add_argument("--table", action="store_true", help="measure nothing")
    parser.add_argument("--memory-gib", type=float, default=12.0, help="what one network may take")
    parser.add_argument("--time-limit", type=float, default=900.0, help="seconds that one stage may take")
    options = parser.parse_args()
    stages = [name for name in STAGES if not (options.without_export and name == "export")]
    limits = Limits(memory_bytes=int(options.memory_gib * 2**30), seconds=options.time_limit)
    for name in () if options.table else _chosen(options):
        path = row_path(name)
        if not options.again and path.exists() and is_current(read_row(path), exported="export" in stages):
            continue
        begin = time.perf_counter()
        with tempfile.TemporaryDirectory() as folder:
            row = cover(name, Path(folder), limits=limits, stages=stages)
        write_whole(path, dump(row))
        said = row.refused or ("whole" if row.is_whole() else f"bit equal {row.bit_equal}, parity {row.parity}")
        print(f"{name}: {said} ({time.perf_counter() - begin:.0f} s)", flush=True)
    write_table(read_rows(), TABLE)


def row_path(architecture: str) -> Path:
    """Return where the row of a network lies."""
    return RESULTS / f"{architecture.replace(':', '-')}.json"


def read_row(path: Path) -> Row:
    """Read one row back."""
    return parse(path.read_bytes(), Row, source=str(path))


def read_rows() -> list[Row]:
    """Read all rows, in the order of their names."""
    return [read_row(path) for path in sorted(RESULTS.glob("*.json"))]


def is_current(row: Row, *, exported: bool = True) -> bool:
    """Say whether the same code and libraries would make this row again, up to and including the export or not."""
    if exported and row.refused is None and row.parity is None:
        return False
    return row.code == digest_of_code() and versions().items() <= row.versions.items()


def _chosen(options: argparse.Namespace) -> list[str]:
    """Return the networks that were asked for, small to large."""
    if options.only:
        return list(options.only)
    from benchmarks.zoo import TIMM, torchvision_zoo

    names = [*torchvision_zoo(), *(f"timm:{name}" for name in TIMM)]
    asked = [name for name in names if options.family in (None, name.partition(":")[0])]
    return [name for name in asked if not any(part in name for part in options.but)]


if __name__ == "__main__":
    main()
