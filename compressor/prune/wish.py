"""How a cut is chosen, apart from how much leaves."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from torch import nn

from compressor.errors import PruneError
from compressor.prune.block_criteria import BLOCK_CRITERIA
from compressor.prune.criteria import CRITERIA
from compressor.prune.selectors import check_globs, check_ratio
from compressor.types import Scope, Structure, word_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """How to choose, apart from how much."""

    structure: Structure = Structure.FILTERS
    criterion: str = "l1"
    block_criterion: str | None = None
    """None: cka where there are training images, else l1."""
    scope: Scope = Scope.LOCAL
    round_to: int | None = None
    keep: tuple[str, ...] = ()
    ratio_for: Mapping[str, float] = field(default_factory=dict)
    seed: int = 0

    def __post_init__(self) -> None:
        """Take plain strings of a caller as the words that they stand for.

        Raises:
            OptionError: an unknown structure or scope.
        """
        object.__setattr__(self, "structure", word_of(Structure, self.structure))
        object.__setattr__(self, "scope", word_of(Scope, self.scope))


def check_wish(wish: Wish, model: nn.Module) -> None:
    """Check a wish against a model.

    Raises:
        PruneError: an unknown criterion, a glob that matches nothing, a bad ratio or step.
    """
    if wish.criterion not in CRITERIA:
        raise PruneError(
            f"criterion {wish.criterion!r} is not known", advice=f"take one of {', '.join(sorted(CRITERIA))}"
        )
    if wish.block_criterion is not None and wish.block_criterion not in BLOCK_CRITERIA:
        raise PruneError(
            f"block criterion {wish.block_criterion!r} is not known", advice=f"take one of {', '.join(BLOCK_CRITERIA)}"
        )
    if wish.round_to is not None and wish.round_to < 1:
        raise PruneError(
            f"--round-to {wish.round_to} is not a number of channels", advice="give 8 or 16, or leave it out"
        )
    check_globs(wish.keep, model, "--keep")
    check_globs(wish.ratio_for, model, "--ratio-for")
    for glob, value in wish.ratio_for.items():
        check_ratio(value, f"ratio of {glob!r}")
