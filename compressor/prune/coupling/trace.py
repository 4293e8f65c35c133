"""Our own source of coupling: run the forward pass on shapes and follow labels through every operation."""

from collections.abc import Sequence
from typing import Any

from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode

from compressor.load.cifar_resnet import PadShortcut
from compressor.prune.coupling.attention import Attention, attention_of
from compressor.prune.coupling.graph import Product
from compressor.prune.coupling.labels import Labels
from compressor.prune.coupling.rules import follow
from compressor.prune.coupling.trail import Trail
from compressor.prune.skeleton import run_skeleton, tensors_in

HEAD = "gives the model's answers"


class _Watch(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """While active, sees each operation after it ran and lets its rule tell what the labels did."""

    def __init__(self, trail: Trail) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._trail = trail

    def __torch_dispatch__(
        self, func: Any, types: Sequence[type], args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        output = func(*args, **(kwargs or {}))
        follow(self._trail, func, args, kwargs or {}, output)
        return output


def trace(model: nn.Module, input_shape: tuple[int, int, int]) -> tuple[Labels, dict[str, Product]]:
    """Follow a skeleton's forward pass in eval mode, and in train mode too where that reaches more layers.

    Args:
        model: from `skeleton`.
        input_shape: (C, H, W).

    Returns:
        What is tied and what stays, and the weights that are multiplied with activations, in the order of the model.
    """
    trail = Trail(Labels(model))
    hooks = [hook for name, module in model.named_modules() for hook in _watch_pads(trail, name, module)]
    for name, module in model.named_modules():
        attention = attention_of(name, module)
        if attention is not None:
            hooks += _watch_attention(trail, attention, module)
    try:
        _run(trail, model, input_shape, train=False)
        weights = [name for name, tensor in model.named_parameters() if tensor.ndim > 1]
        if any(name not in trail.products for name in weights):
            trail.is_counting = False
            _run(trail, model, input_shape, train=True)
    finally:
        for hook in hooks:
            hook.remove()
    order = {name: number for number, (name, _) in enumerate(model.named_parameters())}
    return trail.labels, dict(sorted(trail.products.items(), key=lambda item: order[item[0]]))


def _run(trail: Trail, model: nn.Module, input_shape: tuple[int, int, int], *, train: bool) -> None:
    # Batch normalisation over a single value is refused in train mode, hence two images there.
    answers = tensors_in(run_skeleton(model, input_shape, batch=2 if train else 1, train=train, watch=_Watch(trail)))
    for answer in answers:
        for channels in trail.dims(answer):
            trail.labels.fix(channels, HEAD)


def _watch_pads(trail: Trail, name: str, module: nn.Module) -> list[Any]:
    """Tell the trail while a PadShortcut runs: its zero channels can leave, others are written into the code."""
    if not isinstance(module, PadShortcut):
        return []

    def enter(*_: Any) -> None:
        trail.pad_shortcut = name

    def leave(*_: Any) -> None:
        trail.pad_shortcut = None

    return [module.register_forward_pre_hook(enter), module.register_forward_hook(leave)]


def _watch_attention(trail: Trail, attention: Attention, module: nn.Module) -> list[Any]:
    """Tie the stream to the heads, channel by channel, and tell the trail while the attention runs."""
    name = attention.path(attention.kind.weight)
    weight = module.get_parameter(attention.kind.weight)
    made, read = trail.labels.of(name, weight, 0), trail.labels.of(name, weight, 1)
    if attention.kind.is_tied and made is not None and read is not None:
        trail.labels.tie(made[: len(read)], read)

    def enter(*_: Any) -> None:
        trail.attention = attention

    def leave(*_: Any) -> None:
        trail.attention = None

    return [module.register_forward_pre_hook(enter), module.register_forward_hook(leave)]
