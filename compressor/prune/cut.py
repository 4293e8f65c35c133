"""Change a model in place: channels leave its tensors, blocks become the identity."""

import math
from collections.abc import Iterable, Mapping, Sequence

import torch
from torch import Tensor, nn

from compressor.load.cifar_resnet import PadShortcut
from compressor.load.manifest import set_head_dim
from compressor.prune.cost import CONVOLUTIONS
from compressor.prune.coupling import CouplingGraph, Kind, attention_of


def cut_units(model: nn.Module, graph: CouplingGraph, leaving: Mapping[str, Sequence[int]]) -> None:
    """Take units out of every tensor they live in, and correct the integers of the modules.

    Args:
        model: changed in place; its tensors are replaced, never written to.
        graph: of this model.
        leaving: group name to the units that leave.
    """
    gone = graph.channels(leaving)
    tensors: dict[str, Tensor] = {**dict(model.named_parameters()), **dict(model.named_buffers())}
    for name in gone.keys() - tensors.keys():
        _narrow_pad(model.get_submodule(name), gone[name][0])
    _replace(model, {id(tensors[name]): _narrow(tensors[name], gone[name]) for name in gone.keys() & tensors.keys()})
    for name, module in model.named_modules():
        attention = attention_of(name, module)
        weight = attention.path(attention.kind.weight) if attention is not None else ""
        if attention is not None and weight in gone:
            _correct_attention(module, attention.kind, len(tensors[weight]) // 3)


def remove_blocks(model: nn.Module, names: Iterable[str]) -> None:
    """Replace modules by the identity, in place; the names of all others stay."""
    for name in names:
        parent, _, child = name.rpartition(".")
        setattr(model.get_submodule(parent), child, nn.Identity())


def _replace(model: nn.Module, replaced: Mapping[int, Tensor]) -> None:
    """Put new tensors where the old ones of these ids are; what was shared stays shared."""
    for module in model.modules():
        changed = False
        for store in (module._parameters, module._buffers):
            for key, tensor in store.items():
                if tensor is not None and id(tensor) in replaced:
                    store[key] = replaced[id(tensor)]  # type: ignore[assignment]
                    changed = True
        if changed:
            _correct(module)


def _narrow(tensor: Tensor, dims: Mapping[int, set[int]]) -> Tensor:
    """Return a new tensor without the given channels, with its own memory."""
    left = tensor.detach()
    for dim, channels in dims.items():
        kept = [channel for channel in range(tensor.shape[dim]) if channel not in channels]
        left = left.index_select(dim, torch.tensor(kept, dtype=torch.int64, device=left.device))
    return nn.Parameter(left, requires_grad=tensor.requires_grad) if isinstance(tensor, nn.Parameter) else left


def _narrow_pad(module: nn.Module, zeros: set[int]) -> None:
    assert isinstance(module, PadShortcut)
    in_front = sum(channel < module.before for channel in zeros)
    module.before, module.after = module.before - in_front, module.after - (len(zeros) - in_front)


def _correct(module: nn.Module) -> None:
    """Make the integers of a module say what its tensors are."""
    weight = module._parameters.get("weight")
    if isinstance(module, CONVOLUTIONS):
        assert weight is not None
        _correct_convolution(module, weight)
    elif isinstance(module, nn.Linear):
        assert weight is not None
        module.out_features, module.in_features = weight.shape
    elif isinstance(module, nn.modules.batchnorm._NormBase):
        per_channel = [tensor for tensor in (weight, module._buffers.get("running_mean")) if tensor is not None]
        module.num_features = per_channel[0].shape[0]
    elif isinstance(module, nn.LayerNorm):
        assert weight is not None
        module.normalized_shape = tuple(weight.shape)
    elif isinstance(module, nn.GroupNorm):
        assert weight is not None
        module.num_channels = weight.shape[0]
    elif isinstance(module, nn.PReLU):
        assert weight is not None
        module.num_parameters = weight.shape[0]
    elif "class_token" in module._parameters and "hidden_dim" in vars(module):
        # torchvision's VisionTransformer views its patches by this number.
        vars(module)["hidden_dim"] = module.get_parameter("class_token").shape[-1]


def _correct_convolution(module: nn.modules.conv._ConvNd, weight: Tensor) -> None:
    if module.transposed:
        # Grouped transposed convolutions are never cut.
        module.in_channels, module.out_channels = weight.shape[:2]
        return
    # Whole groups leave, so each keeps its number of filters.
    filters_of_group = module.out_channels // module.groups
    module.out_channels = weight.shape[0]
    module.groups = weight.shape[0] // filters_of_group if module.groups > 1 else 1
    module.in_channels = weight.shape[1] * module.groups


def _correct_attention(module: nn.Module, kind: Kind, dense_width: int) -> None:
    """Make the integers say how wide heads and stream are, and let the queries make up for another scale."""
    width = len(module.get_parameter(kind.weight)) // 3
    sizes = vars(module)
    if isinstance(module, nn.MultiheadAttention):
        module.embed_dim = module.kdim = module.vdim = width
    if "attn_dim" in sizes:
        sizes["attn_dim"] = width
    if "head_dim" in sizes:
        set_head_dim(module, width // int(sizes["num_heads"] if "num_heads" in sizes else sizes["n_heads"]))
    if kind.follows_width:
        # Logits are divided by the root of the narrower head: smaller queries keep them as they were.
        factor = math.sqrt(width / dense_width)
        with torch.no_grad():
            for name, tensor in module.named_parameters():
                if name in (kind.weight, kind.bias):
                    tensor[:width] *= factor
