"""The latency record. Standard library and pydantic only."""

from dataclasses import dataclass, field
from typing import Final, Literal

from compressor.records import LATER, Count, strict
from compressor.types import Interval

SCHEMA: Final = "compress.latency/1"


@strict
@dataclass(frozen=True, slots=True, kw_only=True)
class LatencyRow:
    """One configuration of one file."""

    provider: str
    """`cpu`, `cuda`, `tensorrt`."""
    device_name: str
    """Processor or GPU, as it calls itself."""
    batch: Count
    threads: Count
    num_runs: Count
    """In all sessions together."""
    p50_ms: float
    p90_ms: float
    p99_ms: float | None
    """None below 1,000 runs."""
    images_per_second: float
    nodes_on_provider_fraction: float
    """Share of graph nodes that ran on the provider, in [0, 1]."""
    transfers_included: bool
    """True: from numpy to numpy, with copies to and from the device. False: input and output stay on the device."""
    p50_interval: Interval | None = None
    """Of the median, at confidence 0.95, from the medians of sessions; None in records made elsewhere."""
    num_sessions: Count | None = field(default=None, metadata=LATER)
    """Opened afresh, each with its share of the runs."""
    pause_ms: float | None = field(default=None, metadata=LATER)
    """Idle time before each run; None: none, runs follow each other."""
    cuda_graph: bool | None = field(default=None, metadata=LATER)
    """Whether the GPU replays the captured graph instead of being told operator by operator; None on the CPU."""
    load_ms: float | None = field(default=None, metadata=LATER)
    """From the bytes of the file to a session that can run: median over the sessions."""
    peak_memory_bytes: Count | None = field(default=None, metadata=LATER)
    """What the file and its first batches took at most; None where it cannot be read."""
    peak_memory_of: str | None = field(default=None, metadata=LATER)
    """`host`: growth of this process's resident memory. `gpu`: growth of what the driver calls used."""


@strict
@dataclass(frozen=True, slots=True, kw_only=True)
class Ratio:
    """Median of this file / median of the other: below 1 means this one is faster."""

    ratio_p50: float
    ratio_interval: Interval
    """At confidence 0.95; no difference is shown while it holds 1."""


@strict
@dataclass(frozen=True, slots=True, kw_only=True)
class Against:
    """Comparison with another file in turns; the ratio is the first row's."""

    sha256: str
    rows: tuple[LatencyRow, ...]
    """The other file, same configurations in the same order."""
    ratio_p50: float
    """Median of this file / median of the other: below 1 means this one is faster."""
    ratio_interval: Interval
    ratios: tuple[Ratio, ...] | None = field(default=None, metadata=LATER)
    """Of every row, in the same order."""
    file_bytes: Count | None = field(default=None, metadata=LATER)


@strict
@dataclass(frozen=True, slots=True, kw_only=True)
class NotMeasured:
    """Something that was asked for and could not be timed."""

    what: str
    """`against`, or a configuration."""
    reason: str


@strict
@dataclass(frozen=True, slots=True, kw_only=True)
class Latency:
    """`latency.json`."""

    schema: Literal["compress.latency/1"]
    created: str
    tool_version: str
    artefact_sha256: str
    rows: tuple[LatencyRow, ...]
    against: Against | None
    host: dict[str, str | int]
    """Machine, driver, clocks and load."""
    noisy: bool
    """A file against itself was not 1 within 5 %: read the times with care."""
    file_bytes: Count | None = field(default=None, metadata=LATER)
    versions: dict[str, str] | None = field(default=None, metadata=LATER)
    """Of onnxruntime and what it runs on."""
    not_measured: tuple[NotMeasured, ...] | None = field(default=None, metadata=LATER)
