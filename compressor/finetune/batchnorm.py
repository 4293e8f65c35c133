"""Re-estimated BatchNorm statistics: cutting filters shifts every later mean and variance.

Often half of what cutting cost comes back by this alone, without a gradient (Li et al., EagleEye, arXiv 2007.02491).
"""

from collections.abc import Iterable

import torch
from torch import Tensor, nn


def norms_with_statistics(model: nn.Module) -> list[nn.modules.batchnorm._BatchNorm]:
    """Return the layers that keep running statistics."""
    return [
        module
        for module in model.modules()
        if isinstance(module, nn.modules.batchnorm._BatchNorm) and module.running_mean is not None
    ]


def reestimate(classifier: nn.Module, batches: Iterable[Tensor]) -> None:
    """Replace all running statistics by their plain mean over `batches`; everything else stays in evaluation mode.

    Args:
        classifier: images in [0, 1] to logits.
        batches: (n, C, H, W) float32 in [0, 1] each, n at least 2.
    """
    norms = norms_with_statistics(classifier)
    momenta = [norm.momentum for norm in norms]
    classifier.eval()
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None
        norm.train()
    with torch.no_grad():
        for images in batches:
            classifier(images)
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum
    classifier.eval()
