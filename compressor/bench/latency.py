"""How long a model file takes on this machine, alone or in turns with another file.

Files are timed in rounds of four runs: this, other, other, this. So each follows itself as often as it follows the
other, and whatever drifts (clocks, heat, neighbours) meets both alike. Without another file the rounds are of this one.
"""

import gc
import math
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.stats import binom

from compressor.bench.record import SCHEMA, Against, Latency, LatencyRow
from compressor.errors import OptionError
from compressor.files import sha256_of_bytes, sha256_of_file
from compressor.progress import SILENT, Progress
from compressor.records import now, tool_version
from compressor.runtime.machine import host
from compressor.runtime.session import Session, open_session
from compressor.types import Interval

SECONDS_PER_ROW = 2.0
"""Time spent on each file in each row, when the number of runs is left to us."""

MIN_RUNS, MAX_RUNS = 30, 10_000
"""Bounds of that number."""

RUNS_FOR_P99 = 1000
"""Below this, the 99th percentile rests on fewer than ten runs."""

WARM_UP_RUNS = 3
WARM_UP_SECONDS = 0.2
"""Both must be reached, anew for each batch size: a GPU chooses its kernels then, and clocks rise."""

NOISE = 0.05
"""A file against itself that is further from 1 than this makes the record `noisy`."""

RESAMPLES = 2000
CONFIDENCE = 0.95

Run = Callable[[], object]
Times = npt.NDArray[np.float64]


def bench(
    onnx: Path | bytes,
    *,
    against: Path | bytes | None = None,
    provider: str = "cpu",
    batches: Sequence[int] = (1,),
    threads: int = 1,
    num_runs: int | None = None,
    seed: int = 0,
    progress: Progress = SILENT,
) -> Latency:
    """Time a model file.

    Args:
        onnx: the file, or its bytes.
        against: another file to compare with, in turns; None: none.
        provider: `cpu`, `cuda` or `tensorrt`. A GPU gives two rows per batch size: first from numpy to numpy, then
            with input and output kept on the GPU (`transfers_included` false).
        batches: batch sizes, one row (or two) each.
        threads: of onnxruntime, on the CPU.
        num_runs: timed runs of each file per row, made even; None: about two seconds' worth, 30 to 10,000.
        seed: of the input noise and of the interval.
        progress: listener, a step per row.

    Returns:
        The record. `against` compares medians at the first row: below 1 means that `onnx` is faster.

    Raises:
        OptionError: batch sizes or numbers that cannot be run.
        LoadError: not an ONNX classifier.
        MachineError: the provider does not load here, or memory ran out. There is never a number then.
    """
    _check(batches, num_runs)
    mine = open_session(onnx, provider=provider, threads=threads, repeatable=False)
    other = open_session(against, provider=provider, threads=threads, repeatable=False) if against is not None else None
    sessions = [mine] if other is None else [mine, other]
    rng = np.random.default_rng(seed)
    on_device = (False,) if provider == "cpu" else (False, True)
    rows: list[list[LatencyRow]] = []
    first: list[Times] = []
    noisy = False
    with progress.stage("bench", total=len(batches) * len(on_device), unit="row") as step:
        for batch in batches:
            for stays in on_device:
                runs = [_runner(session, batch, stays=stays, rng=rng) for session in sessions]
                times = _time(runs, num_runs)
                rows.append([_row(*pair, batch, stays=stays) for pair in zip(sessions, times, strict=True)])
                first = first or times
                noisy = noisy or _is_noisy(times[0])
                step.advance(1, f"batch {batch}: {rows[-1][0].p50_ms:.3f} ms")
    return Latency(
        schema=SCHEMA,
        created=now(),
        tool_version=tool_version(),
        artefact_sha256=_digest(onnx),
        rows=tuple(row[0] for row in rows),
        against=None
        if against is None
        else Against(
            sha256=_digest(against),
            rows=tuple(row[1] for row in rows),
            ratio_p50=float(np.median(first[0]) / np.median(first[1])),
            ratio_interval=ratio_interval(first[0], first[1], rng=rng),
        ),
        host=host(),
        noisy=noisy,
    )


