"""What attacks climb: losses that are larger the nearer an image is to a wrong answer.

Each takes logits (n, K), labels (n,) and, where it is targeted, the target classes (n,), and returns (n,) values.
"""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

Loss = Callable[..., Tensor]
"""(logits, labels[, targets]) -> (n,)"""


def cross_entropy(logits: Tensor, labels: Tensor) -> Tensor:
    """Return the cross-entropy. Its gradient vanishes where the answer is very confident."""
    return F.cross_entropy(logits, labels, reduction="none")


def margin(logits: Tensor, labels: Tensor) -> Tensor:
    """Return the best wrong logit minus the right one: above zero means broken."""
    return _best_wrong(logits, labels) - _of(logits, labels)


def probability_margin(logits: Tensor, labels: Tensor) -> Tensor:
    """Return the best wrong probability minus the right one, in [-1, 1].

    Source: Probability Margin Attack, arXiv 2411.15210.
    """
    return margin(logits.softmax(1), labels)


def dlr(logits: Tensor, labels: Tensor) -> Tensor:
    """Return the difference of logits ratio, which does not change when logits are scaled or shifted.

    Needs three classes. Source: arXiv 2003.01690, equation 4.
    """
    ordered = logits.sort(dim=1).values
    return margin(logits, labels) / (ordered[:, -1] - ordered[:, -3] + 1e-12)


def targeted_dlr(logits: Tensor, labels: Tensor, targets: Tensor) -> Tensor:
    """Return the targeted difference of logits ratio.

    Needs four classes. Source: arXiv 2003.01690, equation 5.
    """
    ordered = logits.sort(dim=1).values
    spread = ordered[:, -1] - 0.5 * (ordered[:, -3] + ordered[:, -4]) + 1e-12
    return difference(logits, labels, targets) / spread


def difference(logits: Tensor, labels: Tensor, targets: Tensor) -> Tensor:
    """Return the target's logit minus the right one."""
    return _of(logits, targets) - _of(logits, labels)


UNTARGETED: dict[str, Loss] = {
    "ce": cross_entropy,
    "dlr": dlr,
    "margin": margin,
    "probability-margin": probability_margin,
}
"""Losses by the name that settings use."""

CLASSES_NEEDED = {"dlr": 3}
"""Below this many classes a loss is not defined; the others need two."""


def likeliest_wrong(logits: Tensor, labels: Tensor, num: int) -> Tensor:
    """Return the `num` wrong classes with the largest logits, largest first: (n, num) int64."""
    hidden = logits.clone()
    hidden.scatter_(1, labels.unsqueeze(1), -torch.inf)
    return hidden.sort(dim=1, descending=True, stable=True).indices[:, :num]


def _of(values: Tensor, classes: Tensor) -> Tensor:
    return values.gather(1, classes.unsqueeze(1)).squeeze(1)


def _best_wrong(values: Tensor, labels: Tensor) -> Tensor:
    own = torch.zeros_like(values, dtype=torch.bool).scatter_(1, labels.unsqueeze(1), True)  # noqa: FBT003 - torch's
    return values.masked_fill(own, -torch.inf).amax(1)
