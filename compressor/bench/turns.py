"""Time files in turns, in pairs of fresh sessions.

A pair runs rounds of four: this, other, other, this. So each follows itself as often as it follows the other, and
whatever drifts (clocks, heat, neighbours) meets both alike. What sticks to a session for its life, such as where its
memory lies, is drawn anew with each pair; the order in which a pair is opened and begins alternates.
"""

import gc
import math
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from compressor.bench.statistics import Times
from compressor.errors import OptionError
from compressor.runtime.memory import peak_growth
from compressor.runtime.session import Session, open_session

NUM_SESSIONS = 10
"""Of each file, for each row: Student's t then is 15 % wider than the normal distribution."""
MIN_SESSIONS = 6
"""Where opening takes long. The interval is as honest, and a tenth to a third wider."""
SECONDS_OF_OPENING = 10.0
"""What opening and warming up may take in each row before there are fewer than ten sessions."""

SECONDS_PER_ROW = 2.0
"""Time spent on each file in each row, when the number of runs is left to us."""

MIN_RUNS, MAX_RUNS = 30, 10_000
"""Bounds of that number."""

WARM_UP_RUNS = 3
WARM_UP_SECONDS = 0.2
"""Both must be reached by the first session of each file and row: a GPU chooses its kernels then, and clocks rise."""
WARM_UP_AGAIN_SECONDS = 0.01
"""The same for the sessions after it, which find the machine warm."""

Run = Callable[[], object]
Model = Path | bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """One configuration."""

    provider: str
    batch: int
    threads: int
    stays: bool = False
    """Input and output stay on the device."""
    graph: bool = False
    """The GPU replays a captured graph."""
    pause_seconds: float = 0.0
    """Before each timed run: on a busy machine, a process that slept is let in at once and for a while."""

    def open(self, model: Model) -> Session:
        """Open a file for this configuration, as fast as it can run."""
        return open_session(
            model, provider=self.provider, threads=self.threads, repeatable=False, cuda_graph=self.graph
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """What the first session of a file showed, whose runs are not counted."""

    fastest_seconds: float
    """Of its runs."""
    opening_seconds: float
    """Until its first answer: a GPU chooses its kernels then."""
    peak_memory_bytes: int | None
    peak_memory_of: str
    """`host` or `gpu`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Timed:
    """How long one file took in one configuration."""

    sessions: tuple[Times, ...]
    """(n,) milliseconds of each run, for each session."""
    load_ms: Times
    """(S,) opening each of them."""
    look: Look

    @property
    def medians(self) -> Times:
        """(S,) of the sessions."""
        return np.array([float(np.median(each)) for each in self.sessions])


def time_in_turns(
    models: Sequence[Model], way: Way, *, num_runs: int | None, rng: np.random.Generator
) -> tuple[Timed, ...]:
    """Time one file, or two of them in turns.

    Args:
        models: one or two.
        way: the configuration.
        num_runs: of each file in all sessions together, at least; made up to an even number per session.
        rng: of the noise that the files are given.

    Returns:
        What each file took.
    """
    looks = [look(model, way, rng=rng) for model in models]
    slowest = max(each.fastest_seconds for each in looks)
    wanted = num_runs or min(MAX_RUNS, max(MIN_RUNS, math.ceil(SECONDS_PER_ROW / slowest)))
    each_opening = sum(seen.opening_seconds + WARM_UP_RUNS * seen.fastest_seconds for seen in looks)
    num_sessions = min(NUM_SESSIONS, max(MIN_SESSIONS, int(SECONDS_OF_OPENING / each_opening)))
    num_rounds = math.ceil(wanted / (2 * num_sessions))
    times: list[list[Times]] = [[] for _ in models]
    loads = np.empty((len(models), num_sessions))
    for number in range(num_sessions):
        order = list(range(len(models)))[:: 1 if number % 2 == 0 else -1]
        opened: dict[int, Session] = {}
        for index in order:
            start = time.perf_counter()
            opened[index] = way.open(models[index])
            loads[index, number] = (time.perf_counter() - start) * 1e3
        runs = [runner(opened[index], way, rng=rng) for index in range(len(models))]
        for index in order:
            warm_up(runs[index], seconds=WARM_UP_AGAIN_SECONDS)
        for index, each in enumerate(take_turns(runs, order, num_rounds=num_rounds, pause=way.pause_seconds)):
            times[index].append(each)
        del opened, runs
    return tuple(
        Timed(sessions=tuple(each), load_ms=load, look=seen)
        for each, load, seen in zip(times, loads, looks, strict=True)
    )


def look(model: Model, way: Way, *, rng: np.random.Generator) -> Look:
    """Open a file and run it until clocks and kernels have settled; see what memory that takes."""
    with peak_growth("host" if way.provider == "cpu" else "gpu") as growth:
        start = time.perf_counter()
        run = runner(way.open(model), way, rng=rng)
        run()
        opening = time.perf_counter() - start
        fastest = warm_up(run, seconds=WARM_UP_SECONDS)
    return Look(
        fastest_seconds=fastest,
        opening_seconds=opening,
        peak_memory_bytes=growth.peak_bytes,
        peak_memory_of=growth.of,
    )


def runner(session: Session, way: Way, *, rng: np.random.Generator) -> Run:
    """Return the function to time: one batch of noise through the session."""
    if session.batch not in (None, way.batch):
        raise OptionError(
            f"this file takes batches of {session.batch}, not {way.batch}", advice=f"use --batch {session.batch}"
        )
    shape = (way.batch, *session.input_shape)
    images: npt.NDArray[Any] = rng.random(shape, dtype=np.float32)
    if session.input_type == "uint8":
        images = (images * 256).astype(np.uint8)
    return session.on_device(images) if way.stays else lambda: session.run(images)


def warm_up(run: Run, *, seconds: float) -> float:
    """Run for some time, and some times; return the seconds of the fastest run."""
    fastest, begin, num = math.inf, time.perf_counter(), 0
    while num < WARM_UP_RUNS or time.perf_counter() - begin < seconds:
        start = time.perf_counter()
        run()
        fastest, num = min(fastest, time.perf_counter() - start), num + 1
    return fastest


def take_turns(runs: Sequence[Run], order: Sequence[int], *, num_rounds: int, pause: float = 0.0) -> list[Times]:
    """Return the milliseconds of each run, (2 * num_rounds,) per function: rounds of there and back."""
    times = np.empty((len(runs), 2 * num_rounds))
    with _no_collecting():
        for position in range(2 * num_rounds):
            for index in order if position % 2 == 0 else reversed(order):
                if pause:
                    time.sleep(pause)
                start = time.perf_counter_ns()
                runs[index]()
                times[index, position] = (time.perf_counter_ns() - start) / 1e6
    return list(times)


@contextmanager
def _no_collecting() -> Iterator[None]:
    """Keep the garbage collector out of the times."""
    collecting = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collecting:
            gc.enable()
