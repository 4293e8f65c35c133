"""A slim network described by integers: which modules became `nn.Identity`, and which sizes changed.

The dense network of the same class, these integers and the weights are the slim network. Nothing is traced.
"""

from collections.abc import Mapping
from typing import Annotated

from pydantic import Field
from torch import Tensor, nn

from compressor.errors import LoadError
from compressor.load.fit import Difference, Shape, is_counter, replace_tensors

MAX_SIZE = 2**20
"""No width, number of classes or image side is larger."""

SIZES = frozenset(
    {
        "in_channels", "out_channels", "groups", "in_features", "out_features", "num_features", "num_channels",
        "num_groups", "normalized_shape", "num_heads", "n_heads", "head_dim", "embed_dim", "kdim", "vdim",
        "hidden_dim", "mlp_dim", "attn_dim", "seq_length", "before", "after",
    }
)  # fmt: skip
"""Attributes of modules that slimming may change. Nothing else is ever set from a file."""

PADDING = ("before", "after")
"""Zero channels of a shortcut. Only these may grow: when more channels were cut that come in than that go out."""

Value = Annotated[int, Field(strict=True, ge=0, le=MAX_SIZE)]
Values = Annotated[list[Value], Field(min_length=1, max_length=4)]
Manifest = dict[Annotated[str, Field(max_length=500)], dict[Annotated[str, Field(max_length=40)], Value | Values]]
"""Module name ("" is the network itself) -> attribute -> value."""

ADVICE = "write the slim checkpoint anew with compress prune"


def remove_blocks(model: nn.Module, names: tuple[str, ...]) -> None:
    """Replace the named modules by `nn.Identity`, in place.

    Raises:
        LoadError: there is no such module.
    """
    for name in names:
        parent, _, child = name.rpartition(".")
        try:
            holder = model.get_submodule(parent)
            present = holder._modules.get(child) if name else None
        except AttributeError:
            present = None
        if present is None:
            raise LoadError(f"the network has no block {name!r} to remove", advice=ADVICE)
        holder._modules[child] = nn.Identity()


def sizes_of(module: nn.Module) -> dict[str, int | list[int]]:
    """Return the listed integers of one module (not of its children)."""
    found: dict[str, int | list[int]] = {}
    for name in sorted(SIZES):
        value = vars(module).get(name)
        if isinstance(value, int) and not isinstance(value, bool):
            found[name] = value
        elif isinstance(value, tuple | list) and value and all(isinstance(item, int) for item in value):
            found[name] = [int(item) for item in value]
    return found


def manifest_of(model: nn.Module, reference: nn.Module) -> Manifest:
    """Return the integers in which `model` differs from `reference`, the dense network with its blocks removed.

    Raises:
        LoadError: the two differ in more than integers, so the model cannot be rebuilt from them.
    """
    ours, theirs = dict(model.named_modules()), dict(reference.named_modules())
    for name in [*ours, *theirs]:
        mine, other = ours.get(name), theirs.get(name)
        if type(mine) is not type(other):
            raise LoadError(
                f"the model is not its architecture with other sizes: {name or 'the network'} is "
                f"{type(mine).__name__ if mine else 'absent'}, not {type(other).__name__ if other else 'absent'}",
                advice="write the network as a factory and say --arch path/to/file.py:factory",
            )
    manifest: Manifest = {}
    for name, module in ours.items():
        before, after = sizes_of(theirs[name]), sizes_of(module)
        changed = {key: value for key, value in after.items() if before.get(key) != value}
        if changed:
            manifest[name] = changed
    return manifest


def set_sizes(model: nn.Module, manifest: Manifest) -> None:
    """Set the integers of a manifest, in place: listed attributes that the module has, to nothing larger than before.

    Raises:
        LoadError: an unknown module or attribute, or a value that it cannot take.
    """
    for name, changes in manifest.items():
        try:
            module = model.get_submodule(name)
        except AttributeError as error:
            raise LoadError(f"the network has no module {name!r}", advice=ADVICE) from error
        present = sizes_of(module)
        padding = 2 * sum(_largest(present.get(key, 0)) for key in PADDING)
        for key, value in changes.items():
            place = f"{name or 'the network'}.{key}"
            if key not in present:
                raise LoadError(f"{place} is not a size that may be set", advice=ADVICE)
            if isinstance(value, list) != isinstance(present[key], list):
                raise LoadError(f"{place} cannot be {value}", advice=ADVICE)
            low, high = (0, padding) if key in PADDING else (1, _largest(present[key]))
            if not low <= _smallest(value) <= _largest(value) <= high:
                raise LoadError(f"{place} cannot be {value}: it is {present[key]} before slimming", advice=ADVICE)
            if key == "head_dim" and isinstance(value, int):
                set_head_dim(module, value)
            else:
                setattr(module, key, tuple(value) if isinstance(value, list) else value)


