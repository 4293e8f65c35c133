"""How far the right answer stays ahead, whatever a threat does: proved lower bounds, one image at a time.

What is proved is proved of the network as real numbers: its float32 weights exactly, its arithmetic without rounding.
Bounds are computed in float64 and moved outwards by far more than its rounding errors (see `region.ROUNDING`).
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from compressor.attacks.threat import Threat
from compressor.prove.crown import NUM_STEPS, best_bound
from compressor.prove.program import OutOfReach, Program, difference
from compressor.prove.refine import know
from compressor.prove.region import region_of

MOST_REFINING_MACS = 8_000_000_000
"""Up to so many multiply-adds per image, what ReLUs read is bounded by backward passes; measured, 5e9 take a second."""

LEAST_MARGIN = 1e-4
"""A margin counts as proved above this share of the image's largest clean logit. It is no part of the proof: rounding
in float32 may then not turn what is proved into a wrong answer, so a proved image that an attack breaks is a fault."""


ALPHA_CROWN = "alpha-crown"
"""Backward bounds for the answer with optimised slopes, and for every value that a ReLU reads."""

CROWN_IBP = "crown-ibp"
"""Backward bounds for the answer, intervals inside."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Prover:
    """A network that bounds are computed for."""

    program: Program

    @property
    def is_refined(self) -> bool:
        """Whether the bounds inside the network come from backward passes, or from intervals alone."""
        return self.program.num_refining_macs() <= MOST_REFINING_MACS

    @property
    def method(self) -> str:
        """How the bounds are found."""
        return ALPHA_CROWN if self.is_refined else CROWN_IBP

    def least_margin(self, image: Tensor, label: int, threat: Threat) -> float:
        """Return a lower bound on the right logit minus the largest other one, over all that the threat reaches.

        It is made as large as is needed and no larger: cheap bounds come first, and better ones only where those do
        not reach `LEAST_MARGIN`.

        Args:
            image: (C, H, W) float32 in [0, 1].
            label: the right class.
            threat: norm and radius.
        """
        region, enough = region_of(image, threat), self.needed(image)
        with torch.no_grad():
            rows = _margins(label, self.program)
            known = know(self.program, region, is_refined=False)
            found = best_bound(known, rows, enough=enough, num_steps=0)
            if not self.is_refined or bool((found > enough).all()):
                return float(found.min())
            known = know(self.program, region, is_refined=True)
            return float(best_bound(known, rows, enough=enough, num_steps=NUM_STEPS).min())

    def needed(self, image: Tensor) -> float:
        """Return the margin above which an image (C, H, W) counts as proved."""
        with torch.no_grad():
            return LEAST_MARGIN * float(self.program.forward(image[None].double()).abs().max())


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Comparer:
    """Two networks that read the same image, walked in one pass: slim minus dense."""

    program: Program

    @classmethod
    def of(cls, slim: Program | OutOfReach, dense: Program | OutOfReach) -> "Comparer | OutOfReach":
        """Return the comparison of two networks with the same images and classes, or why there is none.

        Intervals alone would bound the fall of a deep network's margin by many millions of logits, which says nothing.
        """
        if isinstance(slim, OutOfReach):
            return slim
        if isinstance(dense, OutOfReach):
            return OutOfReach(reason=f"of the dense model, {dense.reason}")
        program = difference(slim, dense)
        if program.num_refining_macs() > 2 * MOST_REFINING_MACS:
            return OutOfReach(reason="the two networks are too large for bounds inside by backward passes")
        return cls(program=program)

    def most_fall(self, image: Tensor, label: int, threat: Threat) -> float:
        """Return an upper bound on how far the slim margin lies below the dense one, over all that the threat reaches.

        A margin is the right logit minus the largest other one. The dense margin minus the slim one is at most the
        largest, over the other classes j, of (right - j on dense) - (right - j on slim); each of these is linear in the
        difference of the two answers, so one backward pass through both networks, which share the image, bounds it.

        Args:
            image: (C, H, W) float32 in [0, 1].
            label: the right class.
            threat: norm and radius.

        Source: after arXiv 2409.16726, which bounds the same quantity of a network and its pruned twin.
        """
        with torch.no_grad():
            known = know(self.program, region_of(image, threat), is_refined=True)
            rows = _margins(label, self.program)
            return float(-best_bound(known, rows, enough=None, num_steps=NUM_STEPS).min())


def _margins(label: int, program: Program) -> Tensor:
    """Return rows (K - 1, K): the right logit minus each other one."""
    (num,) = program.nodes[-1].shape
    rows = -torch.eye(num, dtype=torch.float64)
    rows[:, label] += 1
    return rows[torch.arange(num) != label]
