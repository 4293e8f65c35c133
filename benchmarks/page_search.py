"""The section of docs/benchmarks.md about the search beside an exhaustive grid."""

from collections.abc import Sequence
from typing import Any

from benchmarks.markdown import origin, table

WORDS = """\
## The search against an exhaustive grid

`python -m benchmarks.search --output benchmarks/results`

The demo's model and policy, multiply-adds as small as possible. The grid is five ratios (0.4 to 0.8) times filters or
both times four criteria, 40 candidates with the full recipe, all attacked and judged on select images as the search
judges. *Whole* candidates had the full recipe. Nothing is released here, so that no test image is read; the release of
a winner costs the same either way.
"""
HEAD = (
    "", "candidates", "whole", "passed", "smallest that passed", "multiply-adds", "of dense", "accuracy on select",
    "images trained on", "attack passes", "processor (s)", "clock (s)",
)  # fmt: skip
MOST_WORK, MOST_SECONDS = 0.25, 120.0


def against_grid(records: Sequence[dict[str, Any]]) -> str:
    """Return the table, and each target beside what was found."""
    if not records:
        return f"{WORDS}\nNo rows yet.\n"
    rows = [row for record in records for row in record["rows"]]
    created, hosts, versions = ([record[name] for record in records] for name in ("created", "host", "versions"))
    made = table(HEAD, [_cells(row) for row in rows], num_left=1)
    targets = [line for record in records for line in _targets({row["part"]: row for row in record["rows"]})]
    loads = sorted({row["load"] for row in rows})
    busy = f"Other work at the same time: {' and '.join(f'{load:g}' for load in loads)} processes wanted a core."
    return "\n".join([WORDS, made + "\n", *targets, "", origin(created, hosts, versions), "", busy, ""])


def _cells(row: dict[str, Any]) -> list[str]:
    best = row["best_share"] is not None
    return [
        row["part"],
        str(row["num_candidates"]),
        str(row["num_whole"]),
        str(row["num_passed"]),
        row["best"] or "none",
        f"{row['best_macs']:,}" if best else "-",
        f"{row['best_share']:.1%}" if best else "-",
        f"{row['best_accuracy']:.1%}" if best else "-",
        f"{row['num_images_trained']:,}",
        f"{row['num_passes']:,}",
        f"{row['cpu_seconds']:.0f}",
        f"{row['seconds']:.0f}",
    ]


def _targets(found: dict[str, dict[str, Any]]) -> list[str]:
    """Say of one record whether the search is as good as the grid, and at what work."""
    if not {"search", "grid"} <= set(found):
        return []
    ours, grid = found["search"], found["grid"]
    lines = []
    if grid["best_macs"] is not None:
        is_small = ours["best_macs"] is not None and ours["best_macs"] <= grid["best_macs"]
        mine = "nothing" if ours["best_macs"] is None else f"{ours['best_macs']:,}"
        lines.append(
            f"- at most as large as the best of the grid: {mine} against {grid['best_macs']:,} multiply-adds, "
            f"{_reached(is_small)}."
        )
    for key, what in (
        ("num_images_trained", "training images"),
        ("num_passes", "attack passes"),
        ("cpu_seconds", "processor time"),
    ):
        share = ours[key] / grid[key]
        lines.append(f"- at most a quarter of the grid's {what}: {share:.0%}, {_reached(share <= MOST_WORK)}.")
    seconds = ours["seconds"]
    lines.append(f"- within two minutes by the clock: {seconds:.0f} s, {_reached(seconds <= MOST_SECONDS)}.")
    return lines


def _reached(is_reached: bool) -> str:
    return "reached" if is_reached else "**not reached**"