def set_head_dim(module: nn.Module, width: int) -> None:
    """Set how wide the heads of attention are, in place, and its scale where the class took it from that width."""
    sizes = vars(module)
    scale = sizes.get("scale")
    if isinstance(scale, float) and scale == sizes["head_dim"] ** -0.5:
        sizes["scale"] = width**-0.5
    sizes["head_dim"] = width


def _largest(value: int | list[int]) -> int:
    return max(value) if isinstance(value, list) else value


def _smallest(value: int | list[int]) -> int:
    return min(value) if isinstance(value, list) else value


def reshape(dense: nn.Module, removed_blocks: tuple[str, ...], manifest: Manifest, shapes: Mapping[str, Shape]) -> None:
    """Turn a dense network into the slim one that is described, in place.

    Weights keep their leading entries, which only serve until the real ones are loaded.

    Args:
        dense: a network of the original class.
        removed_blocks: modules that become `nn.Identity`.
        manifest: integers to set.
        shapes: shape of every entry of the slim state dict.

    Raises:
        LoadError: names, integers and shapes do not go together, or something is larger than in the dense network.
    """
    remove_blocks(dense, removed_blocks)
    set_sizes(dense, manifest)
    _check_names(dense, shapes)

    def cut(module: nn.Module, name: str, tensor: Tensor) -> Tensor:
        if name not in shapes:
            return tensor
        dense_shape, shape = tuple(tensor.shape), shapes[name]
        _check_shape(name, dense_shape, shape, _shapes_by_integers(module).get(name.rpartition(".")[2]))
        return tensor if shape == dense_shape else tensor.detach()[tuple(slice(0, size) for size in shape)].clone()

    replace_tensors(dense, cut)


def _check_names(model: nn.Module, shapes: Mapping[str, Shape]) -> None:
    wanted = {name for name in model.state_dict() if not is_counter(name)}
    found = {name for name in shapes if not is_counter(name)}
    difference = Difference(missing=tuple(sorted(wanted - found)), unexpected=tuple(sorted(found - wanted)))
    if difference:
        raise LoadError(f"the weights do not fit the network: {difference.text()}", advice=ADVICE)


def _check_shape(path: str, dense: Shape, shape: Shape, determined: Shape | None) -> None:
    """Refuse a shape that contradicts the integers or that no slimming of the dense network gives."""
    if determined is not None and shape != determined:
        raise LoadError(f"{path} is {shape} in the file, its sizes say {determined}", advice=ADVICE)
    if len(shape) != len(dense) or any(size > most for size, most in zip(shape, dense, strict=True)):
        raise LoadError(f"{path} is {shape} in the file, at most {dense} in the network", advice=ADVICE)


def _shapes_by_integers(module: nn.Module) -> dict[str, Shape]:
    """Return the shapes of a layer's own weights as its integers say them; empty for layers without a rule."""
    weight: Shape | None = None
    bias: Shape | None = None
    match module:
        case nn.Conv1d() | nn.Conv2d() | nn.Conv3d():
            if module.in_channels % module.groups or module.out_channels % module.groups:
                raise LoadError(
                    f"{module.in_channels} -> {module.out_channels} channels do not divide into {module.groups} groups",
                    advice=ADVICE,
                )
            weight = (module.out_channels, module.in_channels // module.groups, *module.kernel_size)
            bias = (module.out_channels,)
        case nn.Linear():
            weight, bias = (module.out_features, module.in_features), (module.out_features,)
        case nn.BatchNorm1d() | nn.BatchNorm2d() | nn.BatchNorm3d():
            weight = bias = (module.num_features,)
        case nn.LayerNorm():
            weight = bias = tuple(module.normalized_shape)
        case nn.GroupNorm():
            weight = bias = (module.num_channels,)
        case nn.MultiheadAttention():
            if module.num_heads * module.head_dim != module.embed_dim:
                raise LoadError(
                    f"{module.num_heads} heads of {module.head_dim} channels are not {module.embed_dim}", advice=ADVICE
                )
            weight, bias = (3 * module.embed_dim, module.embed_dim), (3 * module.embed_dim,)
            return {"in_proj_weight": weight, "in_proj_bias": bias}
    if weight is None or bias is None:
        return {}
    return {"weight": weight, "bias": bias, "running_mean": bias, "running_var": bias}
