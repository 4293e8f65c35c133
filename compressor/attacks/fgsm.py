"""One gradient step of full length (Goodfellow et al., arXiv 1412.6572)."""

from torch import Tensor

from compressor.attacks.ball import steepest
from compressor.attacks.losses import UNTARGETED
from compressor.attacks.model import AttackedModel
from compressor.attacks.standing import Standing, kept
from compressor.attacks.threat import Threat


def fgsm(
    model: AttackedModel, images: Tensor, labels: Tensor, *, threat: Threat, seeds: Tensor, loss: str = "ce"
) -> Tensor:
    """Step once, epsilon far, up the loss.

    Args:
        model: to attack.
        images: (n, C, H, W) float32 in [0, 1], n >= 1.
        labels: (n,) int64, the right answers.
        threat: norm and radius.
        seeds: (n,) int64.
        loss: a name of `losses.UNTARGETED`.

    Returns:
        (n, C, H, W) float32 within the threat: the image itself where it is answered wrong already.

    Source: arXiv 1412.6572; for l2 the step is along the gradient.
    """
    standing = Standing(images, labels, seeds, threat)
    logits, _, gradient = model.loss_and_gradient(images, UNTARGETED[loss], labels, seeds=seeds)
    (gradient,) = kept(standing.judge(images, logits), gradient)
    step = threat.radius * steepest(gradient, threat.norm)
    standing.finish(model, standing.ball.project(standing.clean + step))
    return standing.best
