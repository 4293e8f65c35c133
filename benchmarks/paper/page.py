"""docs/paper.md from the rows: what was asked, what was found, and the word for each claim."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from benchmarks.markdown import origin, table
from benchmarks.paper.check import check
from benchmarks.paper.claims import Claims, read_claims
from benchmarks.paper.drawing import forest
from benchmarks.paper.grid import FORMS, Form
from benchmarks.paper.judge import Finding, judge
from benchmarks.paper.row import Row, read_rows
from benchmarks.paper.settings import points, settings
from benchmarks.rows import ROOT
from compressor.files import write_all
from compressor.types import Interval

PAGE = ROOT / "docs" / "paper.md"
HEAD = """\
# Does pruning make networks robust?

Written by `python -m benchmarks.paper` from `benchmarks/results/paper/`; nothing here is edited by hand. This project
grew from "On the Effect of Pruning on Adversarial Robustness" (Jordao and Pedrini, {paper}). Its claims are put to the
test here against a control, the dense network tuned by the same recipe, and with a strong battery of attacks besides
the paper's own. What is asked, measured and decided was written before any run, in `benchmarks/paper/claims.toml`. What
was at hand of the paper: {read}

Images are a JPEG copy of CIFAR-10. JPEG is a corruption to networks trained on lossless images, so only differences
between networks tuned alike on these images mean something. No share on this page can be compared with the paper's.
"""
ASKED = """\
## What is asked

{claims}

`control`: slim minus the dense network tuned by the same recipe at the same seed. `pls`: PLS minus the mean of the
other criteria. `layers`: layers minus filters. The last two at equal networks and ceilings on multiply-adds.

{method}

{verdicts}

{measures}
"""
SAID = {
    "digits": "## On digits, for trying out\n\nA ResNet-8 on scikit-learn's digits. Too small for any conclusion.\n",
    "small": "## ResNet-20 on a CPU, the small form\n\nFor CI and for trying out. Too small for any conclusion.\n",
    "cpu": """\
## ResNet-20 on a CPU

What weakens this: **all seeds begin with the same published weights**, so a seed is one fine-tuning (its training
images, their order, the augmentation) and not one training. It is one network. And the tuning is short: what slim
networks have not won back of their accuracy (*clean* below) they lose in robustness too, since what is wrong unattacked
counts as broken. The last column of the second table looks past that.
""",
    "gpu": """\
## Four networks on a GPU

