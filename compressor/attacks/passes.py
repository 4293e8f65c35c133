"""How many passes an attack takes on an image that survives it, which is the most it ever takes."""

import torch
from torch import Tensor, nn

from compressor.attacks.model import AttackedModel
from compressor.attacks.table import SEARCH, Settings, run_attack
from compressor.attacks.threat import Threat

SIDE = 8
"""Height and width of the image on which attacks of torchattacks are counted; none counts by the size."""


def passes(name: str, settings: Settings, *, threat: Threat, num_classes: int) -> tuple[int, int]:
    """Return image-forwards and image-backwards of one image that is never broken.

    Args:
        name: a key of `table.ATTACKS`, or `torchattacks:NAME`, which is run on a model without weights to count.
        settings: all of them, as `table.fit` returned them.
        threat: norm and radius.
        num_classes: of the model, at least two.
    """
    steps, restarts = int(settings.get("num_steps", 1)), int(settings.get("num_restarts", 1))
    targets, walks = int(settings.get("num_targets", 1)), restarts * int(settings.get("num_targets", 1))
    known = {
        "fgsm": (2, 1),
        "pgd": (restarts * (steps + 1), restarts * steps),
        "apgd": (restarts * (steps + 1), restarts * (steps + 1)),
        "apgd-targeted": (1 + walks * (steps + 1), walks * (steps + 1)),
        "margin": (1 + (1 + targets) * (steps + 1), (1 + targets) * steps),
        "fab-targeted": (1 + 2 * walks * steps, walks * steps),
        "fmn": (steps + 1, steps),
        "square": (1 + int(settings.get("num_queries", 0)), 0),
        "noise": (int(settings.get("num_draws", 0)), 0),
    }
    if name not in known:
        return _counted(name, settings, threat=threat, num_classes=num_classes)
    forward, backward = known[name]
    # Each answer of a search in bfloat16 may have to be given again in float32.
    return forward + (backward if settings.get(SEARCH) == "bf16" else 0), backward


class Unmoved(nn.Module):
    """Answers class 0 whatever it sees, with gradients that are not zero: nothing breaks it."""

    def __init__(self, num_classes: int) -> None:
        super().__init__()
        self.slopes = nn.Parameter(torch.linspace(-0.1, 0.1, num_classes))
        self.offsets = nn.Parameter(torch.zeros(num_classes))
        self.offsets.data[0] = 1e3

    def forward(self, images: Tensor) -> Tensor:
        """Answer images (n, C, H, W) with logits (n, K)."""
        return images.mean((1, 2, 3))[:, None] * self.slopes + self.offsets


def _counted(name: str, settings: Settings, *, threat: Threat, num_classes: int) -> tuple[int, int]:
    """Run an attack once, and count."""
    images, none = torch.full((1, 1, SIDE, SIDE), 0.5), torch.zeros(1, dtype=torch.int64)
    with AttackedModel(Unmoved(num_classes), shape=(1, SIDE, SIDE)) as model:
        run_attack(name, settings, model, images, none, threat=threat, seeds=none)
        return model.num_forward, model.num_backward
