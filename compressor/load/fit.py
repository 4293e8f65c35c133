"""Weights into a network: find the prefix under which the names fit, name what does not, load strictly."""

import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from compressor.errors import LoadError

Weights = Mapping[str, Tensor]
Shape = tuple[int, ...]

COUNTERS = ("num_batches_tracked", "total_ops", "total_params")
"""Last part of names that carry no weight: files of old torch lack the first, profilers leave the others behind."""

USABLE_FLOATS = (torch.float32, torch.float64, torch.float16, torch.bfloat16)
"""Types that weights are stored in; eight-bit floats need scales that a state dict lacks."""
INTEGERS = (torch.int64, torch.int32, torch.int16, torch.int8, torch.uint8, torch.bool)
"""Types of buffers that count or point, such as the relative positions of swin."""

PLAIN_PREFIXES = ("module.", "model.", "net.", "network.", "backbone.", "encoder.", "student.")
"""Where the network proper is when several parts of a file would fit (an average or a teacher beside it)."""

MEASURES = re.compile(r"loss|criterion|metric|confusion|confmat|(^|_)(acc|accuracy|auroc|f1)($|_)", re.IGNORECASE)
"""First part of the names of losses and metrics, which may hold matrices and are no layers."""

RENAMED = (
    (re.compile(r"(^|\.)_orig_mod(?=\.)"), ""),  # torch.compile
    (re.compile(r"(denselayer\d+\.(?:norm|conv))\.([12]\.)"), r"\1\2"),  # torchvision's published DenseNets
    (re.compile(r"(mlp)\.linear_1\."), r"\1.0."),  # torchvision's published vision transformers
    (re.compile(r"(mlp)\.linear_2\."), r"\1.3."),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """How the names and shapes of a file differ from those of a network."""

    missing: tuple[str, ...] = ()
    """In the network, not in the file."""
    unexpected: tuple[str, ...] = ()
    """In the file, not in the network."""
    reshaped: tuple[tuple[str, Shape, Shape], ...] = ()
    """Name, shape in the file, shape in the network."""

    def __bool__(self) -> bool:
        return bool(self.missing or self.unexpected or self.reshaped)

    def text(self) -> str:
        """Name the first of each kind, for a person."""
        parts = []
        if self.missing:
            parts.append(f"the file lacks {_first(self.missing)}")
        if self.unexpected:
            parts.append(f"the network lacks {_first(self.unexpected)}")
        if self.reshaped:
            name, found, wanted = self.reshaped[0]
            parts.append(f"{name} is {found} in the file, {wanted} in the network{_more(self.reshaped)}")
        return "; ".join(parts)


@dataclass(frozen=True, slots=True, kw_only=True)
class Fitted:
    """The part of a file that belongs to a network."""

    weights: Weights
    """Named as the network names them."""
    prefix: str
    """What was stripped, with its dot; mostly empty."""
    left_over: tuple[str, ...]
    """Names in the file that belong to nothing in the network."""

    def notes(self) -> tuple[str, ...]:
        """Return what a person should know, one sentence each."""
        found = [f"names begin with {self.prefix!r}, which was stripped"] if self.prefix else []
        if self.left_over:
            found.append(f"not part of the network, left out: {_first(self.left_over, 5)}")
        return tuple(found)


def modern_names(weights: Weights) -> dict[str, Tensor]:
    """Return the weights under the names that today's classes use.

    Raises:
        LoadError: two of them would have one name.
    """
    stored_as: dict[str, str] = {}
    for name in weights:
        today = name
        for pattern, replacement in RENAMED:
            today = pattern.sub(replacement, today)
        today = today.removeprefix(".")
        if today in stored_as:
            raise LoadError(
                f"the file holds {today} twice: as {stored_as[today]} and as {name}",
                advice="save one of both as its own state dict",
            )
        stored_as[today] = name
    return {today: weights[name] for today, name in stored_as.items()}


def is_counter(name: str) -> bool:
    """Say whether a name carries no weight, so that it may be absent."""
    return name.rpartition(".")[2] in COUNTERS


def shapes_of(model: nn.Module) -> dict[str, Shape]:
    """Return the shape of every entry of the state dict, without counters."""
    return {name: tuple(tensor.shape) for name, tensor in _tensors_of(model).items() if not is_counter(name)}


def find_prefix(names: Iterable[str], wanted: Iterable[str]) -> str:
    """Return what stands before the wanted names in a file: the prefix under which most of them are found.

    Raises:
        LoadError: several parts of the file hold all wanted names, and none is plainly the network.
    """
    targets = {name for name in wanted if not is_counter(name)}
    counts: Counter[str] = Counter({"": 0})
    for name in names:
        parts = name.split(".")
        for start in range(len(parts)):
            if ".".join(parts[start:]) in targets:
                counts["".join(f"{part}." for part in parts[:start])] += 1
    best = max(counts.values())
    fitting = [prefix for prefix, count in counts.items() if count == best]
    if len(fitting) == 1 or best < len(targets):
        return fitting[0]
    plain = [prefix for prefix in ("", *PLAIN_PREFIXES) if prefix in fitting]
    if not plain:
        raise LoadError(
            f"several parts of the file fit: {', '.join(sorted(fitting))}",
            advice="save the part that you mean as its own state dict",
        )
    return plain[0]


def fit(weights: Weights, wanted: Mapping[str, Shape]) -> tuple[Fitted, Difference]:
    """Take the part of a file that belongs to a network, and say how it differs.

    Args:
        weights: everything in the file.
        wanted: name -> shape in the network, without counters.

    Returns:
        The part that fits by name, and the differences that forbid to load it.

    Raises:
        LoadError: several parts of the file fit.
    """
    prefix = find_prefix(weights, wanted)
    inside = {name[len(prefix) :]: tensor for name, tensor in weights.items() if name.startswith(prefix)}
    children = {name.partition(".")[0] for name in wanted}
    left_over = [name for name in weights if not name.startswith(prefix)]
    unexpected, kept = [], {}
    for name, tensor in inside.items():
        if name in wanted or name.endswith("num_batches_tracked"):
            kept[name] = tensor
        elif is_counter(name) or (name.partition(".")[0] not in children and not _is_layer_weight(name, tensor)):
            left_over.append(prefix + name)
        else:
            unexpected.append(name)
    reshaped = [
        (name, tuple(kept[name].shape), shape)
        for name, shape in wanted.items()
        if name in kept and tuple(kept[name].shape) != shape
    ]
    missing = tuple(name for name in wanted if name not in kept)
    difference = Difference(missing=missing, unexpected=tuple(unexpected), reshaped=tuple(reshaped))
    return Fitted(weights=kept, prefix=prefix, left_over=tuple(left_over)), difference


def load_strictly(model: nn.Module, weights: Weights) -> None:
    """Copy weights into a network whose names and shapes they have, in place; counters may be absent.

    Weights without memory (on the meta device) get theirs here.

    Raises:
        LoadError: a tensor is of another kind, or holds values that are not numbers.
    """
    for name, target in _tensors_of(model).items():
        tensor = weights.get(name)
        if tensor is None or (is_counter(name) and not tensor.is_complex()):
            continue
        if tensor.dtype not in (USABLE_FLOATS if target.is_floating_point() else INTEGERS):
            raise LoadError(
                f"{name} is stored as {tensor.dtype}, the network has {target.dtype}",
                advice="give a checkpoint in floating point; quantised weights cannot be pruned",
            )
        if tensor.is_floating_point() and not bool(torch.isfinite(tensor).all()):
            raise LoadError(f"{name} holds infinite values or NaN", advice="give a checkpoint whose training converged")
    replace_tensors(model, lambda _, __, each: torch.empty(each.shape, dtype=each.dtype) if each.is_meta else each)
    with torch.no_grad():
        for name, target in _tensors_of(model).items():
            if name not in weights and not is_counter(name):
                raise LoadError(f"the weights do not fit the network: the file lacks {name}", advice="check --arch")
            stored = weights[name] if name in weights else torch.zeros_like(target)
            if is_counter(name) and stored.numel() == 1:
                stored = stored.reshape(target.shape)  # some scripts store it as a float, or as a list of one
            if stored.shape != target.shape:
                shapes = f"{tuple(stored.shape)} in the file, {tuple(target.shape)} in the network"
                raise LoadError(f"the weights do not fit the network: {name} is {shapes}", advice="check --arch")
            target.copy_(stored)


def _tensors_of(model: nn.Module) -> dict[str, Tensor]:
    """Return the state dict without what modules add to it that is no tensor."""
    return {name: value for name, value in model.state_dict().items() if isinstance(value, Tensor)}


def replace_tensors(model: nn.Module, change: Callable[[nn.Module, str, Tensor], Tensor]) -> None:
    """Replace parameters and buffers, in place; parameters that were shared stay shared.

    Args:
        model: the network.
        change: module, full name, tensor -> the tensor to put there (the same one: leave it).
    """
    done: dict[int, tuple[Tensor, Tensor]] = {}  # the old ones are kept alive, so that no id is used twice
    for name, module in model.named_modules():
        for table in (module._parameters, module._buffers):
            for key, tensor in table.items():
                if tensor is None:
                    continue
                if id(tensor) not in done:
                    new = change(module, f"{name}.{key}" if name else key, tensor)
                    if isinstance(tensor, nn.Parameter) and new is not tensor:
                        new = nn.Parameter(new.detach(), requires_grad=tensor.requires_grad)
                    done[id(tensor)] = (tensor, new)
                table[key] = done[id(tensor)][1]


def _is_layer_weight(name: str, tensor: Tensor) -> bool:
    """Say whether dropping this tensor would drop a layer; class weights of a loss and counts of a metric do not."""
    return tensor.is_floating_point() and tensor.ndim >= 2 and not MEASURES.search(name.partition(".")[0])


def _first(names: tuple[str, ...], num: int = 1) -> str:
    return ", ".join(names[:num]) + _more(names, num)


def _more(items: tuple[object, ...], num: int = 1) -> str:
    return f" (and {len(items) - num} more)" if len(items) > num else ""
