"""An epoch cut into micro-batches of one fixed size, and these into optimizer steps.

A micro-batch is one forward and backward pass: BatchNorm normalises over it, processes share them out. Its size follows
from the recipe and never from what is left over: where the images of an epoch do not fill the last one, the first
images of the epoch's order fill it up and count once more. Legend: N images, M micro-batches of m images, K in a step.
"""

from dataclasses import replace

import torch
from torch import Tensor

from compressor.finetune.recipe import Recipe


def with_fixed_sizes(recipe: Recipe, *, num_images: int) -> Recipe:
    """Return the recipe with the batch and the micro-batch as they are carried out.

    The batch becomes whole micro-batches: 100 by 64 are two of 50; one of 101 grows to two of 51. Fewer images than a
    micro-batch are one micro-batch.

    Args:
        recipe: resolved.
        num_images: in the training set, at least 2.
    """
    per_step = -(-recipe.batch_size // recipe.micro_batch)
    micro_batch = min(-(-recipe.batch_size // per_step), num_images)
    per_step = min(per_step, -(-num_images // micro_batch))
    return replace(recipe, micro_batch=micro_batch, batch_size=per_step * micro_batch)


def num_steps(recipe: Recipe, *, num_images: int) -> int:
    """Return how many optimizer steps an epoch has."""
    return -(-_num_micro_batches(recipe, num_images) * recipe.micro_batch // recipe.batch_size)


def cut(order: Tensor, recipe: Recipe) -> tuple[Tensor, ...]:
    """Cut an epoch into steps.

    Args:
        order: (N,) int64, a permutation.
        recipe: with fixed sizes.

    Returns:
        For each step (k, m) int64: k is K, or less where K does not divide M; steps then differ by at most one.
    """
    num = _num_micro_batches(recipe, len(order))
    filled = torch.cat([order, order[: num * recipe.micro_batch - len(order)]])
    return torch.tensor_split(filled.reshape(num, recipe.micro_batch), num_steps(recipe, num_images=len(order)))


def mean_batch(recipe: Recipe, *, num_images: int) -> float:
    """Return how many images a step has on average."""
    whole = _num_micro_batches(recipe, num_images) * recipe.micro_batch
    return whole / num_steps(recipe, num_images=num_images)


def _num_micro_batches(recipe: Recipe, num_images: int) -> int:
    return -(-num_images // recipe.micro_batch)
