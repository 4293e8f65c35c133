"""What size of image a network takes, found by asking it."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from compressor.errors import LoadError

USUAL_CHANNELS = (3, 1)
MOST_CHANNELS = 8
"""Numbers of image channels that are tried."""

USUAL_SIDES = (32, 224, 28, 64, 96, 128, 16, 8)
"""Sides that are tried where nobody knows, likeliest first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Probed:
    """What a network takes and answers."""

    shape: tuple[int, int, int]
    """(C, H, W) of one image."""
    known: bool
    """False when it takes several sizes and nobody said which."""
    num_classes: int


def probe(model: nn.Module, *, size: tuple[int, int] | None) -> Probed:
    """Find the input shape and the number of classes of a network in eval mode.

    Args:
        model: on the CPU.
        size: height and width, where somebody said them.

    Raises:
        LoadError: it takes no image of that size or of any usual one, or does not answer logits.
    """
    sizes = [size] if size else [(side, side) for side in USUAL_SIDES]
    taken: list[Probed] = []
    error: LoadError | None = None
    for each in sizes:
        for channels in _channels(model):
            try:
                logits = ask(model, (channels, *each))
            except LoadError as refusal:
                error = error or refusal
                continue
            taken.append(Probed(shape=(channels, *each), known=True, num_classes=logits.shape[1]))
            break
        if len(taken) > 1:
            return Probed(shape=taken[0].shape, known=False, num_classes=taken[0].num_classes)
    if taken:
        return taken[0]
    assert error is not None
    if size:
        raise error
    raise LoadError(f"the model takes no image of a usual size: {error.message}", advice="say --input-size HxW")


def ask(model: nn.Module, shape: tuple[int, int, int], *, seed: int | None = None) -> Tensor:
    """Return the logits (2, K) of two images: black ones, or noise drawn with `seed`.

    Raises:
        LoadError: the forward pass fails, or does not answer logits.
    """
    size = "x".join(map(str, shape))
    try:
        images = torch.zeros(2, *shape)
        if seed is not None:
            images.normal_(generator=torch.Generator().manual_seed(seed))
        with torch.inference_mode():
            logits = model(images)
    except Exception as error:
        first = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise LoadError(
            f"the model does not take images of {size} (channels, height, width): {first}",
            advice="say --input-size HxW as it was trained, and check --arch",
        ) from error
    if not isinstance(logits, Tensor) or logits.ndim != 2 or len(logits) != 2:
        what = f"shape {tuple(logits.shape)}" if isinstance(logits, Tensor) else f"a {type(logits).__name__}"
        raise LoadError(
            f"the model answers two images of {size} with {what}, not with logits (2, number of classes)",
            advice="give a classifier, or wrap it so that it answers logits (N, K)",
        )
    return logits


def _channels(model: nn.Module) -> tuple[int, ...]:
    """Return how many image channels to try: of the first layer, what is usual, and of the others.

    Layers stand in the order in which they were made, which need not be that in which they run.
    """
    layers = [layer for layer in model.modules() if isinstance(layer, nn.Conv2d | nn.Linear)]
    convolutions = [layer.in_channels for layer in layers if isinstance(layer, nn.Conv2d)]
    first = convolutions[:1] if layers and isinstance(layers[0], nn.Conv2d) else []
    return tuple(dict.fromkeys([*first, *USUAL_CHANNELS, *convolutions]))[:MOST_CHANNELS]
