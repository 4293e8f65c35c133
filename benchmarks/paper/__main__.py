"""The paper's claims put to the test: as much of a grid as the budget allows, then the page from all rows.

    python -m benchmarks.paper --form cpu --budget 60
    python -m benchmarks.paper --form gpu --budget 9 --device cuda:0 --state STATE --output OUT
    python -m benchmarks.paper --page-only

A cell that has its row is not done again, and an interrupted one goes on where it was, so the same call takes a grid
to its end. The order is fixed: a larger budget only adds. Rows of `cpu` and `gpu` go to benchmarks/results/paper/,
those of `small` and `digits` to .compress/paper/, with a page beside them. Without the shared data `small` becomes
`digits`, which needs none.
"""

import argparse
import os
import sys
import time
from multiprocessing import get_context
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before numpy and torch

from benchmarks.paper.grid import FORMS
from benchmarks.paper.page import PAGE, write_page
from benchmarks.paper.row import FOLDER
from benchmarks.paper.run import bench_of, run
from benchmarks.rows import ROOT

ASIDE = ROOT / ".compress" / "paper"
TRIALS = ("digits", "small")
"""Forms whose rows are not committed."""


def main() -> None:
    """Do what has no row yet, until the time is up, and write the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--form", choices=list(FORMS), default="small")
    parser.add_argument("--budget", type=float, default=4.0, metavar="MINUTES", help="of the clock on the wall")
    parser.add_argument("--processes", type=int, default=1, help="that share the cells")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--shared", type=Path, default=ROOT.parent / "shared" / "data", help="checkpoints and archive")
    parser.add_argument("--cifar", type=Path, help="CIFAR-10 as train/CLASS/, test/CLASS/, if unpacked already")
    parser.add_argument("--state", type=Path, default=ASIDE / "work", help="what is unpacked, trained and resumed")
    parser.add_argument("--output", type=Path, help="folder with a folder of rows for each form")
    parser.add_argument("--page-only", action="store_true", help="measure nothing")
    options = parser.parse_args()
    if options.form == "small" and not options.shared.is_dir():
        print(f"there is no folder {options.shared}: the grid on digits stands in for the small one", flush=True)
        options.form = "digits"
    options.output = options.output or (ASIDE if options.form in TRIALS else FOLDER)
    options.until = time.time() + 60 * options.budget
    if not options.page_only:
        options.state.mkdir(parents=True, exist_ok=True)
        bench = bench_of(options)
        todo = [cell for cell in FORMS[options.form].cells() if not bench.has(cell)]
        shares = [todo[place :: options.processes] for place in range(options.processes)]
        others = [get_context("spawn").Process(target=run, args=(options, share)) for share in shares[1:]]
        for process in others:
            process.start()
        run(options, shares[0])
        for process in others:
            process.join()
        if any(process.exitcode for process in others):
            sys.exit("a process failed: its cells have no rows")
        print(f"{sum(bench.has(cell) for cell in todo)} of {len(todo)} cells done", flush=True)
    write_page(options.output, PAGE if options.output == FOLDER else options.output / "paper.md")


if __name__ == "__main__":
    main()
