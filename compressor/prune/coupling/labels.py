"""Names for channels, and the facts collected about them: these two leave together, this one stays."""

from itertools import chain

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from torch import Tensor, nn

Channels = NDArray[np.int64]
"""(n,) int64: one label per channel of an axis."""

STAYS = 0
"""The label of every channel that can never leave."""


class Labels:
    """Hands out labels for the channels of parameters, buffers and zero padding, and collects what ties them."""

    def __init__(self, model: nn.Module) -> None:
        self.owned: dict[tuple[str, int], Channels] = {}
        """(tensor, axis) to its labels."""
        self.pads: dict[str, Channels] = {}
        """PadShortcut to the labels of its zero channels, those before first."""
        self.fixed: list[tuple[Channels, str]] = []
        """Labels that stay, and why; the first reason counts."""
        self.is_plain = True
        """False once channels of one axis depend on each other (groups, shuffles, splits) or on zeros in the code."""
        self.has_bare_norms = False
        """Whether a norm over labelled channels has no parameter as its scale."""
        self._names: dict[int, str] = {}
        for name, tensor in chain(model.named_parameters(), model.named_buffers()):
            self._names.setdefault(id(tensor), name)
        self._model = model
        self._num = 1
        self._edges: list[tuple[Channels, Channels]] = []

    def name_of(self, tensor: Tensor) -> str | None:
        """Return the dotted name of a parameter or buffer, None for any other tensor."""
        return self._names.get(id(tensor))

    def width(self, name: str, dim: int) -> int:
        """Return how many channels an axis of a parameter has."""
        return self._model.get_parameter(name).shape[dim]

    def of(self, name: str, tensor: Tensor, dim: int) -> Channels | None:
        """Return the labels of an axis of a parameter or buffer; None for a single channel, which never leaves."""
        size = tensor.shape[dim]
        if size == 1:
            return None
        if (name, dim) not in self.owned:
            self.owned[name, dim] = self.fresh(size)
        return self.owned[name, dim]

    def of_pad(self, name: str, num_zeros: int) -> Channels:
        """Return the labels of the zero channels of a PadShortcut."""
        if name not in self.pads:
            self.pads[name] = self.fresh(num_zeros)
        return self.pads[name]

    def unite(self, one: Channels, other: Channels) -> None:
        """Say that channels leave together, pair by pair."""
        if one is not other:
            self._edges.append((one.ravel(), other.ravel()))

    def tie(self, one: Channels, other: Channels) -> None:
        """Say that channels of one axis leave together, pair by pair."""
        self.is_plain = False
        self.unite(one, other)

    def fix(self, channels: Channels | None, reason: str) -> None:
        """Say that channels stay."""
        if channels is not None:
            self.fixed.append((channels.ravel(), reason))

    def meet(self, one: Channels | None, other: Channels | None, reason: str) -> Channels | None:
        """Two axes are matched channel by channel: both leave together, or stay if one of them has no labels."""
        if one is None or other is None:
            self.fix(one, reason)
            self.fix(other, reason)
            return None
        self.unite(one, other)
        return one

    def classes(self) -> Channels:
        """Return, for each label, the smallest label of those that leave together with it."""
        left = np.concatenate([one for one, _ in self._edges] or [np.zeros(0, np.int64)])
        right = np.concatenate([other for _, other in self._edges] or [np.zeros(0, np.int64)])
        links = coo_array((np.ones(len(left), np.int8), (left, right)), shape=(self._num, self._num))
        num_classes, found = connected_components(links, directed=False)
        smallest = np.full(num_classes, self._num, dtype=np.int64)
        np.minimum.at(smallest, found, np.arange(self._num))
        classes: Channels = smallest[found]
        return classes

    def fresh(self, num: int) -> Channels:
        """Return labels that nothing has yet."""
        self._num += num
        return np.arange(self._num - num, self._num, dtype=np.int64)
