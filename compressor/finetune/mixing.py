"""Images mixed with their neighbours, and labels likewise.

The neighbour is the next image of the micro-batch, which is the unit that processes share out; the shares belong to the
image and the epoch. An image keeps at least half of itself, so its own label stays the most likely one: blending a with
b and b with a are equally likely, so nothing is lost by it.

Legend: n images in a micro-batch, C channels, H x W pixels, K classes.
"""

import torch
import torch.nn.functional as F
from scipy.special import betaincinv
from torch import Tensor

from compressor.finetune.randomness import Noise
from compressor.finetune.recipe import Recipe


def mixed(
    images: Tensor, labels: Tensor, *, indices: Tensor, recipe: Recipe, epoch: int, num_classes: int
) -> tuple[Tensor, Tensor]:
    """Mix a micro-batch as the recipe says.

    Args:
        images: (n, C, H, W) float32 in [0, 1].
        labels: (n,) int64 in [0, K).
        indices: (n,) int64 on the CPU, places in the set.
        recipe: how.
        epoch: from 0.
        num_classes: K.

    Returns:
        Images (n, C, H, W) float32 in [0, 1], and targets: `labels` as they are where nothing is mixed, otherwise
        (n, K) float32 that sum to 1.

    Source: mixup, Zhang et al., arXiv 1710.09412; CutMix, Yun et al., arXiv 1905.04899.
    """
    if recipe.mixup == 0 and recipe.cutmix == 0:
        return images, labels
    drawn = Noise.of("mix", recipe.seed, epoch, indices=indices).uniform(4).double()
    share, across, down, which = drawn.unbind(1)
    blends = torch.full_like(which, bool(recipe.mixup), dtype=torch.bool)
    if recipe.mixup and recipe.cutmix:
        blends = which < 0.5
    kept = torch.where(blends, _own_share(share, recipe.mixup), _own_share(share, recipe.cutmix))
    boxes = _boxes(1 - kept, across, down, size=(images.shape[2], images.shape[3]))
    covered = boxes.double().mean(dim=(1, 2))
    weight = torch.where(blends, kept, 1 - covered).to(images.device, torch.float32)
    shares = torch.where(blends[:, None, None], kept[:, None, None], (~boxes).double())
    shares = shares.to(images.device, torch.float32)[:, None]
    ours = F.one_hot(labels, num_classes).float() * weight[:, None]
    theirs = F.one_hot(labels.roll(1), num_classes).float() * (1 - weight[:, None])
    return images * shares + images.roll(1, dims=0) * (1 - shares), ours + theirs


def _own_share(uniform: Tensor, alpha: float) -> Tensor:
    """Return the larger part of a draw from Beta(alpha, alpha): (n,) float64 in [0.5, 1]; 1 where alpha is 0."""
    if alpha == 0:
        return torch.ones_like(uniform)
    drawn = torch.from_numpy(betaincinv(alpha, alpha, uniform.numpy()))
    return torch.maximum(drawn, 1 - drawn)


def _boxes(area: Tensor, across: Tensor, down: Tensor, *, size: tuple[int, int]) -> Tensor:
    """Return boxes of a share `area` of the image about random centres, cut off at the border: (n, H, W) bool."""
    height, width = size
    side = area.sqrt()

    def covered(centre: Tensor, extent: int) -> Tensor:
        length = (side * extent).floor()  # never more than the share, so that an image keeps half of itself
        begin = (centre * extent - length / 2).round()[:, None]
        places = torch.arange(extent)
        return (places >= begin) & (places < begin + length[:, None])

    return covered(down, height)[:, :, None] & covered(across, width)[:, None, :]
