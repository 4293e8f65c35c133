"""The table of docs/paper.md that shows each setting: what was pruned how, and how far it is from the control."""

from collections.abc import Sequence

import numpy as np

from benchmarks.markdown import table
from benchmarks.paper.claims import Claims
from benchmarks.paper.grid import Form
from benchmarks.paper.row import Row

SETTINGS = """\
Rows *control*: shares of the images, mean over seeds. All others: points more or less than the control of the same
seed, mean over the seeds that have both. MACs are what stays. *delivered* is the dense network before any tuning. *of
both*: under {strong}, of the images that this network and the control both answer right unattacked.
"""


def settings(form: Form, rows: Sequence[Row], claims: Claims) -> str:
    """Return one line for each setting: the control's shares, and how far the others are from them."""
    groups = [(name,) for name in (*claims.measures("clean"), *claims.measures("paper"))]
    strong = [(name,) for name in claims.measures("strong")]
    columns = [*groups, claims.measures("corruptions"), *strong]
    names = [names[0].removeprefix("battery ") if len(names) == 1 else "corruptions" for names in columns]
    lines = []
    for network in form.networks:
        mine = [row for row in rows if row.cell.network == network.name and row.skipped is None]
        control = [row for row in mine if row.cell.kind == "control"]
        if not control:
            continue
        of_seed = {row.cell.seed: row for row in control}
        shares = [f"{float(np.mean([_share(row, measures) for row in control])):.1%}" for measures in columns]
        lines.append([network.name, "control", "", "100%", str(len(control)), *shares, ""])
        for kind, criterion, share in sorted(
            {
                (row.cell.kind, row.cell.criterion or "", row.cell.share or 0.0)
                for row in mine
                if row.cell.kind != "control"
            },
            key=str,
        ):
            here = [
                row
                for row in mine
                if (row.cell.kind, row.cell.criterion or "", row.cell.share or 0.0) == (kind, criterion, share)
            ]
            macs = f"{np.mean([row.macs_fraction for row in here]):.0%}"
            pairs = [(row, of_seed[row.cell.seed]) for row in here if row.cell.seed in of_seed]
            changes = [_change(pairs, measures) for measures in columns]
            both = _of_both(here, control, claims.measures("clean")[0], strong[0][0])
            lines.append([network.name, kind, criterion, macs, str(len(pairs)), *changes, both])
    head = ("network", "what", "criterion", "MACs", "seeds", *names, "of both")
    words = SETTINGS.format(strong=strong[0][0].removeprefix("battery "))
    return f"{words}\n{table(head, lines, num_left=3)}"


def _of_both(rows: Sequence[Row], control: Sequence[Row], clean: str, strong: str) -> str:
    """Return the difference under the battery among the images that both answer right unattacked, in points."""
    by_seed = {row.cell.seed: row for row in control}
    changes = []
    for row in rows:
        other = by_seed.get(row.cell.seed)
        if other is not None:
            both = (row.bits(clean) * other.bits(clean)).astype(bool)
            if both.any():
                changes.append(float((row.bits(strong) - other.bits(strong))[both].mean()))
    return points(float(np.mean(changes))) if changes else ""


def _change(pairs: Sequence[tuple[Row, Row]], measures: Sequence[str]) -> str:
    """Return how far networks are from the controls of their seeds, in points; nothing where none has one."""
    changes = [_share(row, measures) - _share(other, measures) for row, other in pairs]
    return points(float(np.mean(changes))) if changes else ""


def _share(row: Row, measures: Sequence[str]) -> float:
    return float(np.mean([row.share(name) for name in measures]))


def points(difference: float) -> str:
    """Return a difference of shares in points: two decimals, and never a minus before zero."""
    return f"{round(100 * difference, 2) + 0.0:+.2f}"
