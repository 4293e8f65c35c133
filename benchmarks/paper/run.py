"""One process at its share of a grid, until every cell has its row or the time is up."""

import argparse
import shlex
import signal
import sys
import time
from collections.abc import Sequence

import torch

from benchmarks.battery_models import Places
from benchmarks.paper.claims import read_claims
from benchmarks.paper.grid import FORMS
from benchmarks.paper.material import open_material
from benchmarks.paper.row import Cell
from benchmarks.paper.work import Bench


class TimeIsUp(BaseException):
    """The budget is spent; the state of the last whole epoch stays. No `except Exception` on the way may keep it."""


def bench_of(options: argparse.Namespace) -> Bench:
    """Return where the cells of a call are carried out; unpacks the images where nobody has."""
    form = FORMS[options.form]
    places = Places(shared=options.shared, cifar=options.cifar, work=options.state)
    return Bench(
        material=open_material(form, places),
        claims=read_claims(),
        output=options.output / form.name,
        device=options.device,
        command=shlex.join(["python", "-m", "benchmarks.paper", *sys.argv[1:]]),
    )


def run(options: argparse.Namespace, cells: Sequence[Cell]) -> None:
    """Do cells in their order.

    Args:
        options: of the command line; `until` is when the time is up, in seconds of the clock.
        cells: without a row.
    """
    torch.set_num_threads(1)
    bench = bench_of(options)
    signal.signal(signal.SIGALRM, _ring)
    try:
        longest = 0.0
        for cell in cells:
            left = options.until - time.time()
            if left <= longest:
                raise TimeIsUp
            signal.alarm(max(1, int(left)))
            began = time.time()
            row = bench.do(cell)
            longest = max(longest, time.time() - began) if options.device == "cpu" else 0.0
            told = row.skipped or ", ".join(f"{name} {row.share(name):.1%}" for name in row.right)
            print(f"{cell.name} ({row.seconds:.0f} s): {told}", flush=True)
    except TimeIsUp:
        print("the time is up: call again, with the same --state", flush=True)
    finally:
        signal.alarm(0)


def _ring(*_: object) -> None:
    raise TimeIsUp
