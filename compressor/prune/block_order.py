"""In which order blocks leave: the least important first, scored anew after each."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from compressor.data.images import stratified
from compressor.errors import PruneError
from compressor.progress import SILENT, Progress
from compressor.prune.blocks import mean_weights, same_weights
from compressor.prune.criteria import Material

NUM_IMAGES = 128
BATCH_SIZE = 64
BLOCK_CRITERIA = ("cka", "l1")


def order_blocks(
    names: Sequence[str], material: Material, *, criterion: str, num: int, progress: Progress = SILENT
) -> tuple[str, ...]:
    """Return the first `num` blocks to leave, in the order in which they leave.

    Args:
        names: removable blocks.
        material: the dense model and, for cka, training images.
        criterion: `cka`: the block whose absence changes the features least, by linear centred kernel alignment on 128
            training images, found anew after each removal. `l1`: the block with the smallest mean absolute weight.
        num: how many.
        progress: told once per block that was tried.

    Raises:
        PruneError: an unknown criterion, or cka without training images.

    Source:
        cka: arXiv 2405.17081. Differs: no fine-tuning between removals.
    """
    if criterion == "l1":
        weights = mean_weights(material.model, names)
        return tuple(sorted(names, key=lambda name: weights[name]))[:num]
    if criterion != "cka":
        raise PruneError(
            f"block criterion {criterion!r} is not known", advice=f"take one of {', '.join(BLOCK_CRITERIA)}"
        )
    if material.train is None or material.classifier is None:
        raise PruneError(
            "block criterion cka needs training images and their normalisation",
            advice="add --data with training images and --preprocess, or take l1",
        )
    images = stratified(material.train, NUM_IMAGES, seed=material.seed)
    pixels = images.read(range(len(images)))
    full = features_of(material.classifier, pixels)
    # The classifier holds the model somewhere inside; block names are those of the model.
    (prefix,) = (name for name, module in material.classifier.named_modules() if module is material.model)
    left = list(names)
    gone: list[str] = []
    total = sum(len(left) - step for step in range(num))
    with progress.stage("choose blocks", total=total, unit="block") as step:
        while len(gone) < num:
            alignment = {}
            for name in left:
                without = [f"{prefix}.{block}" if prefix else block for block in (*gone, name)]
                alignment[name] = linear_cka(full, features_of(same_weights(material.classifier, without), pixels))
                step.advance(1, name)
            best = max(left, key=lambda name: alignment[name])
            left.remove(best)
            gone.append(best)
    return tuple(gone)


def features_of(classifier: nn.Module, pixels: Tensor) -> Tensor:
    """Return what enters the last linear layer, (N, D) float32; the logits where there is no linear layer.

    Args:
        classifier: images in [0, 1] -> logits; ends in eval mode.
        pixels: (N, C, H, W) float32 in [0, 1].
    """
    entered: list[Tensor] = []

    def note(_: nn.Module, args: tuple[Tensor, ...]) -> None:
        entered.append(args[0])

    hooks = [module.register_forward_pre_hook(note) for module in classifier.modules() if isinstance(module, nn.Linear)]
    classifier.eval()
    parts = []
    try:
        with torch.inference_mode():
            for batch in torch.split(pixels, BATCH_SIZE):
                entered.clear()
                logits = classifier(batch)
                parts.append((entered[-1] if entered else logits).flatten(1))
    finally:
        for hook in hooks:
            hook.remove()
    return torch.cat(parts)


def linear_cka(one: Tensor, other: Tensor) -> float:
    """Return the linear centred kernel alignment of two feature matrices of the same images, in [0, 1].

    Args:
        one: (N, D) features.
        other: (N, E) features.

    Source:
        Kornblith et al., arXiv 1905.00414.
    """
    grams = []
    for features in (one, other):
        centred = features.to(torch.float64) - features.to(torch.float64).mean(dim=0)
        grams.append(centred @ centred.T)
    scale = grams[0].norm() * grams[1].norm()
    return float((grams[0] * grams[1]).sum() / scale) if scale > 0 else 0.0
