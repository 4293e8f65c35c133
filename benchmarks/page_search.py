"""The sections of docs/benchmarks.md about the search: beside an exhaustive grid, and within a budget."""

import math
from collections.abc import Sequence
from typing import Any

from benchmarks.markdown import origin, table

WORDS = """\
## The search against an exhaustive grid

`python -m benchmarks.search --seeds 0 2 5 6 --output benchmarks/results`

The demo's model and policy, multiply-adds as small as possible. The grid is five ratios (0.4 to 0.8) times filters or
both times four criteria, 40 candidates with the full recipe, all attacked and judged on select images as the search
judges. *Whole* candidates had the full recipe. Nothing is released here, so that no test image is read; the release of
a winner costs the same either way. The rules of the search were chosen on the networks of seeds 1, 3 and 4, and their
number of heats, nine, so that a quarter of the grid's training images is not exceeded there; earlier rules were changed
while looking at seeds 0 and 2 too. Before the judgement of both left room for the test, the search ended at 0.69, 0.88,
1.00 and 1.00 of the grid's multiply-adds on the same four networks. Candidates that are only looked at cost few images
and passes, but on a network this small as much processor time as their tuning would: planning, cutting and answering
270 images.
"""
HEAD = (
    "seed", "", "candidates", "whole", "passed", "smallest that passed", "multiply-adds", "of dense",
    "accuracy on select", "images trained on", "attack passes", "processor (s)", "clock (s)",
)  # fmt: skip
MOST_WORK, MOST_SECONDS, NUM_PARTS = 0.25, 120.0, 2

BUDGET_WORDS = """\
## A search within its budget

`python -m benchmarks.search_budget 180 300 --output benchmarks/results`

`compress search` on the demo's model with its policy, as a process from its start to its exit: candidates, the release
of the winner on test images by `standard`, its bundle and report. It ends before the budget where another candidate,
which may pass and would be confirmed then, would not end in time. Exit code 4: what was released passed on select
images, and the test images cannot decide. Load: programs that wanted a core at the end. A dash: no record was kept, or
there is no winner.
"""
BUDGET_HEAD = ("budget (s)", "took (s)", "of it", "exit code", "candidates", "winner's multiply-adds", "load")
MOST_OF_BUDGET = 1.05


def against_grid(records: Sequence[dict[str, Any]]) -> str:
    """Return the table, and each target beside what was found."""
    if not records:
        return f"{WORDS}\nNo rows yet.\n"
    rows = [row for record in records for row in record["rows"]]
    created, hosts, versions = ([record[name] for record in records] for name in ("created", "host", "versions"))
    made = table(HEAD, [_cells(row) for row in rows], num_left=2)
    seeds = sorted({row["settings"]["seed"] for row in rows})
    pairs = [{row["part"]: row for row in rows if row["settings"]["seed"] == seed} for seed in seeds]
    targets = _targets([pair for pair in pairs if len(pair) == NUM_PARTS])
    loads = sorted({row["load"] for row in rows})
    busy = f"Other work at the same time: {' and '.join(f'{load:g}' for load in loads)} processes wanted a core."
    return "\n".join([WORDS, made + "\n", *targets, "", origin(created, hosts, versions), "", busy, ""])


def _cells(row: dict[str, Any]) -> list[str]:
    best = row["best_share"] is not None
    return [
        str(row["settings"]["seed"]),
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


def _targets(pairs: Sequence[dict[str, dict[str, Any]]]) -> list[str]:
    """Say of all seeds together whether the search is as good as the grid, and at what work."""
    if not pairs:
        return []
    sizes = [(pair["search"]["best_macs"] or math.inf, pair["grid"]["best_macs"] or math.inf) for pair in pairs]
    num = sum(ours <= grid for ours, grid in sizes)
    shares = ", ".join("nothing found" if math.inf in pair else f"{pair[0] / pair[1]:.2f}" for pair in sizes)
    lines = [
        f"- at most as large as the best of the grid: on {num} of {len(pairs)} networks ({shares} of its "
        f"multiply-adds), {_reached(num == len(pairs))}."
    ]
    for key, what in (
        ("num_images_trained", "training images"),
        ("num_passes", "attack passes"),
        ("cpu_seconds", "processor time"),
    ):
        share = sum(pair["search"][key] for pair in pairs) / sum(pair["grid"][key] for pair in pairs)
        lines.append(f"- at most a quarter of the grid's {what}: {share:.0%}, {_reached(share <= MOST_WORK)}.")
    seconds = max(pair["search"]["seconds"] for pair in pairs)
    lines.append(f"- within two minutes by the clock: at most {seconds:.0f} s, {_reached(seconds <= MOST_SECONDS)}.")
    return lines


def budgets(records: Sequence[dict[str, Any]]) -> str:
    """Return how long searches took beside what they were given."""
    if not records:
        return f"{BUDGET_WORDS}\nNo rows yet.\n"
    rows = [row for record in records for row in record["rows"]]
    created, hosts, versions = ([record[name] for record in records] for name in ("created", "host", "versions"))
    cells = [
        [
            str(row["budget_seconds"]),
            f"{row['seconds']:.0f}",
            f"{row['seconds'] / row['budget_seconds']:.0%}",
            str(row["exit"]),
            "-" if row["num_candidates"] is None else str(row["num_candidates"]),
            "-" if row["best_share"] is None else f"{row['best_share']:.1%}",
            f"{row['load']:g}",
        ]
        for row in rows
    ]
    over = max(row["seconds"] / row["budget_seconds"] for row in rows)
    goal = f"- at most {MOST_OF_BUDGET:.0%} of what was given: at most {over:.0%}, {_reached(over <= MOST_OF_BUDGET)}."
    made = table(BUDGET_HEAD, cells, num_left=0)
    return "\n".join([BUDGET_WORDS, made + "\n", goal, "", origin(created, hosts, versions), ""])


def _reached(is_reached: bool) -> str:
    return "reached" if is_reached else "**not reached**"