def ratio_interval(mine: Times, other: Times, *, rng: np.random.Generator) -> Interval:
    """Return the percentile bootstrap interval of the ratio of medians, mine / other.

    Pairs are resampled, not runs: what slowed both at once stays together.

    Args:
        mine: (n,) times; the i-th was taken beside the i-th of `other`.
        other: (n,) times.
        rng: source of the resamples.

    Returns:
        Lower and upper end at confidence 0.95.
    """
    ratios = np.empty(RESAMPLES)
    for index in range(RESAMPLES):
        chosen = rng.integers(0, len(mine), len(mine))
        ratios[index] = np.median(mine[chosen]) / np.median(other[chosen])
    low, high = np.quantile(ratios, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
    return float(low), float(high)


def median_interval(times: Times) -> Interval:
    """Return the interval of the median by order statistics: it supposes nothing about how times are spread.

    It does suppose that runs are independent; neighbours on a busy machine are not, and `noisy` tells.

    Args:
        times: (n,) times, n >= `MIN_RUNS`.

    Returns:
        Lower and upper end, two of the times, at confidence at least 0.95.
    """
    ordered = np.sort(times)
    place = int(binom.ppf((1 - CONFIDENCE) / 2, len(times), 0.5))
    return float(ordered[place - 1]), float(ordered[len(times) - place])


def _check(batches: Sequence[int], num_runs: int | None) -> None:
    if not batches or min(batches) < 1:
        raise OptionError(f"batch sizes {list(batches)} are not one or more numbers above 0", advice="use --batch 1")
    if num_runs is not None and num_runs < MIN_RUNS:
        raise OptionError(f"{num_runs} runs say too little", advice=f"time at least {MIN_RUNS} runs, or leave it out")


def _runner(session: Session, batch: int, *, stays: bool, rng: np.random.Generator) -> Run:
    """Return the function to time: one batch of noise through the session."""
    if session.batch not in (None, batch):
        raise OptionError(
            f"this file takes batches of {session.batch}, not {batch}", advice=f"use --batch {session.batch}"
        )
    shape = (batch, *session.input_shape)
    images: npt.NDArray[Any] = rng.random(shape, dtype=np.float32)
    if session.input_type == "uint8":
        images = (images * 256).astype(np.uint8)
    return session.on_device(images) if stays else lambda: session.run(images)


def _time(runs: Sequence[Run], num_runs: int | None) -> list[Times]:
    """Return the milliseconds of each run, (n,) per function: rounds of there and back, after a warm-up."""
    slowest = max(_warm_up(run) for run in runs)
    wanted = num_runs or min(MAX_RUNS, max(MIN_RUNS, math.ceil(SECONDS_PER_ROW / slowest)))
    num_rounds = math.ceil(wanted / 2)
    times = np.empty((len(runs), 2 * num_rounds))
    forth, back = list(enumerate(runs)), list(enumerate(runs))[::-1]
    collecting = gc.isenabled()
    gc.disable()
    try:
        for position in range(2 * num_rounds):
            for index, run in back if position % 2 else forth:
                start = time.perf_counter_ns()
                run()
                times[index, position] = (time.perf_counter_ns() - start) / 1e6
    finally:
        if collecting:
            gc.enable()
    return list(times)


def _warm_up(run: Run) -> float:
    """Run until clocks and kernels have settled; return the seconds of the fastest run."""
    fastest, begin, num = math.inf, time.perf_counter(), 0
    while num < WARM_UP_RUNS or time.perf_counter() - begin < WARM_UP_SECONDS:
        start = time.perf_counter()
        run()
        fastest, num = min(fastest, time.perf_counter() - start), num + 1
    return fastest


def _is_noisy(times: Times) -> bool:
    """Is the file against itself further from 1 than `NOISE`? By turns of two runs, and early against late."""
    places = np.arange(len(times))
    for first in (places // 2 % 2 == 0, places < len(times) // 2):
        if abs(float(np.median(times[first]) / np.median(times[~first])) - 1) > NOISE:
            return True
    return False


def _row(session: Session, times: Times, batch: int, *, stays: bool) -> LatencyRow:
    p50, p90, p99 = (float(value) for value in np.percentile(times, [50, 90, 99]))
    return LatencyRow(
        provider=session.provider,
        device_name=session.device_name,
        batch=batch,
        threads=session.threads,
        num_runs=len(times),
        p50_ms=p50,
        p90_ms=p90,
        p99_ms=p99 if len(times) >= RUNS_FOR_P99 else None,
        images_per_second=batch * 1000 / p50,
        nodes_on_provider_fraction=session.nodes_on_provider_fraction,
        transfers_included=not stays,
        p50_interval=median_interval(times),
    )


def _digest(model: Path | bytes) -> str:
    return sha256_of_bytes(model) if isinstance(model, bytes) else sha256_of_file(model)
