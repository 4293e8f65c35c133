"""What a teacher sees alike, the student shall see alike: feature maps compared where stages end.

Source: Tung, Mori, Similarity-preserving knowledge distillation, arXiv 1907.09682. For each pair of images in a batch,
how alike are their feature maps? The student is asked for the teacher's answer. Neither widths nor sizes of the maps
have to agree, so a slim model needs no adapters. Differs from it: stages are found here, not named.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from compressor.errors import FinetuneError

MOST_STAGES = 4
"""The last ones; earlier maps are large and say little."""


class FeaturePairs:
    """Listens to both networks at the ends of their stages."""

    def __init__(self, student: nn.Module, teacher: nn.Module, *, example: Tensor) -> None:
        """Find the stages and begin to listen.

        Args:
            student: images to logits.
            teacher: likewise.
            example: (n, C, H, W) float32 in [0, 1], on their device.

        Raises:
            FinetuneError: one of them has no feature maps.
        """
        ends = [stage_ends(network, example) for network in (student, teacher)]
        num = min(MOST_STAGES, *map(len, ends))
        if num == 0:
            raise FinetuneError(
                "feature_weight is above 0, but there are no feature maps (N, C, H, W) to compare",
                advice="leave feature_weight out; the teacher's answers are learnt from without it",
            )
        self.names = tuple(zip(*(found[-num:] for found in ends), strict=True))
        """Module of the student and of the teacher, stage by stage."""
        self._heard: tuple[dict[str, Tensor], dict[str, Tensor]] = ({}, {})
        for heard, network, names in zip(self._heard, (student, teacher), zip(*self.names, strict=True), strict=True):
            for name in names:
                _listen(network, name, heard)

    def difference(self, num: int) -> Tensor:
        """Return the mean squared difference of likenesses in the last pass of both, summed over stages: () float32.

        Args:
            num: images that both have seen, the first of their batches.
        """
        student, teacher = self._heard
        total = torch.zeros((), device=next(iter(student.values())).device)
        for ours, theirs in self.names:
            total = total + F.mse_loss(likeness(student[ours][:num]), likeness(teacher[theirs][:num]))
        return total


def likeness(maps: Tensor) -> Tensor:
    """Return how alike the maps of each two images are: (n, n) float32, each row of length 1, from (n, ...)."""
    flat = maps.flatten(1).float()
    return F.normalize(flat @ flat.T, dim=1)


def stage_ends(network: nn.Module, example: Tensor) -> tuple[str, ...]:
    """Return the modules that are the last to answer with maps of one size, in the order of the forward pass."""
    last: dict[tuple[int, ...], str] = {}
    hooks = []

    def note(name: str) -> None:
        def hear(_module: nn.Module, _inputs: object, output: object) -> None:
            if isinstance(output, Tensor) and output.ndim == 4 and output.shape[2:].numel() > 1:
                last.pop(tuple(output.shape[2:]), None)
                last[tuple(output.shape[2:])] = name

        hooks.append(dict(network.named_modules())[name].register_forward_hook(hear))

    for name, _ in network.named_modules():
        if name:
            note(name)
    was_training = network.training
    network.eval()
    try:
        with torch.no_grad():
            network(example)
    finally:
        for hook in hooks:
            hook.remove()
        network.train(was_training)
    return tuple(last.values())


def _listen(network: nn.Module, name: str, heard: dict[str, Tensor]) -> None:
    def keep(_module: nn.Module, _inputs: object, output: Tensor) -> None:
        heard[name] = output

    network.get_submodule(name).register_forward_hook(keep)
