"""How long a model file takes on this machine, alone or in turns with another file."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from compressor.bench.record import SCHEMA, Against, Latency, LatencyRow, NotMeasured, Ratio
from compressor.bench.statistics import is_noisy, median_interval, ratio_of_pairs
from compressor.bench.turns import MIN_RUNS, Model, Timed, Way, runner, time_in_turns
from compressor.errors import MachineError, OptionError
from compressor.files import sha256_of_bytes, sha256_of_file
from compressor.progress import SILENT, Progress
from compressor.records import now, tool_version
from compressor.runtime.libraries import loaded_versions
from compressor.runtime.machine import clocks, host, versions
from compressor.runtime.session import Session

RUNS_FOR_P99 = 1000
"""Below this, the 99th percentile rests on fewer than ten runs."""

VERSIONS = ("python", "compress", "numpy", "onnxruntime", "onnxruntime-gpu")
"""Of what is in a time here; a GPU's libraries are added."""


def bench(
    onnx: Model | str,
    *,
    against: Model | str | None = None,
    provider: str = "cpu",
    batches: Sequence[int] = (1,),
    threads: int = 1,
    num_runs: int | None = None,
    cuda_graphs: bool = False,
    pause_seconds: float = 0.0,
    not_measured: Sequence[NotMeasured] = (),
    seed: int = 0,
    progress: Progress = SILENT,
) -> Latency:
    """Time a model file.

    Every row is timed in ten fresh sessions of each file (six, where opening takes seconds): sessions differ from each
    other more than their many runs tell, so they are the sample that intervals come from.

    Args:
        onnx: the file, or its bytes.
        against: another file to compare with, in turns; None: none.
        provider: `cpu`, `cuda` or `tensorrt`. A GPU gives two rows per batch size: first from numpy to numpy, then
            with input and output kept on the GPU (`transfers_included` false).
        batches: batch sizes, one row (or two, or three) each.
        threads: of onnxruntime, on the CPU.
        num_runs: timed runs of each file per row, made up to an even number in each session; None: about two seconds'
            worth, 30 to 10,000.
        cuda_graphs: on a GPU, a third row with the captured graph; `not_measured` says why where that is not possible.
        pause_seconds: idle time before each run. On a machine with more work than cores the median of runs in a row is
            that of the queue; after a pause a run of up to some milliseconds meets hardly any of it.
        not_measured: what else the record shall say could not be timed.
        seed: of the input noise.
        progress: listener, a step per row.

    Returns:
        The record. `against` compares medians at the first row: below 1 means that `onnx` is faster.

    Raises:
        OptionError: batch sizes or numbers that cannot be run, or files that take images of other sizes.
        LoadError: not an ONNX classifier.
        MachineError: the provider does not load here, or memory ran out. There is never a number then.
    """
    _check(batches, num_runs)
    onnx = Path(onnx) if isinstance(onnx, str) else onnx
    against = Path(against) if isinstance(against, str) else against
    models = [onnx] if against is None else [onnx, against]
    rng = np.random.default_rng(seed)
    shown, graphless = _first_look(models, Way(provider=provider, batch=batches[0], threads=threads), rng=rng)
    ways = list(_ways(provider, batches, threads, graphs=cuda_graphs and not graphless, pause=pause_seconds))
    missing = list(not_measured)
    if cuda_graphs and graphless:
        missing.append(NotMeasured(what="CUDA graphs", reason=graphless))
    rows: list[list[LatencyRow]] = []
    ratios: list[Ratio] = []
    noisy = False
    with progress.stage("bench", total=len(ways), unit="row") as step:
        for way in ways:
            try:
                found = time_in_turns(models, way, num_runs=num_runs, rng=rng)
            except MachineError as error:
                if not way.graph:
                    raise
                missing.append(NotMeasured(what=f"CUDA graphs at batch {way.batch}", reason=error.message))
                continue
            rows.append([_row(way, timed, row) for timed, row in zip(found, shown, strict=True)])
            if len(found) == 2:
                ratio, interval = ratio_of_pairs(found[0].medians, found[1].medians)
                ratios.append(Ratio(ratio_p50=ratio, ratio_interval=interval))
            noisy = noisy or is_noisy(found[0].sessions)
            step.advance(1, f"batch {way.batch}: {rows[-1][0].p50_ms:.3f} ms")
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
            ratio_p50=ratios[0].ratio_p50,
            ratio_interval=ratios[0].ratio_interval,
            ratios=tuple(ratios),
            file_bytes=_num_bytes(against),
        ),
        host=host() | clocks(),
        noisy=noisy,
        file_bytes=_num_bytes(onnx),
        versions={name: text for name, text in versions().items() if name in VERSIONS} | loaded_versions(),
        not_measured=tuple(missing) or None,
    )


