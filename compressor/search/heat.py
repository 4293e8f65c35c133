"""A heat: a few candidates of one size are looked at, the better half is tuned shortly, and the best goes on.

Sources: Jamieson and Talwalkar, Non-stochastic Best Arm Identification (successive halving), arXiv 1502.07943; Li and
others, EagleEye (accuracy with re-estimated statistics tells cuts apart), arXiv 2007.02491.
"""

import math
from collections.abc import Callable, Sequence

from compressor.progress import Progress
from compressor.search.examiner import Examiner
from compressor.search.found import Looked
from compressor.search.record import Candidate, Trial

NUM_LOOKED_AT = 4
"""Candidates of which half are tuned shortly, and one by the whole recipe."""

MOST_TAKEN = 12
"""Candidates in all, those included that could not be cut to this size, or not otherwise than others."""


def hold_heat(
    examiner: Examiner,
    take: Callable[[], tuple[int, Candidate] | None],
    *,
    past: Callable[[], Sequence[Trial]],
    watch: Callable[[int], Progress],
) -> tuple[Trial, ...]:
    """Look at the candidates of a heat, and take the best of them as far as it comes; for a hopeless one the next.

    Args:
        examiner: of the network.
        take: gives the next candidate and its number, None where there is no other.
        past: tells the candidates that ended by now, of all processes.
        watch: gives who is told where the candidate of a number stands; what they raise ends the heat.

    Returns:
        The records of all candidates, in their order.
    """
    heat: list[Looked] = []
    while sum(each.was_looked_at for each in heat) < NUM_LOOKED_AT and len(heat) < MOST_TAKEN:
        taken = take()
        if taken is None:
            break
        number, candidate = taken
        heat.append(examiner.look(number, candidate, heat=heat, past=past(), progress=watch(number)))
    ranked = sorted((each for each in heat if each.why is None), key=lambda each: -each.promise)
    half: list[Looked] = []
    for each in ranked:
        if len(half) < math.ceil(len(ranked) / 2):
            examiner.tune_shortly(each, past=past(), progress=watch(each.number))
            half += [each] if each.why is None else []
    best = max(half, key=lambda each: (each.promise, -each.number), default=None)
    lost = ""
    if best is not None:
        lost = f"candidate {best.number} of the same heat looked no worse at this point"
        examiner.finish(best, progress=watch(best.number))
    return tuple(examiner.record(each, heat=heat[0].number, why=each.why or lost) for each in heat)
