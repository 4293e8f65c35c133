"""Attention whose inner width is that of its stream: channel i of the stream leaves with channel i of the heads.

The known classes view queries, keys and values as heads of `width / num_heads` channels and give the outcome the width
that came in, so neither can change alone. A unit is therefore one place in the heads: that channel of every head, in
queries, keys, values and the layer that reads them, and the stream's channels of the same numbers, one per head. All
layers of a stream share its units. Whole heads cannot leave: their number would have to change with a width that the
stream dictates, and `nn.MultiheadAttention` splits whatever width it meets among all its heads.

Attention of other classes stays whole: whether its scale follows its width cannot be seen in the operations.
"""

from dataclasses import dataclass

from torch import nn


@dataclass(frozen=True, slots=True, kw_only=True)
class Attention:
    """Where a module keeps its weights, and what happens to its scale."""

    name: str
    """Of the module; "" when it is the model."""
    weight: str
    """(3 x width, width): rows of all queries, then keys, then values."""
    bias: str
    """(3 x width,); the module may have none."""
    reader: str
    """(width, width): the layer that reads the heads."""
    follows_width: bool
    """Whether the forward pass divides by the root of the width of a head as it finds it."""

    def path(self, tensor: str) -> str:
        """Return the dotted name of one of the tensors in the model."""
        return f"{self.name}.{tensor}" if self.name else tensor


WEIGHTS = {
    "torch.nn.modules.activation.MultiheadAttention": ("in_proj_weight", "in_proj_bias", "out_proj.weight", True),
    "torchvision.models.swin_transformer.ShiftedWindowAttention": ("qkv.weight", "qkv.bias", "proj.weight", True),
    # Queries and keys are divided by their own norm, so the width of a head does not matter.
    "torchvision.models.swin_transformer.ShiftedWindowAttentionV2": ("qkv.weight", "qkv.bias", "proj.weight", False),
    # The scale is computed once, from the dense width.
    "torchvision.models.maxvit.RelativePositionalMultiHeadAttention": (
        *("to_qkv.weight", "to_qkv.bias", "merge.weight"),
        False,
    ),
}  # fmt: skip
"""Class, by its full name, to weight, bias, reader and whether the scale follows the width."""


def attention_of(name: str, module: nn.Module) -> Attention | None:
    """Return what is known about a module; None for all others, and where queries and keys read different widths."""
    kind = type(module)
    known = WEIGHTS.get(f"{kind.__module__}.{kind.__qualname__}")
    if known is None or (isinstance(module, nn.MultiheadAttention) and module.in_proj_weight is None):
        return None
    weight, bias, reader, follows_width = known
    return Attention(name=name, weight=weight, bias=bias, reader=reader, follows_width=follows_width)
