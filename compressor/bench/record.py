"""The latency record. Standard library and pydantic only."""

from dataclasses import dataclass

from compressor.records import strict
from compressor.types import Interval

SCHEMA = "compress.latency/1"


@strict
@dataclass(frozen=True, slots=True, kw_only=True)
class LatencyRow:
    """One configuration of one file."""

    provider: str
    """`cpu`, `cuda`, `tensorrt`."""
    device_name: str
    """Processor or GPU, as it calls itself."""
    batch: int
    threads: int
    num_runs: int
    p50_ms: float
    p90_ms: float
    p99_ms: float | None
    """None below 1,000 runs."""
    images_per_second: float
    nodes_on_provider_fraction: float
    """Share of graph nodes that ran on the provider, in [0, 1]."""
    transfers_included: bool
    """Whether copies to and from the device are in the times."""
    p50_interval: Interval | None = None
    """Of the median, at confidence 0.95; None in records made elsewhere, as by the replay script."""


@strict
@dataclass(frozen=True, slots=True, kw_only=True)
class Against:
    """Interleaved comparison with another file, first row's configuration."""

    sha256: str
    rows: tuple[LatencyRow, ...]
    """The other file, same configurations in the same order."""
    ratio_p50: float
    """Median of this file / median of the other: below 1 means this one is faster."""
    ratio_interval: Interval


@strict
@dataclass(frozen=True, slots=True, kw_only=True)
class Latency:
    """`latency.json`."""

    schema: str
    created: str
    tool_version: str
    artefact_sha256: str
    rows: tuple[LatencyRow, ...]
    against: Against | None
    host: dict[str, str | int]
    noisy: bool
    """A file against itself was not 1 within 5 %: read the times with care."""
