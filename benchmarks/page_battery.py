"""The sections of docs/benchmarks.md that are about batteries."""

from collections.abc import Sequence

from benchmarks.battery_claims import REFERENCES, claims, seconds, whole_seconds
from benchmarks.battery_row import Answer, Row
from benchmarks.markdown import origin, table

ORACLES = """\
## Batteries on the two oracles

`python -m benchmarks.battery oracle`

Both networks of `../shared/data` with their published images, for which the answer of reference AutoAttack `standard`
(fra31/auto-attack) is known. Its cost is reckoned, not run: 7,850 forward and 1,910 backward passes for each image that
survives it. Its time was not measured either: our `full` stands in, which holds its four components at its settings
behind cheaper attacks.

All batteries of a table ran in turns in one process. Seconds are medians of processor time on one thread, checks left
out. Passes are counted by image, clean answers, Square and all judging included; *checks* are those of the preflight on
top. torchattacks ran as its documentation shows it: `AutoAttack(version="standard")`, which takes 10 steps where the
reference takes 100, and `PGD(steps=40)` with a quarter of epsilon as its step, all images in one batch. The settings of
`standard` are chosen on other networks, see below.
"""
RESNETS = """\
## `standard` against `full` on residual networks

`python -m benchmarks.battery resnet`, with `--device cuda:0` where there is a GPU: on one core `full` takes most of a
minute for each image that survives.

A network trained on natural images and one made robust here, at radii at which something stands. *missed*: images that
`standard` leaves and `full` breaks.
"""
CHOICE = """\
## What the settings of `standard` are chosen by

`python -m benchmarks.battery choice`

Small networks trained for this purpose; the oracles above are only reported.
"""
SPEED = """\
## How long `standard` takes

`python -m benchmarks.battery speed`

Seconds of processor time on one thread, preflight included. With `--decide`, images are attacked only until it is
certain whether the policy (`benchmarks/policies/cnn-a-mix.toml`: at least 40 % at linf:2/255) holds.
"""
COLUMNS = ("battery", "right under attack", "forwards", "backwards", "of the reference's", "checks", "seconds", "runs")
NAMES = {
    "quick": "`quick`",
    "standard": "`standard`",
    "full": "`full`",
    "standard --decide": "`standard`, `--decide`",
    "torchattacks PGD-40": "torchattacks PGD-40",
    "torchattacks AutoAttack": "torchattacks AutoAttack",
}


def oracles(rows: Sequence[Row]) -> str:
    """Return what batteries answer where reference AutoAttack's answer is known."""
    mine = [row for row in rows if row.name in REFERENCES]
    parts = [ORACLES]
    for row in mine:
        reference = REFERENCES[row.name]
        parts.append(f"### {row.model.partition(',')[0]}, {row.threat}\n")
        parts.append(f"{row.num_right() / row.num_images:.1%} of {row.num_images} images right unattacked.\n")
        head = (
            "battery",
            "right under attack",
            "forwards",
            "backwards",
            "of the reference's",
            "checks",
            "seconds",
            "runs",
        )
        known = [
            "reference AutoAttack",
            f"{reference.autoattack / row.num_images:.1%}",
            "-",
            "-",
            "100%",
            "-",
            "-",
            "-",
        ]
        parts.append(table(head, [known, *(_cells(row, each) for each in row.answers)]) + "\n")
        parts.append(_judged([row]))
    return "\n".join([*parts, _ending(mine)])


def resnets(rows: Sequence[Row]) -> str:
    """Return how far `standard` is from `full` on residual networks."""
    return _compared(RESNETS, [row for row in rows if row.kind == "resnet"])


def choice(rows: Sequence[Row]) -> str:
    """Return how far `standard` is from `full` on the networks that its settings are chosen by."""
    return _compared(CHOICE, [row for row in rows if row.kind == "choice"])


