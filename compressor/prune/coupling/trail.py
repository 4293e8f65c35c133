"""Where the labels are while a forward pass runs."""

from collections import defaultdict
from collections.abc import Sequence

from torch import Tensor
from torch.utils.weak import WeakTensorKeyDictionary

from compressor.prune.coupling.attention import Attention
from compressor.prune.coupling.graph import Product
from compressor.prune.coupling.labels import Channels, Labels

Dims = tuple[Channels | None, ...]
"""For each axis of a tensor, the labels of its channels; None for axes that are not channels (batch, space, tokens)."""


class Trail:
    """Labels of the tensors that exist right now, and the weights that were multiplied so far."""

    def __init__(self, labels: Labels) -> None:
        self.labels = labels
        self.products: dict[str, Product] = {}
        self.is_counting = True
        """Whether positions are added up: once, in eval mode, for one image."""
        self.pad_shortcut: str | None = None
        """The PadShortcut that is running."""
        self.attention: Attention | None = None
        """The attention of a known class that is running."""
        self.attended: dict[str, int] = defaultdict(int)
        """Reader of attention to `Product.attended`."""
        self._dims: WeakTensorKeyDictionary = WeakTensorKeyDictionary()
        self._weights: WeakTensorKeyDictionary = WeakTensorKeyDictionary()

    def dims(self, tensor: Tensor) -> Dims:
        """Return the labels of a tensor's axes."""
        if tensor in self._dims:
            known: Dims = self._dims[tensor]
            return known
        name = self.labels.name_of(tensor)
        if name is None:
            return (None,) * tensor.ndim
        return tuple(self.labels.of(name, tensor, dim) for dim in range(tensor.ndim))

    def put(self, tensor: Tensor, dims: Sequence[Channels | None]) -> None:
        """Remember the labels of a new tensor; single channels have none."""
        assert len(dims) == tensor.ndim
        self._dims[tensor] = tuple(
            channels if size > 1 else None for channels, size in zip(dims, tensor.shape, strict=True)
        )

    def weight(self, tensor: Tensor) -> tuple[str, tuple[int, ...]] | None:
        """Return (name, axes) where a tensor is a parameter with its axes in that order, else None."""
        name = self.labels.name_of(tensor)
        if name is not None:
            return name, tuple(range(tensor.ndim))
        if tensor not in self._weights:
            return None
        found: tuple[str, tuple[int, ...]] = self._weights[tensor]
        return found

    def put_weight(self, tensor: Tensor, name: str, axes: Sequence[int]) -> None:
        """Remember that a tensor is a transposed parameter."""
        self._weights[tensor] = (name, tuple(axes))

    def multiply(self, name: str, *, out_dim: int, in_dim: int | None, positions: int) -> None:
        """Note that a weight was multiplied with activations."""
        before = self.products[name].positions if name in self.products else 0
        self.products[name] = Product(
            tensor=name,
            out_dim=out_dim,
            in_dim=in_dim,
            positions=before + (positions if self.is_counting else 0),
            attended=self.attended.get(name, 0),
        )

    def attend(self, *, macs: int) -> None:
        """Note that two activations were multiplied inside attention, before its reader runs."""
        assert self.attention is not None
        reader = self.attention.path(self.attention.kind.reader)
        if self.is_counting:
            self.attended[reader] += macs // self.labels.width(reader, 1)
