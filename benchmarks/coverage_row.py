"""One line of the coverage table: what one network went through, or where it was refused and why."""

from dataclasses import dataclass

from compressor.records import strict

SCHEMA = "compress.coverage/1"


@strict
@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """What a network costs, as `compressor.prune.Cost` counts it. Importing that would import torch-pruning."""

    filters: int
    params: int
    macs: int


@strict
@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """`benchmarks/results/coverage/NAME.json`. None: that station was not reached."""

    schema: str
    created: str
    model: str
    """As `--arch` takes it."""
    refused: str | None
    """Station and sentence; None where it went all the way."""
    code: str
    """Digest of the code that made this row: load, prune, export and this benchmark."""
    versions: dict[str, str]
    host: dict[str, str | int]

    bytes_dense: int | None = None
    """Of all parameters and buffers."""
    identified: str | None = None
    """What its weights were recognised as, without `--arch`."""
    ratio: float | None = None
    structure: str | None = None
    """`filters`, or `blocks` where no filter can leave."""
    not_in_width: str | None = None
    """Why no filter can leave."""
    coupling: str | None = None
    """Who found out which channels leave together."""
    before: Size | None = None
    after: Size | None = None
    plan_seconds: float | None = None
    """Processor time, here and below; one thread."""
    slim_seconds: float | None = None
    save_seconds: float | None = None
    memory_multiple: float | None = None
    """Peak of planning and cutting, the dense model included, over `bytes_dense`."""
    dense_onnx: str | None = None
    """Why the dense model cannot be one ONNX file; None where it can by its size."""

    bytes_slim: int | None = None
    """Of the slim checkpoint file."""
    reload_seconds: float | None = None
    bit_equal: bool | None = None
    """Whether the reloaded network answers two images to the last bit as the one that was saved."""
    bytes_onnx: int | None = None
    export_seconds: float | None = None
    parity_seconds: float | None = None
    parity: str | None = None
    """The decision."""
    parity_images: int | None = None
    max_abs: float | None = None
    max_rel: float | None = None
    agreement: float | None = None

    def is_whole(self) -> bool:
        """Say whether the network went all the way, and everything held."""
        return self.refused is None and self.bit_equal is True and self.parity == "passed"