def speed(rows: Sequence[Row]) -> str:
    """Return how long `standard` takes."""
    mine = [row for row in rows if row.kind == "speed"]
    head = (
        "network",
        "threat",
        "battery",
        "images",
        "attacked",
        "right under attack",
        "seconds",
        "by the wall",
    )
    cells = [
        [
            row.model,
            row.threat,
            NAMES[each.battery],
            f"{row.num_images:,}",
            f"{each.num_looked_at or row.num_images:,}",
            f"{row.num_standing(each) / (each.num_looked_at or row.num_images):.1%}",
            f"{whole_seconds(each):.1f}",
            f"{each.wall_seconds[0]:.1f}",
        ]
        for row in mine
        for each in row.answers
    ]
    return "\n".join([SPEED, *([table(head, cells, num_left=3) + "\n", _judged(mine)] if mine else []), _ending(mine)])


def _compared(words: str, mine: Sequence[Row]) -> str:
    head = ("network", "threat", "images", "clean", "`standard`", "`full`", "missed", "passes of `full`", "reached")
    cells = [_pair(row) for row in mine]
    return "\n".join([words, *([table(head, cells, num_left=3) + "\n"] if mine else []), _ending(mine)])


def _pair(row: Row) -> list[str]:
    standard, full = row.answer("standard"), row.answer("full")
    begin = [row.model, row.threat, f"{row.num_images} of {row.images}", f"{row.num_right() / row.num_images:.1%}"]
    if standard is None or full is None:
        left = "-" if standard is None else f"{row.num_standing(standard) / row.num_images:.1%}"
        return [*begin, left, "waits", "-", "-", "-"]
    missed = int((row.stands(standard) & ~row.stands(full)).sum())
    passes = [each.num_forward + each.num_backward for each in (standard, full)]
    return [
        *begin,
        *(f"{row.num_standing(each) / row.num_images:.1%}" for each in (standard, full)),
        str(missed),
        f"{passes[0] / passes[1]:.1%}",
        " and ".join(_yes(claim.holds) for claim in claims(row)),
    ]


def _cells(row: Row, answer: Answer) -> list[str]:
    passes = REFERENCES[row.name].passes
    checks = answer.preflight_forward + answer.preflight_backward
    return [
        NAMES[answer.battery],
        f"{row.num_standing(answer) / row.num_images:.1%}",
        f"{answer.num_forward:,}",
        f"{answer.num_backward:,}",
        f"{(answer.num_forward + answer.num_backward) / passes:.2%}",
        f"{checks / passes:.2%}" if checks else "-",
        f"{seconds(answer):.1f}",
        str(len(answer.seconds)),
    ]


def _judged(rows: Sequence[Row]) -> str:
    """Return what was to be reached, and whether it was."""
    lines = [
        f"- {claim.what}: {claim.found}, {'reached' if claim.holds else '**not reached**'}."
        for row in rows
        for claim in claims(row)
    ]
    return "\n".join([*lines, ""])


def _ending(rows: Sequence[Row]) -> str:
    """Say where the rows come from, which list of attacks they are about, and what is missing."""
    if not rows:
        return "No rows yet.\n"
    found = {str(row.load) for row in rows}
    lists = dict.fromkeys(_listed(each) for row in rows for each in row.answers if each.battery == "standard")
    lines = [
        *(f"`standard` was: {text}." for text in lists),
        origin((row.created for row in rows), (row.host for row in rows), (row.versions for row in rows))
        + f" Busy with other work at the same time: {', '.join(sorted(found))} processes wanted a core.",
        f"Digests of the code: {', '.join(sorted({row.code for row in rows}))}.\n",
    ]
    return "\n\n".join(lines)


def _listed(answer: Answer) -> str:
    parts = []
    for each in answer.attacks:
        shown = ", ".join(f"{key} {value}" for key, value in each.settings.items())
        parts.append(f"{each.name} ({shown})" if shown else each.name)
    return "; ".join(parts)


def _yes(holds: bool) -> str:
    return "yes" if holds else "**no**"
