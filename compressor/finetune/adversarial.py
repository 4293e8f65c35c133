"""Images made hard for the model that is being trained (Madry et al., arXiv 1706.06083).

Another thing than the attacks of the battery: the model moves, the search is short, and nothing is concluded from it.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from compressor.attacks.threat import Threat
from compressor.finetune.randomness import Noise
from compressor.types import Norm

REACH = 2.5
"""All steps together reach this many radii."""


def perturb(
    classifier: nn.Module,
    images: Tensor,
    labels: Tensor,
    *,
    threat: Threat,
    num_steps: int,
    source: Noise,
) -> Tensor:
    """Climb the cross-entropy by projected gradient steps from a random start.

    BatchNorm uses its running statistics here, as in TRADES (arXiv 1901.08573), so the search leaves no trace in them;
    the classifier is in training mode again afterwards.

    Args:
        classifier: images in [0, 1] to logits, on the device of `images`.
        images: (n, C, H, W) float32 in [0, 1].
        labels: (n,) int64.
        threat: norm and radius.
        num_steps: gradient steps, at least 1.
        source: of the random start of each image, on the device of `images`.

    Returns:
        (n, C, H, W) float32 in [0, 1], within the radius of `images`.
    """
    step_size = REACH * threat.radius / num_steps
    classifier.eval()
    perturbed = _project(images + _random_start(images, threat, source), images, threat)
    for _ in range(num_steps):
        perturbed.requires_grad_()
        loss = F.cross_entropy(classifier(perturbed), labels, reduction="sum")
        (gradient,) = torch.autograd.grad(loss, perturbed)
        step = gradient.sign() if threat.norm is Norm.LINF else gradient / _length(gradient)
        perturbed = _project(perturbed.detach() + step_size * step, images, threat)
    classifier.train()
    return perturbed


def _random_start(images: Tensor, threat: Threat, source: Noise) -> Tensor:
    shape = tuple(images.shape[1:])
    if threat.norm is Norm.LINF:
        return (2 * source.uniform(*shape) - 1) * threat.radius
    direction = source.normal(*shape)
    return direction / _length(direction) * source.uniform(1, 1, 1, stream=2) * threat.radius


def _project(perturbed: Tensor, images: Tensor, threat: Threat) -> Tensor:
    delta = perturbed - images
    if threat.norm is Norm.LINF:
        delta = delta.clamp(-threat.radius, threat.radius)
    else:
        delta = delta * (threat.radius / _length(delta)).clamp(max=1.0)
    return (images + delta).clamp(0.0, 1.0)


def _length(delta: Tensor) -> Tensor:
    """Return the L2 norm of each image's part: (n, 1, 1, 1), never zero."""
    length: Tensor = torch.linalg.vector_norm(delta, dim=(1, 2, 3), keepdim=True)
    return length.clamp_min(1e-12)
