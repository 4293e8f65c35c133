"""Rows of the paper's grid as if it had been measured, with known gains over the control."""

from collections.abc import Sequence

import numpy as np

from benchmarks.paper.claims import read_claims
from benchmarks.paper.grid import FORMS
from benchmarks.paper.judge import Finding, judge
from benchmarks.paper.row import SCHEMA, Cell, Row, packed

CLAIMS = read_claims()
FORM = FORMS["cpu"]
NUM_IMAGES = 1000
LEVELS = {"clean": 800, "paper": 300, "corruptions": 600, "strong": 200}
"""Images of a thousand that the control answers right, by group of measures."""

Gains = dict[str, int]
"""Group of measures to images more than the control's."""


def made(cell: Cell, gains: Gains) -> Row:
    """Return a row whose first so-and-so-many images are right; a seed more makes three images more."""
    right = {}
    for measure in CLAIMS.measure:
        num = LEVELS[measure.group] + gains.get(measure.group, 0) + 3 * cell.seed * (cell.kind != "control")
        right[measure.name] = packed(np.arange(NUM_IMAGES) < num)
    return Row(
        schema=SCHEMA, created="2026-01-02T03:04:05+00:00", form=FORM.name, settings_sha256=FORM.digest(), cell=cell,
        dense_sha256="d", macs_fraction=cell.share or 1.0, params_fraction=1.0, recipe=None, num_train=10,
        select_accuracy_before=None, select_accuracy=None, best_epoch=None, battery=FORM.battery,
        num_images=NUM_IMAGES, images_sha256="", right=right, seconds=1.0, load=1.0, device="cpu", code="c0de",
        command="python -m benchmarks.paper", versions={"torch": "9"}, host={"cpu": "abacus", "cores": 2, "gpu": ""},
    )  # fmt: skip


def grid(filters: Gains, layers: Gains, *, pls: Gains | None = None) -> list[Row]:
    """Return all rows of the grid for a CPU, with what filters, filters by PLS and layers gain over the control."""
    gains = {"filters": filters, "layers": layers}
    return [made(cell, (pls if cell.criterion == "pls" and pls else gains.get(cell.kind, {}))) for cell in FORM.cells()]


def found(rows: Sequence[Row]) -> dict[str, Finding]:
    """Return the findings by claim."""
    return {each.claim.id: each for each in judge(rows, CLAIMS, num_seeds=FORM.num_seeds)}


BETTER = {"paper": 40, "strong": 40}
WEAKLY = {"paper": 40, "strong": -40}
WORSE = {"paper": -40, "strong": -40, "clean": -20}
