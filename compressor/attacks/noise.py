"""No search at all: one random image of the ball. What it breaks, every search must break too."""

from torch import Tensor

from compressor.attacks.model import Answering
from compressor.attacks.standing import Standing
from compressor.attacks.threat import Threat


def noise(
    model: Answering, images: Tensor, labels: Tensor, *, threat: Threat, seeds: Tensor, num_draws: int = 1
) -> Tensor:
    """Draw uniform noise of the threat's size.

    Args:
        model: to attack.
        images: (n, C, H, W) float32 in [0, 1], n >= 1.
        labels: (n,) int64, the right answers.
        threat: norm and radius.
        seeds: (n,) int64; they give the noise.
        num_draws: how many noisy images to try.

    Returns:
        (n, C, H, W) float32 within the threat: the noisy image that broke it, or the nearest to it.
    """
    standing = Standing(images, labels, seeds, threat)
    for draw in range(num_draws):
        if len(standing):
            standing.finish(model, standing.ball.start(standing.seeds, f"noise {draw}"))
    return standing.best
