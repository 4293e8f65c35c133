"""What a criterion is: groups of units in, one number per unit out. Units with the lowest numbers leave first."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from compressor.data.images import ImageSet, stratified
from compressor.errors import PruneError
from compressor.progress import SILENT, Progress
from compressor.prune.coupling import Group, Member
from compressor.types import Skipped

Scores = NDArray[np.float64]
"""(num_units,) float64, finite, higher is more important."""

NUMBERS_AT_ONCE = 2**22
"""Weights that a measure of single rows sees at a time: 16 MiB."""

Score = Callable[[Sequence[Group], "Material"], tuple[Scores | Skipped, ...]]
"""Scores for each group in order; Skipped where the criterion finds nothing to measure, and the group stays whole."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Material:
    """What a criterion may look at."""

    model: nn.Module
    """Takes normalised images; not to be changed."""
    classifier: nn.Module | None = None
    """The same parameters behind the normalisation: images in [0, 1] -> logits."""
    train: ImageSet | None = None
    """Training images; never others."""
    seed: int = 0
    progress: Progress = SILENT
    """Told how far criteria are that look at images."""
    tensors: Mapping[str, Tensor] = field(init=False)
    """Parameters and buffers of the model by name."""

    def __post_init__(self) -> None:
        tensors = {**dict(self.model.named_parameters()), **dict(self.model.named_buffers())}
        object.__setattr__(self, "tensors", tensors)


@dataclass(frozen=True, slots=True, kw_only=True)
class Criterion:
    """A way to score units."""

    score: Score
    source: str
    """The paper."""
    needs_images: bool = False
    """Whether training images are required."""


def look_at(material: Material, name: str, *, num_images: int) -> tuple[nn.Module, ImageSet]:
    """Return the classifier and the training images that a criterion looks at.

    Args:
        material: what there is.
        name: of the criterion, for the message.
        num_images: how many at most; with the class shares of all training images, drawn by the seed.

    Raises:
        PruneError: there are no training images, or no normalisation is known.
    """
    if material.train is None or material.classifier is None or len(material.train) == 0:
        raise PruneError(
            f"criterion {name} needs training images and their normalisation",
            advice="add --data with training images and --preprocess, or take a criterion without data: l1, l2, fpgm",
        )
    return material.classifier, stratified(material.train, num_images, seed=material.seed)


def rows(member: Member, tensor: Tensor) -> Tensor:
    """Return the numbers of each unit on an axis, (num_units, n), in the type of the tensor."""
    moved = tensor.detach().movedim(member.dim, 0)
    index = member.index.ravel()
    if not np.array_equal(index, np.arange(len(moved))):
        moved = moved[torch.from_numpy(index)]
    return moved.reshape(len(member.index), -1)


def row_by_row(measure: Callable[[Tensor], Tensor]) -> Callable[[Tensor], Tensor]:
    """Return a measure that looks at some rows at a time: a wide layer would else be held once more, in float64.

    Args:
        measure: (n, m) weights -> (n,), each row for itself.
    """

    def measured(weights: Tensor) -> Tensor:
        at_once = max(1, NUMBERS_AT_ONCE // max(1, weights.shape[1]))
        return torch.cat([measure(weights[start : start + at_once]) for start in range(0, len(weights), at_once)])

    return measured


def over_makers(groups: Sequence[Group], material: Material, measure: Callable[[Tensor], Tensor]) -> tuple[Scores, ...]:
    """Score filters by a function of their weights.

    A unit may be filters of several layers (a residual stream). Each layer's numbers are divided by their mean, so that
    no layer outweighs the others, and a unit's score is the mean over its layers. Hence the mean score of every group
    is 1, and `--global` compares how a unit stands within its own group. torch-pruning's GroupMagnitude averages too,
    but over norms that were not divided, and counts the columns that read the unit.

    Args:
        groups: to score.
        material: whose tensors are read.
        measure: (num_units, n) weights -> (num_units,) float64, not negative.
    """
    found = []
    for group in groups:
        total = np.zeros(group.num_units)
        makers = group.makers()
        for maker in makers:
            values = measure(rows(maker, material.tensors[maker.tensor])).numpy()
            mean = values.mean()
            total += values / mean if mean > 0 else np.ones(group.num_units)
        found.append(total / len(makers))
    return tuple(found)
