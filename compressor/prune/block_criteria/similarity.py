"""How unlike the features of two networks on the same images are: 0 where nothing changed, more where more did.

`dense` and `other` are (N, D) of the same images; all arithmetic is in float64.
"""

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

Labels = NDArray[np.int64]
Unlikeness = Callable[[Tensor, Tensor, Labels], float]


def linear_cka(dense: Tensor, other: Tensor) -> float:
    """Return the linear centred kernel alignment, in [0, 1]: 1 for features that are rotated, scaled or shifted.

    Source: Kornblith et al., arXiv 1905.00414.
    """
    return _alignment(*(centred @ centred.T for centred in (_centred(dense), _centred(other))))


def rbf_cka(dense: Tensor, other: Tensor) -> float:
    """Return the alignment of Gaussian kernels as wide as the median distance of two images, in [0, 1].

    Source: Kornblith et al., arXiv 1905.00414.
    """
    grams = []
    for features in (_centred(dense), _centred(other)):
        squares = torch.cdist(features, features).square()
        rows, columns = torch.triu_indices(len(features), len(features), offset=1)
        median = squares[rows, columns].median()
        gram = torch.exp(-squares / (2 * median)) if median > 0 else torch.ones_like(squares)
        gram = gram - gram.mean(dim=0, keepdim=True)
        grams.append(gram - gram.mean(dim=1, keepdim=True))
    return _alignment(*grams)


def without_linear_cka(dense: Tensor, other: Tensor, _: Labels) -> float:
    """Return 1 - linear CKA."""
    return 1 - linear_cka(dense, other)


def without_rbf_cka(dense: Tensor, other: Tensor, _: Labels) -> float:
    """Return 1 - CKA with a Gaussian kernel."""
    return 1 - rbf_cka(dense, other)


def rotation(dense: Tensor, other: Tensor, _: Labels) -> float:
    """Return 1 - the cosine between centred features after the best rotation, in [0, 1].

    Source: Williams et al., Generalized Shape Metrics on Neural Representations, arXiv 2110.14739. Differs: the cosine
    itself and not its angle, which is the same order.
    """
    one, two = _centred(dense), _centred(other)
    scale = one.norm() * two.norm()
    return float(1 - _nuclear(one, two) / scale) if scale > 0 else 1.0


def gaussian(dense: Tensor, other: Tensor, labels: Labels) -> float:
    """Return the 2-Wasserstein distance between Gaussians fitted to each class, root mean square over classes.

    Source: Duong et al., Representational dissimilarity metric spaces for stochastic neural networks, arXiv
    2211.11665, with alpha 1. Differs: features are not rotated onto each other; both are read by the same last layer.
    """
    total = []
    for label in np.unique(labels):
        mine = torch.from_numpy(labels == label)
        one, two = dense[mine].to(torch.float64), other[mine].to(torch.float64)
        means = (one.mean(dim=0) - two.mean(dim=0)).square().sum()
        one, two = _centred(one), _centred(two)
        spread = (one.square().sum() + two.square().sum() - 2 * _nuclear(one, two, per_image=True)) / len(one)
        total.append(float(means + spread.clamp(min=0)))
    return float(np.sqrt(np.mean(total)))


def wasserstein(dense: Tensor, other: Tensor, _: Labels) -> float:
    """Return the distance between the distributions of all numbers: the mean difference when both are sorted."""
    one, two = (features.to(torch.float64).flatten().sort().values for features in (dense, other))
    return float((one - two).abs().mean())


def _centred(features: Tensor) -> Tensor:
    return features.to(torch.float64) - features.to(torch.float64).mean(dim=0)


def _alignment(one: Tensor, other: Tensor) -> float:
    scale = one.norm() * other.norm()
    return float((one * other).sum() / scale) if scale > 0 else 0.0


def _nuclear(one: Tensor, two: Tensor, *, per_image: bool = False) -> Tensor:
    """Return the sum of the singular values of one.T @ two, or of one @ two.T, over the small side of the features."""
    if not per_image:
        # one.T = Q R, so the singular values of one.T @ two are those of R @ R.T: at most as many as there are images.
        one, two = (torch.linalg.qr(features.T, mode="r").R for features in (one, two))
    singular: Tensor = torch.linalg.svdvals(one @ two.T)
    return singular.sum()


MEASURES: tuple[Unlikeness, ...] = (without_linear_cka, without_rbf_cka, rotation, gaussian, wasserstein)
"""Those that `consensus` asks."""
