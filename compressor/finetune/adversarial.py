"""Images made hard for the model that is being trained (Madry et al., arXiv 1706.06083).

Another thing than the attacks of the battery: the model moves, the search is short, and nothing is concluded from it.

`pgd` trains on what several gradient steps find. `trades` (Zhang et al., arXiv 1901.08573) trains on natural images and
asks for the same answer to what is found by climbing the divergence of the answers. `fast` (Wong et al., arXiv
2001.03994) takes one step. `free` (Shafahi et al., arXiv 1904.12843) uses the gradient that training computes anyway.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from compressor.attacks.threat import Threat
from compressor.finetune.randomness import Noise
from compressor.types import Norm

REACH = 2.5
"""All steps together reach this many radii."""
FAST_REACH = 1.25
"""The one step of `fast`, in radii; its paper finds that much more or less than this overfits to the one step."""
NEARBY = 0.001
"""Standard deviation of the start of `trades`: at the image itself the divergence has no gradient."""


def perturb(
    classifier: nn.Module,
    images: Tensor,
    labels: Tensor,
    *,
    threat: Threat,
    num_steps: int,
    source: Noise,
    reach: float = REACH,
    from_answers: bool = False,
) -> Tensor:
    """Climb the cross-entropy, or the divergence from the model's own answers, by projected gradient steps.

    BatchNorm uses its running statistics here, as in TRADES (arXiv 1901.08573), so the search leaves no trace in them;
    the classifier is in training mode again afterwards.

    Args:
        classifier: images in [0, 1] to logits, on the device of `images`.
        images: (n, C, H, W) float32 in [0, 1].
        labels: (n,) int64, or targets (n, K) float32.
        threat: norm and radius.
        num_steps: gradient steps, at least 1.
        source: of the random start of each image, on the device of `images`.
        reach: radii that all steps together cover.
        from_answers: climb the divergence from the answers to `images`, and start beside them, as TRADES does.

    Returns:
        (n, C, H, W) float32 in [0, 1], within the radius of `images`.
    """
    step_size = reach * threat.radius / num_steps
    classifier.eval()
    start = random_start(images, threat, source)
    if from_answers:
        with torch.no_grad():
            answers = classifier(images)
        start = NEARBY * source.normal(*images.shape[1:])
    perturbed = within(images + start, images, threat)
    for _ in range(num_steps):
        perturbed.requires_grad_()
        logits = classifier(perturbed)
        loss = disagreement(answers, logits) if from_answers else F.cross_entropy(logits, labels, reduction="sum")
        (gradient,) = torch.autograd.grad(loss, perturbed)
        perturbed = within(perturbed.detach() + step_size * climb(gradient, threat), images, threat)
    classifier.train()
    return perturbed


def disagreement(answers: Tensor, twins: Tensor) -> Tensor:
    """Return how far the answers to twins diverge from the answers: () float32, summed over logits (n, K) of both."""
    return F.kl_div(F.log_softmax(twins, dim=1), F.log_softmax(answers, dim=1), log_target=True, reduction="sum")


def climb(gradient: Tensor, threat: Threat) -> Tensor:
    """Return the direction (n, C, H, W) of steepest climb, of length 1 in the threat's norm."""
    return gradient.sign() if threat.norm is Norm.LINF else gradient / _length(gradient)


def random_start(images: Tensor, threat: Threat, source: Noise) -> Tensor:
    """Return a random perturbation (n, C, H, W) of each image within the radius."""
    shape = tuple(images.shape[1:])
    if threat.norm is Norm.LINF:
        return (2 * source.uniform(*shape) - 1) * threat.radius
    direction = source.normal(*shape)
    return direction / _length(direction) * source.uniform(1, 1, 1, stream=2) * threat.radius


def within(perturbed: Tensor, images: Tensor, threat: Threat) -> Tensor:
    """Return the nearest images in [0, 1] to `perturbed` within the radius of `images`."""
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
