"""What may be concluded from times: sessions are the sample, never runs.

Where a session's memory lies, and which neighbour it meets, makes all its runs a little faster or slower together
(measured: two sessions of one small file differ by 0.3 to 0.6 % in their medians after a thousand runs each). Thousands
of runs of one session therefore say nothing about the next one, and an interval from them would be far too narrow.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from scipy.stats import binom, t

from compressor.types import Interval

Times = npt.NDArray[np.float64]

CONFIDENCE = 0.95
NOISE = 0.05
"""A file against itself that is further from 1 than this is noise."""


def ratio_of_pairs(mine: Times, other: Times) -> tuple[float, Interval]:
    """Return the ratio of medians, mine / other, and its interval: Student's t on the logarithms of paired sessions.

    Args:
        mine: (S,) the median of each session, S >= 2; the i-th ran in turns with the i-th of `other`.
        other: (S,) likewise.

    Returns:
        The geometric mean of the sessions' ratios, and its interval at confidence 0.95.
    """
    logs = np.log(mine / other)
    middle = float(logs.mean())
    half = float(t.ppf((1 + CONFIDENCE) / 2, len(logs) - 1) * logs.std(ddof=1) / np.sqrt(len(logs)))
    low, ratio, high = (float(value) for value in np.exp([middle - half, middle, middle + half]))
    return ratio, (low, high)


def median_interval(values: Times) -> Interval:
    """Return the interval of the median by order statistics: it supposes nothing about how values are spread.

    Args:
        values: (n,) independent values: medians of sessions, n >= 6.

    Returns:
        Lower and upper end, two of the values, at confidence at least 0.95.
    """
    ordered = np.sort(values)
    place = int(binom.ppf((1 - CONFIDENCE) / 2, len(values), 0.5))
    return float(ordered[place - 1]), float(ordered[len(values) - place])


def is_noisy(sessions: Sequence[Times]) -> bool:
    """Is a file against itself further from 1 than `NOISE`?

    Three halves are held against the other: runs by turns of two, every other session, and early against late sessions.

    Args:
        sessions: (n,) times of each session, of one file.
    """
    times = np.concatenate(list(sessions))
    runs = np.concatenate([np.arange(len(each)) for each in sessions])
    number = np.repeat(np.arange(len(sessions)), [len(each) for each in sessions])
    for first in (runs // 2 % 2 == 0, number % 2 == 0, number < len(sessions) // 2):
        if first.all() or not first.any():
            continue
        if abs(float(np.median(times[first]) / np.median(times[~first])) - 1) > NOISE:
            return True
    return False
