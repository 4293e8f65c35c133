"""The parity record: does the ONNX file answer as the torch model does? Standard library and pydantic only."""

from dataclasses import dataclass, field
from typing import Final, Literal

from compressor.records import LATER, Count, strict

SCHEMA: Final = "compress.parity/1"


@strict
@dataclass(frozen=True, slots=True, kw_only=True)
class Parity:
    """`parity.json`."""

    schema: Literal["compress.parity/1"]
    created: str
    tool_version: str
    artefact_sha256: str
    """Digest of model.onnx."""
    provider: str
    """`cpu`, `cuda`, ..."""
    batches: tuple[int, ...]
    """Batch sizes that were run."""
    num_images: Count
    """Natural images (or noise) compared; the answers and accuracies are theirs."""
    max_abs: float
    """Largest absolute difference of a logit, on natural and adversarial images."""
    max_rel: float
    """Largest absolute difference relative to the largest absolute logit."""
    agreement: float
    """Share of images with the same answer, in [0, 1]."""
    accuracy_torch: float | None
    """On labelled images; None where only random inputs were at hand."""
    accuracy_onnx: float | None
    bytes_model: Count
    """Size of model.onnx."""
    bytes_checkpoint: Count
    """Size of the slim checkpoint; 0 for a model in memory."""
    decision: str
    """`passed` or `failed`."""
    precision: str | None = field(default=None, metadata=LATER)
    """`fp32`, `fp16` or `int8`."""
    num_adversarial: Count | None = field(default=None, metadata=LATER)
    """Adversarial images compared as well: they lie where rounding matters most."""
    agreement_adversarial: float | None = field(default=None, metadata=LATER)
    """Share of those with the same answer, in [0, 1]."""
