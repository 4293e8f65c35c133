"""How large or slow a slim model is, measured on the file that would ship: what planning asks of later stages."""

from collections.abc import Callable

from compressor.bench.latency import bench
from compressor.bench.turns import MIN_RUNS
from compressor.load import Checkpoint
from compressor.prune import Measured
from compressor.task import Timing

LONGER = 4
"""The measurement that decides has so many times the runs of the short one before it."""

Export = Callable[[Checkpoint], bytes]


class FileBytes:
    """Bytes of model.onnx: the file is written and counted."""

    def __init__(self, export: Export) -> None:
        self._export = export

    def __call__(self, checkpoint: Checkpoint, *, thorough: bool = False) -> Measured:  # noqa: ARG002 - one count is enough
        """Export and count."""
        size = float(len(self._export(checkpoint)))
        return Measured(value=size, upper=size)


class FileLatency:
    """Median latency of model.onnx here, in milliseconds, or as a ratio to the dense model's."""

    def __init__(self, export: Export, timing: Timing, *, against: Checkpoint | None = None) -> None:
        """Choose what is timed.

        Args:
            export: checkpoint to file.
            timing: provider, threads and batch size, of which the first counts.
            against: the dense model, for ratios; it is timed in turns with every candidate.
        """
        self._export = export
        self._timing = timing
        self._against = None if against is None else export(against)
        self._num_runs = MIN_RUNS

    def __call__(self, checkpoint: Checkpoint, *, thorough: bool = False) -> Measured:
        """Export and time: about two seconds' worth of runs, thoroughly four times as many."""
        record = bench(
            self._export(checkpoint),
            against=self._against,
            provider=self._timing.provider,
            batches=self._timing.batches[:1],
            threads=self._timing.threads,
            num_runs=LONGER * self._num_runs if thorough else None,
        )
        row = record.rows[0]
        if not thorough:
            self._num_runs = row.num_runs
        if record.against is not None:
            return Measured(value=record.against.ratio_p50, upper=record.against.ratio_interval[1])
        assert row.p50_interval is not None
        return Measured(value=row.p50_ms, upper=row.p50_interval[1])
