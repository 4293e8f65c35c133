"""The block whose contribution says least about the label leaves first.

Source: Jordao et al., Discriminative Layer Pruning for Convolutional Neural Networks, doi 10.1109/JSTSP.2020.2975987:
features of each block, averaged over positions, are projected onto the directions that covary most with the label
(partial least squares, 4 components), and a block scores the mean importance of its features in that projection
(VIP). Differs: one projection for the features of all blocks, because within a projection of its own the mean square
importance is 1 for every block; and what a block adds to its input instead of its output, because the output of a block
that adds nothing still says all that its input said. 512 training images.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from compressor.prune.block_criteria.contract import BlockScores
from compressor.prune.block_criteria.probe import Probe
from compressor.prune.blocks import Block

NUM_COMPONENTS = 4
CONSTANT = 1e-6
"""A feature that varies less than this, relative to its largest value, is rounding and says nothing."""


def score(left: Sequence[Block], gone: Sequence[Block], probe: Probe) -> BlockScores:
    """Return the mean importance of each block's features; 0 for a block that adds nothing or a constant."""
    features = probe.contributions(gone, left)
    targets = (probe.labels[:, None] == np.unique(probe.labels)).astype(np.float64)
    importance = importance_in_projection(np.concatenate(features, axis=1), targets, num_components=NUM_COMPONENTS)
    ends = np.cumsum([block.shape[1] for block in features])[:-1]
    return np.array([own.mean() for own in np.split(importance, ends)])


def importance_in_projection(
    features: NDArray[np.float64], targets: NDArray[np.float64], *, num_components: int
) -> NDArray[np.float64]:
    """Return the variable importance in projection of each feature; the mean square of all is 1.

    Args:
        features: (N, P); standardised here.
        targets: (N, K); standardised here.
        num_components: at most; fewer where nothing is left to explain.

    Returns:
        (P,), zeros where no feature covaries with any target.

    Source: Wold et al., PLS-regression: a basic tool of chemometrics, 2001.
    """
    x, y = _standardised(features), _standardised(targets)
    start = np.linalg.norm(x.T @ y)
    total, explained = np.zeros(x.shape[1]), 0.0
    for _ in range(num_components):
        covariance = x.T @ y
        if np.linalg.norm(covariance) <= 1e-9 * start:
            break
        # The direction of features whose covariance with the targets is largest: the first left singular vector.
        towards = np.linalg.eigh(covariance.T @ covariance)[1][:, -1]
        weights = covariance @ towards
        weights /= np.linalg.norm(weights)
        scores = x @ weights
        square = scores @ scores
        loadings = y.T @ scores / square
        share = square * (loadings @ loadings)
        total += share * weights**2
        explained += share
        x -= np.outer(scores, x.T @ scores / square)
        y -= np.outer(scores, loadings)
    return np.sqrt(x.shape[1] * total / explained) if explained else total


def _standardised(values: NDArray[np.float64]) -> NDArray[np.float64]:
    centred = values - values.mean(axis=0)
    spread = centred.std(axis=0)
    varies = spread > CONSTANT * np.abs(values).max(axis=0)
    return np.where(varies, centred / np.where(varies, spread, 1.0), 0.0)
