"""Units whose absence would change the class distribution least leave first.

A unit is masked by zeroing its map behind the normalisation of each layer that makes it; the score is the mean
Kullback-Leibler divergence of the masked class distribution from the dense one.

Source: Luo and Wu, Neural Network Pruning with Residual-Connections and Limited-Data (CURL), arXiv 1911.08114, the
criterion "KL-divergence" of Jordao and Pedrini, arXiv 2108.04890. Differs: the paper runs the network once for each
unit, 256 images each: on a CPU more than half an hour for resnet56, days for resnet50. Here the logits without a unit
are extrapolated along their gradient in the map, for all units at once, and the divergence is that of the extrapolated
logits: exact where the network behind the unit is linear and does not lead back to it, first order elsewhere (a way
that passes a residual unit twice counts twice). Only the ten likeliest classes of each image move.
Complexity: min(K, 10) backward passes for each of 128 images, however many units there are.
"""

from collections.abc import Iterable, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from compressor.evaluate import chunk_size
from compressor.prune.coupling import Group
from compressor.prune.criteria.contract import Material, Scores, look_at
from compressor.prune.criteria.maps import Stage, Trail, Watch
from compressor.prune.criteria.passes import at_rest
from compressor.types import Skipped

NUM_IMAGES = 128
NUM_CLASSES = 10


def score(groups: Sequence[Group], material: Material) -> tuple[Scores | Skipped, ...]:
    """Return the mean divergence on 128 training images that masking each unit would cause, to first order.

    Raises:
        PruneError: there are no training images, or no normalisation is known.
    """
    classifier, images = look_at(material, "kl", num_images=NUM_IMAGES)
    totals: list[Scores | None] = [np.zeros(group.num_units) for group in groups]
    size = chunk_size(images.shape)
    with (
        at_rest(classifier, seed=material.seed),
        material.progress.stage("score filters", total=len(images), unit="image") as step,
    ):
        for start in range(0, len(images), size):
            pixels = images.read(range(start, min(start + size, len(images))))
            chances, moves = _extrapolate(groups, material, classifier, pixels)
            for number, group in enumerate(groups):
                total = totals[number]
                if total is None or any(maker.tensor not in moves for maker in group.makers()):
                    totals[number] = None
                    continue
                parts = [moves[maker.tensor][:, :, maker.index].sum(axis=3) for maker in group.makers()]
                totals[number] = total + divergence(chances, np.sum(parts, axis=0)).sum(axis=0) / len(images)
            step.advance(len(pixels))
    reason = "a layer that makes it has maps that kl could not see"
    return tuple(Skipped(reason=reason) if total is None else total for total in totals)


def divergence(chances: NDArray[np.float64], moves: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the divergence of a class distribution whose logits moved from what it was.

    Args:
        chances: (N, M) probabilities of the classes that move; what is left is that of all others.
        moves: (N, M, U) changes of these logits.

    Returns:
        (N, U): sum of q log(q / p), not negative.
    """
    others = np.maximum(1 - chances.sum(axis=1), 0.0)
    highest = np.maximum(moves.max(axis=1), 0.0)
    shares = chances[:, :, None] * np.exp(moves - highest[:, None])
    total = shares.sum(axis=1) + others[:, None] * np.exp(-highest)
    # log(q / p) of a class is its move less the growth of the normaliser.
    found: NDArray[np.float64] = (shares * moves).sum(axis=1) / total - np.log(total) - highest
    return np.maximum(found, 0.0)


def _extrapolate(
    groups: Sequence[Group], material: Material, classifier: nn.Module, pixels: Tensor
) -> tuple[NDArray[np.float64], dict[str, NDArray[np.float64]]]:
    """Return chances (N, M), and for each weight how its channels' absence moves the logits, (N, M, channels)."""
    with torch.enable_grad(), Watch(material, groups, until=Stage.NORMALISED) as watch:
        logits = classifier(pixels)
    chances, classes = logits.detach().double().softmax(dim=1).topk(min(NUM_CLASSES, logits.shape[1]), dim=1)
    moves: dict[str, list[Tensor]] = {}
    maps = [trail.map for trail in watch.trails]
    for place in range(classes.shape[1]):
        chosen = logits.gather(1, classes[:, place : place + 1]).sum()
        gradients = torch.autograd.grad(chosen, maps, retain_graph=True, allow_unused=True) if maps else ()
        for maker, move in _by_maker(watch.trails, gradients):
            found = moves.setdefault(maker, [torch.zeros_like(move) for _ in range(classes.shape[1])])
            found[place] += move
    return chances.numpy(), {maker: torch.stack(found, dim=1).numpy() for maker, found in moves.items()}


def _by_maker(trails: Sequence[Trail], gradients: Sequence[Tensor | None]) -> Iterable[tuple[str, Tensor]]:
    """Yield how the absence of each channel moves the sum of logits, (N, channels) float64, for each run of a layer."""
    for trail, gradient in zip(trails, gradients, strict=True):
        here = torch.zeros_like(trail.map) if gradient is None else -gradient * trail.map.detach()
        found = trail.channels_first(here)
        yield trail.maker, found.double().flatten(2).sum(dim=2) if found.ndim > 2 else found.double()