Every seed is a training of its own, from random weights. Settings that are not listed have not been measured yet.
""",
}
TOLD = """\
Differences are in points, the mean over seeds and settings under the claim's own measures; intervals at
{confidence:.0%}, with seeds and with images as the unit; *p* is the larger of the two. The last columns are the same
differences under the strong battery.
"""
NONE = "No rows yet.\n"


def write_page(folder: Path, path: Path) -> None:
    """Write the page and its drawings, and check that the words follow from the numbers.

    Args:
        folder: with a folder of rows for each form.
        path: of the page; drawings go beside it.
    """
    claims, rows = read_claims(), rows_of(folder)
    text = page(rows, claims)
    check(text, claims)
    drawn = {path.parent / name: drawing.encode() for name, drawing in drawings(rows, claims).items()}
    write_all({path: text.encode(), **drawn})
    print(f"wrote {path}", flush=True)


def rows_of(folder: Path) -> dict[str, list[Row]]:
    """Return the rows of each form, as far as they are of its present settings."""
    return {
        name: [row for row in read_rows(folder / name) if row.settings_sha256 == form.digest()]
        for name, form in FORMS.items()
    }


def drawings(rows: Mapping[str, Sequence[Row]], claims: Claims) -> dict[str, str]:
    """Return the drawing of each form with a finding, by the name of its file."""
    found = {name: judge(rows[name], claims, num_seeds=FORMS[name].num_seeds) for name in FORMS if rows.get(name)}
    return {_file(name): forest(findings) for name, findings in found.items() if any(each.spread for each in findings)}


def page(rows: Mapping[str, Sequence[Row]], claims: Claims) -> str:
    """Return the page.

    Args:
        rows: of each form by its name.
        claims: what was asked.
    """
    shown = [name for name in FORMS if rows.get(name)] or ["cpu"]
    asked = ASKED.format(
        claims=table(
            ("claim", "says", "from", "difference"),
            [(f"`{each.id}`", each.says, each.source, f"`{each.difference}`") for each in claims.claim],
            num_left=4,
        ),
        method=claims.test.method,
        verdicts="\n".join(f"- **{word}**: {' '.join(text.split())}" for word, text in claims.verdicts.items()),
        measures=table(
            ("measure", "group", "what"),
            [(each.name, each.group, " ".join(each.what.split())) for each in claims.measure],
            num_left=3,
        ),
    )
    untested = "\n".join(f"- {each.says} ({each.source}) {each.why}" for each in claims.untested)
    return "\n".join(
        [
            HEAD.format(paper=claims.paper, read=_lower(" ".join(claims.read.split()))),
            *(_section(FORMS[name], rows.get(name, ()), claims) for name in shown),
            asked,
            f"## What is not tested\n\n{untested}\n",
        ]
    )


def _section(form: Form, rows: Sequence[Row], claims: Claims) -> str:
    if not rows:
        return f"{SAID[form.name]}\n{NONE}"
    findings = judge(rows, claims, num_seeds=form.num_seeds)
    commands = " and ".join(f"`{each}`" for each in sorted({row.command for row in rows}))
    recipe, num_train = form.recipe, max(row.num_train for row in rows)
    how = (
        f"{commands}\n\n{len(rows)} of the grid's {sum(1 for _ in form.cells())} cells. Tuned for {recipe.epochs} "
        f"epoch{'s' * (recipe.epochs > 1)} on {num_train:,} images, learning rate {recipe.lr:g}; {form.num_seeds} "
        f"seeds; {rows[0].num_images} test images, the same for all; battery `{form.battery}`.\n"
    )
    drawing = f"![differences in points, with intervals over seeds]({_file(form.name)})\n"
    measured = any(each.spread for each in findings)
    codes = f"Digests of the code: {', '.join(sorted({row.code for row in rows}))}.\n"
    return "\n".join(
        [
            SAID[form.name],
            how,
            verdicts(findings, claims) + "\n",
            TOLD.format(confidence=claims.test.confidence),
            "\n".join(sentence(each) for each in findings) + "\n",
            *([drawing] if measured else []),
            *_impossible(rows),
            settings(form, rows, claims) + "\n",
            origin([row.created for row in rows], [row.host for row in rows], [row.versions for row in rows]) + "\n",
            codes,
        ]
    )


def verdicts(findings: Sequence[Finding], claims: Claims) -> str:
    """Return the table that decides: differences in points, p, and the word. `check` reads it back."""
    strong = claims.measures("strong")
    head = ("claim", "verdict", "settings", "difference", "over seeds", "over images", "p", "adjusted p", *strong)
    rows = []
    for each in findings:
        spread = each.spread
        if spread is None or each.p_adjusted is None:
            rows.append([f"`{each.claim.id}`", each.verdict, "0", *("" for _ in head[3:])])
            continue
        told = {one.measure: _signed(one.spread.mean) if one.says_something else "says nothing" for one in each.strong}
        rows.append(
            [
                f"`{each.claim.id}`",
                f"**{each.verdict}**",
                str(each.num_settings),
                points(spread.mean),
                _interval(spread.over_seeds),
                _interval(spread.over_images),
                f"{spread.p:.6g}",
                f"{each.p_adjusted:.6g}",
                *(told.get(name, "") for name in strong),
            ]
        )
    return table(head, rows, num_left=2)


def sentence(finding: Finding) -> str:
    """Return one finding in words."""
    head = f"- {finding.claim.says} **{finding.verdict.capitalize()}**"
    spread = finding.spread
    if spread is None:
        return f"{head}."
    at_seeds = ", ".join(points(value) for value in spread.seeds)
    found = f"{head}: {points(spread.mean)} points ({at_seeds} at the seeds)"
    under = [f"{points(each.spread.mean)} at {_threat(each.measure)}" for each in finding.strong if each.says_something]
    strong = f"; under the strong battery {' and '.join(under)}" if under else ""
    return f"{found}{strong}." + (
        " If anything the opposite: both intervals lie below zero." if finding.is_opposite else ""
    )


def _impossible(rows: Sequence[Row]) -> list[str]:
    """Say which settings are none, and why."""
    found = {
        f"{row.cell.network}, {row.cell.kind} by {row.cell.criterion} at {row.cell.share:.0%}: {row.skipped}"
        for row in rows
        if row.skipped is not None and row.cell.share is not None
    }
    return ["Not possible:\n\n" + "\n".join(f"- {each}" for each in sorted(found)) + "\n"] if found else []


def _signed(difference: float) -> str:
    """Return points whose sign is never rounded away."""
    return f"{100 * difference:+.3g}"


def _interval(interval: Interval) -> str:
    return f"[{points(interval[0])}, {points(interval[1])}]"


def _lower(text: str) -> str:
    return text[0].lower() + text[1:]


def _threat(measure: str) -> str:
    return measure.removeprefix("battery ")


def _file(form: str) -> str:
    return f"paper-{form}.svg"
