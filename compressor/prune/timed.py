"""From a ceiling on latency to a model below it. Time is no function of a ratio: what counts was measured."""

from collections.abc import Callable

from compressor.errors import PruneError
from compressor.progress import Progress
from compressor.prune.choose import Choice, Chooser
from compressor.prune.measured import Bench, key_of
from compressor.prune.plan_record import NextStep
from compressor.prune.targets import LARGEST, NAMES, SMALLEST, give_back, smallest_model

NUM_TIMED = 7
"""Candidates that are timed on the way, at most: ratios are then told apart to a hundredth."""
NUM_CONFIRMED = 4
"""Candidates that are timed thoroughly at the end, at most."""
CLOSE = 0.01
"""A candidate this close below the ceiling, as a fraction of dense, ends the search for a ratio."""
NUM_ENLARGED = 8
"""Models with single layers or blocks given back that are timed after that, thoroughly, at most."""
NARROW = 0.02
"""A gap of this fraction of dense ends giving back."""

Times = list[tuple[Choice, float]]
"""Choices, and the upper end of what each measured."""


def fit_latency(
    chooser: Chooser, bench: Bench, limit: float, *, quantity: str, dense: Choice, progress: Progress
) -> tuple[float, Choice, NextStep | None]:
    """Find the largest measured model whose latency is surely below a ceiling.

    Latency does not fall steadily with the ratio: narrower layers can be slower. So nothing is concluded about models
    that were not measured. The interval of ratios is halved, going by whether the upper end of a short measurement is
    below the ceiling; then the largest that was is measured thoroughly, where that is above the next largest, and the
    smallest of all last. One ratio moves all layers at once and leaves a gap, which is then given back to single
    layers, or blocks, in a few steps that are measured thoroughly too.

    Args:
        chooser: of the dense model.
        bench: has measured the dense model.
        limit: milliseconds, or a ratio to the dense model's latency.
        quantity: `latency_ms` or `latency_ratio`.
        dense: the choice that leaves nothing.
        progress: told of each measurement.

    Returns:
        The ratio, what leaves, and the smallest measured model above the ceiling.

    Raises:
        PruneError: no measured model is surely below the limit.
    """
    scale = bench.value(dense)
    above: Times = [(dense, bench.upper(dense))]
    too_slow: Times = list(above)
    with progress.stage("fit latency", total=NUM_TIMED + 1 + NUM_ENLARGED, unit="measurement") as step:

        def upper(choice: Choice, *, thorough: bool = False) -> float:
            found = bench.upper(choice, thorough=thorough)
            step.advance(1, f"at most {found:.4g} at {choice.cost.macs:,} multiply-adds")
            if found >= limit:
                above.append((choice, found))
            return found

        def thoroughly(choice: Choice) -> float:
            found = upper(choice, thorough=True)
            if found >= limit:
                too_slow.append((choice, found))
            return found

        below = _halved(chooser, upper, limit, close=CLOSE * scale)
        candidates = [(ratio, below[ratio]) for ratio in sorted(below)[:NUM_CONFIRMED]]
        for ratio, fits in (*candidates, (LARGEST, smallest_model(chooser))):
            if thoroughly(fits) < limit:
                choice = _given_back(chooser, fits, thoroughly, limit, narrow=NARROW * scale, too_slow=too_slow)
                return ratio, choice, _step_up(choice, above)
    option, unit = NAMES[quantity]
    fastest = min(each.upper for each in bench.tried)
    raise PruneError(
        f"{option} {limit:g} was not reached: the fastest of {len(bench.tried)} measured models has at most "
        f"{fastest:.4g} {unit}, and the smallest was among them",
        advice="allow more, try --structure both, or measure on a machine that does nothing else",
    )


def _halved(chooser: Chooser, upper: Callable[[Choice], float], limit: float, *, close: float) -> dict[float, Choice]:
    """Halve the interval of ratios, and return those whose choice was below the limit."""
    low, high = SMALLEST, LARGEST
    below: dict[float, Choice] = {}
    for _ in range(NUM_TIMED):
        middle = (low + high) / 2
        choice = chooser.choose(middle)
        found = float("inf") if choice.is_empty else upper(choice)
        if found >= limit:
            low = middle
            continue
        high, below[middle] = middle, choice
        if limit - found <= close:
            break
    return below


def _given_back(
    chooser: Chooser,
    choice: Choice,
    upper: Callable[[Choice], float],
    limit: float,
    *,
    narrow: float,
    too_slow: Times,
) -> Choice:
    """Enlarge single layers (or blocks, where no filters leave) while a measured model stays below the limit.

    Multiply-adds only say what to try next: as many more as a straight line to the smallest larger model that was too
    slow allows; where the last was below with room to spare, half the way at least, because a layer that is slow at one
    width bends the line. Where that is not enough for any step, the smallest step that was not tried yet is.

    Args:
        chooser: of the dense model.
        choice: was measured, and is below the limit.
        upper: measures a choice thoroughly, once.
        limit: of the upper end.
        narrow: a gap that ends it.
        too_slow: the dense model, and what was measured thoroughly and is not below; grows with `upper`.
    """
    reached, is_timid = upper(choice), False
    for _ in range(NUM_ENLARGED):
        if limit - reached <= narrow:
            break
        ceiling, slow = min((other.cost.macs, time) for other, time in too_slow if other.cost.macs > choice.cost.macs)
        share = (limit - narrow / 2 - reached) / (slow - reached)
        share = max(share, 0.5) if is_timid else share
        allowed = choice.cost.macs + share * (ceiling - choice.cost.macs)
        trial = give_back(chooser, choice, _macs, min(allowed, ceiling - 1))
        if key_of(trial) == key_of(choice):
            known = {key_of(other) for other, _ in too_slow}
            steps = [chooser.enlarged(choice, part) for part in chooser.parts(choice)]
            untried = [step for step in steps if key_of(step) not in known]
            if not untried:
                break
            trial = min(untried, key=_macs)
        found = upper(trial)
        is_timid = found < limit
        if is_timid:
            choice, reached = trial, found
    return choice


def _macs(choice: Choice) -> float:
    return choice.cost.macs


def _step_up(choice: Choice, above: Times) -> NextStep:
    """Return the fastest larger model that was too slow; the dense one is always among them."""
    larger, size = min(
        ((other, time) for other, time in above if other.cost.macs > choice.cost.macs), key=lambda pair: pair[1]
    )
    blocks = [name for name in choice.blocks if name not in larger.blocks]
    filters = larger.cost.filters - choice.cost.filters
    if not choice.leaving and not larger.leaving:
        what = f"block {blocks[0]}" if len(blocks) == 1 else f"{len(blocks)} blocks"
    elif filters > 0:
        what = f"{filters} {'filter' if filters == 1 else 'filters'} in all"
    else:
        what = f"{larger.cost.macs - choice.cost.macs:,} multiply-adds in all"
    return NextStep(size=size, gives_back=what)
