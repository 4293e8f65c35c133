"""Attention of known classes: which channels of its heads leave together, and what happens to its scale.

A unit is one place in the heads: that channel of every head, in queries, keys, values and the layer that reads them.
Most classes view queries, keys and values as heads of `width / num_heads` channels and give the outcome the width that
came in, so neither can change alone. There, channel i of the stream leaves with channel i of the heads, and all layers
of a stream share its units.

Whole heads cannot leave: their number would have to change with a width that the stream dictates, and
`nn.MultiheadAttention` splits whatever width it meets among all its heads. Attention of other classes stays whole:
whether its scale follows its width cannot be seen in the operations.
"""

from dataclasses import dataclass

from torch import nn


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """How the modules of a class attend."""

    weight: str
    """(3 x inner width, stream width): rows of all queries, then keys, then values."""
    bias: str
    """(3 x inner width,); a module may have none."""
    reader: str
    """(stream width, inner width): the layer that reads the heads."""
    is_tied: bool
    """Whether the inner width must be that of the stream."""
    follows_width: bool
    """Whether the forward pass divides by the root of the width of a head as it finds it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Attention:
    """One module."""

    name: str
    """Dotted; "" when it is the model."""
    kind: Kind

    def path(self, tensor: str) -> str:
        """Return the dotted name of one of its tensors in the model."""
        return f"{self.name}.{tensor}" if self.name else tensor


_QKV = ("qkv.weight", "qkv.bias", "proj.weight")


def _kind(weight: str, bias: str, reader: str, *, is_tied: bool, follows_width: bool) -> Kind:
    return Kind(weight=weight, bias=bias, reader=reader, is_tied=is_tied, follows_width=follows_width)


KINDS = {
    "torch.nn.modules.activation.MultiheadAttention": _kind(
        "in_proj_weight", "in_proj_bias", "out_proj.weight", is_tied=True, follows_width=True
    ),
    "torchvision.models.swin_transformer.ShiftedWindowAttention": _kind(*_QKV, is_tied=True, follows_width=True),
    # Queries and keys are divided by their own norm, so the width of a head does not matter.
    "torchvision.models.swin_transformer.ShiftedWindowAttentionV2": _kind(*_QKV, is_tied=True, follows_width=False),
    # The scale is computed once, from the dense width of the stream.
    "torchvision.models.maxvit.RelativePositionalMultiHeadAttention": _kind(
        "to_qkv.weight", "to_qkv.bias", "merge.weight", is_tied=True, follows_width=False
    ),
    # The scale is an attribute on one of its two ways, and set with the width of a head.
    "timm.layers.attention.Attention": _kind(*_QKV, is_tied=False, follows_width=True),
}
"""Full name of a class to what is known about it. Subclasses may do otherwise, and are not meant."""


def attention_of(name: str, module: nn.Module) -> Attention | None:
    """Return what is known about a module.

    None for all other classes; where queries and keys read different widths; and where queries are normalised, because
    a norm undoes what makes up for another scale.
    """
    kind = KINDS.get(f"{type(module).__module__}.{type(module).__qualname__}")
    if kind is None or (isinstance(module, nn.MultiheadAttention) and module.in_proj_weight is None):
        return None
    if not isinstance(module._modules.get("q_norm", nn.Identity()), nn.Identity):
        return None
    return Attention(name=name, kind=kind)
