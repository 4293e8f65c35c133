"""Filters that say least about the class leave first: importance in a projection found by partial least squares.

Each filter is one variable, the largest value of its map; all filters of the network together are projected so that
they agree best with the class labels, and a filter's score is its Variable Importance in Projection (VIP): its share in
the directions, weighted by how much of the labels each direction explains.

Source: Jordao et al., Pruning Deep Networks using Partial Least Squares, arXiv 1810.07610, and the criterion of the
same authors in arXiv 2108.04890. As in their code: two components, variables and labels standardised. Differs: maps are
always those after activation (theirs are in VGG, but not in ResNet), so that a filter that never fires scores 0; the
mean over the channels and layers that make the unit; each component is the exact singular vector that NIPALS converges
to.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from compressor.errors import PruneError
from compressor.prune.coupling import Group
from compressor.prune.criteria.contract import Material, Scores, look_at
from compressor.prune.criteria.maps import Stage, each_map, over_maps
from compressor.prune.criteria.passes import at_rest
from compressor.types import Skipped

NUM_IMAGES = 512
NUM_COMPONENTS = 2


def score(groups: Sequence[Group], material: Material) -> tuple[Scores | Skipped, ...]:
    """Return the VIP of each unit on 512 training images; the mean of its square over all filters is 1.

    Raises:
        PruneError: there are no training images, or of one class only, or no normalisation is known.
    """
    classifier, images = look_at(material, "pls", num_images=NUM_IMAGES)
    classes, numbers = np.unique(images.labels, return_inverse=True)
    if len(classes) < 2:
        raise PruneError(
            "criterion pls needs training images of at least two classes",
            advice="add images of the other classes to --data, or take a criterion without data: l1, l2, fpgm",
        )
    peaks: dict[tuple[str, int], list[NDArray[np.float64]]] = {}

    def note(maker: str, run: int, maps: Tensor) -> None:
        largest = maps.flatten(2).amax(dim=2) if maps.ndim > 2 else maps
        peaks.setdefault((maker, run), []).append(largest.double().numpy())

    with at_rest(classifier, seed=material.seed):
        each_map(groups, material, classifier, images, until=Stage.ACTIVATED, note=note)
    importance: dict[str, list[Scores]] = {}
    if peaks:
        columns = [np.concatenate(parts) for parts in peaks.values()]
        found = vip(np.concatenate(columns, axis=1), np.eye(len(classes))[numbers], num_components=NUM_COMPONENTS)
        starts = np.cumsum([part.shape[1] for part in columns])[:-1]
        for (maker, _), values in zip(peaks, np.split(found, starts), strict=True):
            importance.setdefault(maker, []).append(values)
    channels: dict[str, Scores] = {maker: np.mean(runs, axis=0) for maker, runs in importance.items()}
    reason = "no layer that makes it has maps that pls could see"
    return over_maps(groups, channels, reason=reason, relative=False)


def vip(variables: NDArray[np.float64], answers: NDArray[np.float64], *, num_components: int) -> Scores:
    """Return the variable importance in projection.

    Args:
        variables: (N, P).
        answers: (N, K).
        num_components: directions to find; fewer are found where nothing is left to explain.

    Returns:
        (P,) not negative; the mean of the squares is 1, or all are 0 where the variables explain nothing.

    Source:
        Wold et al., PLS-regression: a basic tool of chemometrics (2001). Components by the singular vectors of the
        covariance; the answers need no deflation, since scores are orthogonal.
    """
    left, answers = _standardised(variables), _standardised(answers)
    total, explained = np.zeros(left.shape[1]), 0.0
    smallest = np.finfo(np.float64).eps * np.linalg.norm(left) * np.linalg.norm(answers)
    for _ in range(num_components):
        covariance = left.T @ answers
        # The right singular vector by the small (K, K) matrix.
        weights = covariance @ np.linalg.eigh(covariance.T @ covariance)[1][:, -1]
        length = np.linalg.norm(weights)
        if length <= smallest:
            break
        weights /= length
        scores = left @ weights
        share = float(np.sum((scores @ answers) ** 2) / (scores @ scores))
        total += share * weights**2
        explained += share
        left = left - np.outer(scores, scores @ left / (scores @ scores))
    found: Scores = np.sqrt(total * len(total) / explained) if explained > 0 else total
    return found


def _standardised(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return columns of mean 0 and standard deviation 1; those that are constant become 0."""
    centred = values - values.mean(axis=0)
    deviation = values.std(axis=0, ddof=1)
    constant = deviation <= np.finfo(np.float64).eps * np.abs(values).max(axis=0)
    found: NDArray[np.float64] = np.where(constant, 0.0, centred / np.where(constant, 1.0, deviation))
    return found
