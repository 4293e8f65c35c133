"""What is left of a model's accuracy when one layer alone is pruned: the record, and each layer's part of it."""

from dataclasses import dataclass
from typing import Final, Literal

from compressor.prune import LeftOut
from compressor.records import strict
from compressor.types import Role, Structure

SCHEMA: Final = "compress.sensitivity/1"


@strict
@dataclass(frozen=True, slots=True, kw_only=True)
class SensitivityRow:
    """One cut, with everything else left whole and nothing fine-tuned."""

    structure: Structure
    """Filters of one group, or one block as a whole."""
    group: str
    """The first layer that makes the units, as in a plan; the block's name."""
    layers: tuple[str, ...]
    """All layers that lose filters together; the layers in the block."""
    num_units: int
    """Before. A block is one unit."""
    num_removed: int
    ratio: float
    """The share that was asked to leave; rounding to widths that kernels like decides how many really do."""
    accuracy: float
    """Share of images answered right, in [0, 1]."""
    fgsm_accuracy: float
    """Share of images answered right that stay right under FGSM."""
    macs_saved_fraction: float
    """Of the whole model's multiply-adds."""
    params_saved_fraction: float
    """Of the whole model's parameters."""


@strict
@dataclass(frozen=True, slots=True, kw_only=True)
class Sensitivity:
    """`NAME-sensitivity.json`."""

    schema: Literal["compress.sensitivity/1"]
    created: str
    tool_version: str
    model_sha256: str
    """The checkpoint that was looked at."""
    architecture: str
    num_classes: int
    data: str
    """The data spec."""
    role: Role
    """Always select: what is measured here steers pruning."""
    data_sha256: str
    """Over the ordered names, labels and digests of the images used."""
    num_images: int
    criterion: str
    """How filters were ranked."""
    ratios: tuple[float, ...]
    """Ascending."""
    threat: str
    """What FGSM may do: a norm and an exact epsilon."""
    seed: int
    accuracy: float
    """Of the dense model."""
    fgsm_accuracy: float
    """Of the dense model."""
    rows: tuple[SensitivityRow, ...]
    """In the order of the network: groups by rising ratio, then blocks."""
    left_out: tuple[LeftOut, ...]
    """What was not measured, and why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Layer:
    """The rows of one group or block."""

    name: str
    rows: tuple[SensitivityRow, ...]
    """At least one, by rising ratio."""
    mean_drop: float
    """Of accuracy against the dense model, averaged over the rows; negative where accuracy rose."""
    mean_fgsm_drop: float
    """The same under FGSM."""

    def at(self, ratio: float) -> SensitivityRow | None:
        """Return the row of a ratio; None where nothing left at it."""
        return next((row for row in self.rows if row.ratio == ratio), None)


def layers_of(record: Sensitivity, structure: Structure) -> tuple[Layer, ...]:
    """Return the groups, or the blocks, in the order of the network."""
    found: dict[str, list[SensitivityRow]] = {}
    for row in record.rows:
        if row.structure is structure:
            found.setdefault(row.group, []).append(row)
    return tuple(
        Layer(
            name=name,
            rows=tuple(rows),
            mean_drop=record.accuracy - sum(row.accuracy for row in rows) / len(rows),
            mean_fgsm_drop=record.fgsm_accuracy - sum(row.fgsm_accuracy for row in rows) / len(rows),
        )
        for name, rows in found.items()
    )


def by_drop(layers: tuple[Layer, ...]) -> tuple[Layer, ...]:
    """Return the most sensitive first: by the mean drop of accuracy, then under FGSM, then as in the network."""
    return tuple(sorted(layers, key=lambda layer: (-layer.mean_drop, -layer.mean_fgsm_drop)))
