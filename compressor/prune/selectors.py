"""Options that name parts of a model: globs on module names, checked where they enter."""

import difflib
from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase
from math import isfinite

from torch import nn

from compressor.errors import PruneError
from compressor.prune.coupling import Group


def check_ratio(ratio: float, what: str = "ratio") -> float:
    """Return the ratio, or refuse it.

    Raises:
        PruneError: not a number in (0, 1).
    """
    advice = f"{what} is the fraction of filters (or blocks) that leaves, in (0, 1): 0.5 removes half"
    try:
        value = float(ratio)
    except (TypeError, ValueError):
        raise PruneError(f"{what} {ratio!r} is not a number", advice=advice) from None
    if not isfinite(value) or not 0 < value < 1:
        hint = f"; did you mean {value / 100:g}?" if isfinite(value) and 1 < value < 100 else ""
        raise PruneError(f"{what} {ratio!r} is not in (0, 1)", advice=advice + hint)
    return value


def check_globs(globs: Iterable[str], model: nn.Module, option: str) -> None:
    """Refuse globs that match no module.

    Raises:
        PruneError: names modules that come close.
    """
    names = [name for name, _ in model.named_modules() if name]
    for glob in globs:
        if not any(fnmatchcase(name, glob) for name in names):
            close = difflib.get_close_matches(glob, names, n=3, cutoff=0.4) or names[:3]
            raise PruneError(
                f"{option} {glob!r} matches no module of this model", advice=f"close to it: {', '.join(close)}"
            )


def matches(name: str, globs: Iterable[str]) -> bool:
    """Return whether a module, or one that it lies in, matches any of the globs."""
    parts = name.split(".")
    places = [".".join(parts[: number + 1]) for number in range(len(parts))]
    return any(fnmatchcase(place, glob) for glob in globs for place in places)


def group_matches(group: Group, globs: Iterable[str]) -> bool:
    """Return whether any layer that makes the units of a group matches any of the globs."""
    chosen = tuple(globs)
    return any(matches(maker.module, chosen) for maker in group.makers())


def ratio_of(group: Group, ratio: float, ratio_for: Mapping[str, float]) -> float:
    """Return the ratio of a group; where several globs match, the smallest removes least and wins."""
    own = [value for glob, value in ratio_for.items() if group_matches(group, [glob])]
    return min(own) if own else ratio
