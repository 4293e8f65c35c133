"""Figures as a person reads them. Shared by the gate's reasons and by every report."""

import math
from datetime import datetime, timedelta

from compressor.types import Interval

MOST_DECIMALS = 4


def percent(share: float, *, besides: float | None = None) -> str:
    """Return a share as `41.2 %`.

    Args:
        share: in [0, 1], or a difference in [-1, 1].
        besides: another share that must not look the same when it differs, such as the demanded one.
    """
    decimals = 1
    while (
        besides is not None
        and share != besides
        and decimals < MOST_DECIMALS
        and f"{100 * share:.{decimals}f}" == f"{100 * besides:.{decimals}f}"
    ):
        decimals += 1
    text = f"{100 * share:.{decimals}f}"
    return f"{'0.0' if text == '-0.0' else text} %"


def demanded_percent(share: float) -> str:
    """Return a limit as it was written: `45 %`, `99.95 %`."""
    return f"{float(f'{100 * share:.10g}'):.6g} %"


def points(share: float, *, besides: float | None = None) -> str:
    """Return a difference of two shares in percentage points: `1.9 points`."""
    return percent(share, besides=besides).removesuffix(" %") + " points"


def demanded_points(share: float) -> str:
    """Return a limit on a difference as it was written: `2 points`, `1 point`."""
    number = demanded_percent(share).removesuffix(" %")
    return f"{number} point{'' if number == '1' else 's'}"


def bracket(interval: Interval, *, besides: float | None = None) -> str:
    """Return an interval of shares in percent: `[38.1, 44.3]`."""
    low, high = (percent(end, besides=besides).removesuffix(" %") for end in interval)
    return f"[{low}, {high}]"


def amount(number: int) -> str:
    """Return a whole number with thousands set apart: `269,722`."""
    return f"{number:,}"


def count(number: float) -> str:
    """Return a count in three digits: `40.8 M`."""
    for limit, unit in ((1e9, " G"), (1e6, " M"), (1e3, " k")):
        if abs(number) >= limit:
            return f"{number / limit:.3g}{unit}"
    return f"{number:.3g}"


def size(num_bytes: int) -> str:
    """Return a file size in decimal units: `1.08 MB`."""
    text = count(num_bytes)
    return f"{text}B" if " " in text else f"{text} B"


def milliseconds(value: float) -> str:
    """Return a duration in three digits: `0.412 ms`."""
    return f"{value:.3g} ms" if value < 100 else f"{value:.0f} ms"


def configuration(provider: str, batch: int, threads: int) -> str:
    """Return what was timed, in words: `cpu, batch 1, 1 thread`."""
    return f"{provider}, batch {batch}, {threads} thread{'' if threads == 1 else 's'}"


def rounded_up(number: float) -> int:
    """Return a number of images to ask for: two digits, rounded up."""
    whole = max(1, math.ceil(number))
    step = int(10 ** max(0, len(str(whole)) - 2))
    return -(-whole // step) * step


def age(span: timedelta) -> str:
    """Return a span of time as `12 days` or `5 hours`."""
    hours = span.total_seconds() / 3600
    number, unit = (hours / 24, "day") if hours >= 48 else (hours, "hour")
    return f"{number:.0f} {unit}{'' if round(number) == 1 else 's'}"


def instant(text: str) -> datetime | None:
    """Return an ISO 8601 time with its zone, or None when the text is none."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return moment if moment.tzinfo is not None else None
