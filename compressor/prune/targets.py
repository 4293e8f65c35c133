"""From a ceiling on what stays to the largest model below it, where sizes are counted."""

from collections.abc import Callable

from compressor.errors import PruneError
from compressor.prune.choose import Choice, Chooser
from compressor.prune.plan_record import NextStep

NUM_HALVINGS = 24
"""Ratios are told apart to 2^-24: finer than one unit of any group."""
SMALLEST, LARGEST = 2.0**-NUM_HALVINGS, 1.0 - 2.0**-NUM_HALVINGS

NAMES = {
    "macs": ("--target-macs", "multiply-adds"),
    "params": ("--target-params", "parameters"),
    "bytes": ("--target-bytes", "bytes of model.onnx"),
    "latency_ms": ("--target-latency", "ms"),
    "latency_ratio": ("--target-latency", "of the dense model's latency"),
}
"""Quantity to the option that limits it, and what its numbers are called."""

Size = Callable[[Choice], float]


def limit_of(target: float | int, dense: int, name: str) -> int:
    """Return a ceiling in units of the quantity: a float below 1 is a fraction of dense, else it is absolute.

    Args:
        target: as given.
        dense: the quantity before.
        name: of the option, for errors.

    Raises:
        PruneError: not positive, or not below dense.
    """
    advice = f"{name} is a ceiling on what stays: a fraction of dense in (0, 1), or a number below {dense:,}"
    if not 0 < target < float("inf"):
        raise PruneError(f"{name} {target!r} leaves nothing", advice=advice)
    limit = int(target * dense) if isinstance(target, float) and target < 1 else int(target)
    if limit < 1:
        raise PruneError(f"{name} {target!r} leaves nothing", advice=advice)
    if limit >= dense:
        raise PruneError(f"{name} {target!r} is not below dense ({dense:,}): nothing would be removed", advice=advice)
    return limit


def unreachable(quantity: str, smallest: float, limit: float) -> PruneError:
    """Return the error that says how small the model can become."""
    option, unit = NAMES[quantity]
    return PruneError(
        f"{option} cannot be reached: the smallest reachable model has {smallest:,.0f} {unit}, {limit:,.0f} allowed",
        advice=f"allow at least {smallest:,.0f}, try --structure both, or loosen --keep, --ratio-for and --round-to",
    )


def smallest_model(chooser: Chooser) -> Choice:
    """Return what is left when as much leaves as may."""
    return chooser.choose(LARGEST)


def largest_below(chooser: Chooser, size: Size, limit: float) -> tuple[float, Choice]:
    """Find the largest model that does not exceed a ceiling.

    The smallest ratio that meets it is found by halving. Where that took one more block, the ratio of filters is then
    halved anew with those blocks gone; and where no filter needs to leave then, with one block fewer as well, of which
    the larger is taken. What is still allowed is given back, the largest step that fits first, until no group could
    have its next width (and, where no filters leave, no block could stay).

    Args:
        chooser: of the dense model.
        size: of a choice; falls as more leaves.
        limit: the size may not exceed it, and the smallest model does not.

    Returns:
        The ratio that it came from, and what leaves.
    """
    ratio, choice, above = _halve(chooser.choose, size, limit)
    if above is not None and above.blocks != choice.blocks:
        fewer = above.blocks
        ratio, choice = _with_blocks(chooser, choice.blocks, size, limit)
        if not choice.leaving and size(chooser.choose(LARGEST, blocks=fewer)) <= limit:
            options = [(ratio, choice), _with_blocks(chooser, fewer, size, limit)]
            ratio, choice = max(options, key=lambda option: size(option[1]))
    return ratio, give_back(chooser, choice, size, limit)


def give_back(chooser: Chooser, choice: Choice, size: Size, limit: float) -> Choice:
    """Enlarge a choice while any part of it could be given back; all parts grow in turns, the largest step first.

    A step that did not fit never fits later: what a channel costs rises with the channels beside it.
    """
    closed: set[str] = set()
    while parts := [part for part in chooser.parts(choice) if part not in closed]:
        grown = {part: size(chooser.enlarged(choice, part)) for part in parts}
        for part in sorted(parts, key=grown.__getitem__, reverse=True):
            trial = chooser.enlarged(choice, part)
            if size(trial) <= limit:
                choice = trial
            else:
                closed.add(part)
    return choice


def next_step(chooser: Chooser, choice: Choice, size: Size) -> NextStep | None:
    """Return the smallest step up from a choice, None where nothing may be given back."""
    steps = [(part, chooser.enlarged(choice, part)) for part in chooser.parts(choice)]
    if not steps:
        return None
    part, larger = min(steps, key=lambda step: size(step[1]))
    num = len(choice.leaving.get(part, ())) - len(larger.leaving.get(part, ()))
    what = f"{num} {'filter' if num == 1 else 'filters'} of {part}" if choice.leaving else f"block {part}"
    return NextStep(size=size(larger), gives_back=what)


def _with_blocks(chooser: Chooser, blocks: tuple[str, ...], size: Size, limit: float) -> tuple[float, Choice]:
    """Return the smallest ratio of filters that meets the limit when these blocks leave."""
    ratio, choice, _ = _halve(lambda share: chooser.choose(share, blocks=blocks), size, limit)
    return ratio, choice


def _halve(choose: Callable[[float], Choice], size: Size, limit: float) -> tuple[float, Choice, Choice | None]:
    """Return the smallest ratio that meets the limit, its choice, and the one just below (None: every ratio does)."""
    low, high = SMALLEST, LARGEST
    best, above = choose(high), choose(low)
    if size(above) <= limit:
        return low, above, None
    for _ in range(NUM_HALVINGS):
        middle = (low + high) / 2
        choice = choose(middle)
        if size(choice) <= limit:
            high, best = middle, choice
        else:
            low, above = middle, choice
    return high, best, above