def _check(batches: Sequence[int], num_runs: int | None) -> None:
    if not batches or min(batches) < 1:
        raise OptionError(f"batch sizes {list(batches)} are not one or more numbers above 0", advice="use --batch 1")
    if num_runs is not None and num_runs < MIN_RUNS:
        raise OptionError(f"{num_runs} runs say too little", advice=f"time at least {MIN_RUNS} runs, or leave it out")


def _ways(provider: str, batches: Sequence[int], threads: int, *, graphs: bool, pause: float) -> Iterator[Way]:
    """Yield the configurations in the order of the rows: what a user of the file sees comes first."""
    for batch in batches:
        plain = Way(provider=provider, batch=batch, threads=threads, pause_seconds=pause)
        yield plain
        if provider != "cpu":
            yield replace(plain, stays=True)
        if graphs:
            yield replace(plain, stays=True, graph=True)


def _first_look(models: Sequence[Model], way: Way, *, rng: np.random.Generator) -> tuple[list[tuple[str, float]], str]:
    """Let each file answer once: what cannot run shows before anything is timed.

    What a process takes once (a CUDA context, for one) is then no longer counted as a file's memory.

    Returns:
        The device and the share of nodes on it, for each file; and why no CUDA graph is possible.
    """
    sessions = [way.open(model) for model in models]
    if len({session.image_shape for session in sessions}) > 1:
        ours, theirs = ("x".join(map(str, session.image_shape)) for session in sessions)
        raise OptionError(
            f"the file takes images of {ours}, the one to compare with {theirs}: their ratio would say nothing",
            advice=f"export the other for the same images, or give the size with a checkpoint: --input-size "
            f"{ours.split('x', 1)[1]}",
        )
    for session in sessions:
        runner(session, way, rng=rng)()
    return [(each.device_name, each.nodes_on_provider_fraction) for each in sessions], _why_no_graph(sessions)


def _why_no_graph(opened: Sequence[Session]) -> str:
    """Return why no CUDA graph can be captured; empty: it can be tried."""
    for session in opened:
        if session.provider == "cpu":
            return "they are a GPU's: use --provider cuda"
        if session.nodes_on_provider_fraction < 1:
            return f"only {session.nodes_on_provider_fraction:.1%} of the nodes run on the GPU"
        if session.num_classes is None:
            return "the file does not say how many classes it answers"
    return ""


def _row(way: Way, timed: Timed, shown: tuple[str, float]) -> LatencyRow:
    device_name, fraction = shown
    times = np.concatenate(timed.sessions)
    p50, p90, p99 = (float(value) for value in np.percentile(times, [50, 90, 99]))
    low, high = median_interval(timed.medians)
    return LatencyRow(
        provider=way.provider,
        device_name=device_name,
        batch=way.batch,
        threads=way.threads,
        num_runs=len(times),
        p50_ms=p50,
        p90_ms=p90,
        p99_ms=p99 if len(times) >= RUNS_FOR_P99 else None,
        images_per_second=way.batch * 1000 / p50,
        nodes_on_provider_fraction=fraction,
        transfers_included=not way.stays,
        p50_interval=(min(low, p50), max(high, p50)),
        num_sessions=len(timed.sessions),
        pause_ms=way.pause_seconds * 1e3 or None,
        cuda_graph=None if way.provider == "cpu" else way.graph,
        load_ms=float(np.median(timed.load_ms)),
        peak_memory_bytes=timed.look.peak_memory_bytes,
        peak_memory_of=None if timed.look.peak_memory_bytes is None else timed.look.peak_memory_of,
    )


def _digest(model: Model) -> str:
    return sha256_of_bytes(model) if isinstance(model, bytes) else sha256_of_file(model)


def _num_bytes(model: Model) -> int:
    return len(model) if isinstance(model, bytes) else Path(model).stat().st_size
