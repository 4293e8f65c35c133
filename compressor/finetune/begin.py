"""How training begins: a copy of the model on the device, and BatchNorm statistics that fit it, or a saved state."""

import copy
from dataclasses import replace
from functools import partial
from typing import Any

import torch
from torch import nn

from compressor.data.images import ImageSet
from compressor.finetune.batchnorm import norms_with_statistics, reestimate
from compressor.finetune.judge import Score, judge
from compressor.finetune.microbatches import cut
from compressor.finetune.pixels import Pixels
from compressor.finetune.randomness import order
from compressor.finetune.recipe import Recipe
from compressor.finetune.training import Start, Training
from compressor.load.checkpoint import Checkpoint
from compressor.progress import Progress
from compressor.runtime.crew import ALONE, Crew


def begin(
    checkpoint: Checkpoint,
    *,
    teacher: Checkpoint | None,
    pixels: Pixels,
    select: ImageSet,
    recipe: Recipe,
    saved: dict[str, Any] | None,
    progress: Progress,
    crew: Crew = ALONE,
) -> Training:
    """Set training up: where the saved state left it, otherwise at its start.

    Args:
        checkpoint: what is trained; copied.
        teacher: what it learns from; copied. Or None.
        pixels: the training images, on the device to be used.
        select: judge whether re-estimated BatchNorm statistics are worth it.
        recipe: resolved, with fixed sizes.
        saved: a state of this very training, or None.
        progress: told what re-estimation brought, and when memory runs out.
        crew: the processes that share training. All begin with the weights of the first.
    """
    classifier = _classifier(checkpoint, pixels.device)
    guide = None if teacher is None else _classifier(teacher, pixels.device)
    set_up = partial(Training, classifier, teacher=guide, pixels=pixels, recipe=recipe, crew=crew, progress=progress)
    if saved is not None:
        training = set_up(start=Start(**saved["start"]))
        training.restore(saved)
        return training
    score, start = _refresh_batchnorm(
        classifier, pixels=pixels, select=select, recipe=recipe, progress=progress, crew=crew
    )
    if crew.size > 1:
        classifier.load_state_dict(crew.told({name: tensor.cpu() for name, tensor in classifier.state_dict().items()}))
    training = set_up(start=start)
    training.keep(score)
    return training


def _classifier(checkpoint: Checkpoint, device: torch.device) -> nn.Module:
    """Return a copy, from images in [0, 1] to logits, in the memory layout in which convolutions are fast."""
    classifier = replace(checkpoint, model=copy.deepcopy(checkpoint.model)).classifier()
    return classifier.to(device).to(memory_format=torch.channels_last).eval()


def _refresh_batchnorm(
    classifier: nn.Module, *, pixels: Pixels, select: ImageSet, recipe: Recipe, progress: Progress, crew: Crew
) -> tuple[Score, Start]:
    """Re-estimate the BatchNorm statistics; the given ones stay where the new ones are worse."""
    judge_it = partial(judge, classifier, select, recipe=recipe, device=pixels.device, crew=crew)
    before = judge_it()
    if recipe.batchnorm_batches == 0 or not norms_with_statistics(classifier):
        return before, Start(before=before.accuracy, batchnorm=None, refreshed=False)
    given = copy.deepcopy(classifier.state_dict())
    some = cut(order(len(pixels.labels), seed=recipe.seed, epoch=-1), recipe)
    parts = torch.cat(some[: recipe.batchnorm_batches])[crew.rank :: crew.size]
    reestimate(classifier, (pixels.batch(part, None) for part in parts), crew=crew)
    after = judge_it()
    progress.say(f"re-estimated BatchNorm statistics: {before.accuracy:.1%} -> {after.accuracy:.1%} of select images")
    refreshed = after.accuracy >= before.accuracy
    if not refreshed:
        classifier.load_state_dict(given)
    start = Start(before=before.accuracy, batchnorm=after.accuracy, refreshed=refreshed)
    return (after if refreshed else before), start
