"""What training counts as it goes, and when it has diverged. All stays on the device: counting waits for nothing."""

import math
from dataclasses import dataclass, replace

import torch
from torch import Tensor

EXPLOSION = 10.0
"""Times the loss of the first step, or of guessing where that is larger: a loss beyond has exploded."""


@dataclass(slots=True, kw_only=True)
class Tally:
    """Sums over the images of the epoch so far."""

    loss: Tensor
    """() float64."""
    right: Tensor
    """() float64."""
    heeded: Tensor
    """() float64: images in whose step the teacher was heeded."""
    seen: int = 0
    seconds: float = 0.0

    @classmethod
    def empty(cls, device: torch.device) -> "Tally":
        """Return the sums of an epoch that has not begun."""
        loss, right, heeded = torch.zeros((3,), dtype=torch.float64, device=device)
        return cls(loss=loss, right=right, heeded=heeded)

    def to(self, device: torch.device) -> "Tally":
        """Return the same sums on a device."""
        sums = {name: getattr(self, name).to(device) for name in ("loss", "right", "heeded")}
        return replace(self, **sums)


class Watch:
    """Whether the loss explodes. It latches, so that it does not matter when somebody looks."""

    MEMORY = 0.9
    """Per step: about the last ten count, and one bad step does not."""

    def __init__(self, num_classes: int, device: torch.device) -> None:
        self.state = torch.tensor([math.nan, math.nan, 0.0], dtype=torch.float64, device=device)
        """(3,) float64: the loss of the first step, of the last ones, and 1 once that was too much."""
        self._guessing = math.log(num_classes)

    def see(self, loss: Tensor) -> None:
        """Take in the mean loss () of a step."""
        first, recent, exploded = self.state
        first = torch.where(first.isnan(), loss, first)
        recent = torch.where(recent.isnan(), loss, torch.lerp(loss, recent, self.MEMORY))
        too_much = recent > EXPLOSION * first.clamp_min(self._guessing)
        self.state = torch.stack([first, recent, torch.maximum(exploded, too_much.double())])

    def is_calm(self) -> bool:
        """Tell whether it never was too much. Waits for the device."""
        return float(self.state[2]) == 0
