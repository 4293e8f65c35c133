"""The section of docs/benchmarks.md about how long the command line takes to start."""

from collections.abc import Sequence
from typing import Any

from benchmarks.markdown import origin, table

WORDS = """\
## Start-up of the command line

`python -m benchmarks.startup --output benchmarks/results`

Fresh processes in turns; `compress gate` from its start to the verdict on one record. Medians by the clock, and of
processor time, which other work on the machine changes less.
"""
HEAD = ("command", "runs", "median (s)", "p90 (s)", "processor time (s)")
MOST_SECONDS = 0.3
"""For `compress --help`, on two cores."""


def startup(records: Sequence[dict[str, Any]]) -> str:
    """Return the table, and the goal beside what was found."""
    if not records:
        return f"{WORDS}\nNo rows yet.\n"
    rows = [row for record in records for row in record["rows"]]
    cells = [
        [
            f"`{row['command']}`",
            str(row["num_runs"]),
            f"{row['median_seconds']:.3f}",
            f"{row['p90_seconds']:.3f}",
            f"{row['median_cpu_seconds']:.3f}",
        ]
        for row in rows
    ]
    loads = sorted({f"{row['load']:g}" for row in rows})
    created, hosts, versions = ([record[name] for record in records] for name in ("created", "host", "versions"))
    goals = [
        f"- `{row['command']}` within {MOST_SECONDS:g} s: {row['median_seconds']:.3f} s, "
        f"{'reached' if row['median_seconds'] <= MOST_SECONDS else '**not reached**'} "
        f"({row['median_cpu_seconds']:.3f} s of processor time)."
        for row in rows
        if row["command"] == "compress --help"
    ]
    busy = f"Other work at the same time: {' and '.join(loads)} processes wanted a core."
    return "\n".join([WORDS, table(HEAD, cells) + "\n", *goals, "", origin(created, hosts, versions), "", busy, ""])
