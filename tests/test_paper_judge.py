"""Claims of the paper are decided as they were written: differences, tests, and the word."""

import random
from dataclasses import replace

import numpy as np
import pytest
from paper_rows import BETTER, CLAIMS, FORM, LEVELS, NUM_IMAGES, WEAKLY, WORSE, Gains, found, grid, made

from benchmarks.paper.page import page
from benchmarks.paper.row import packed
from benchmarks.paper.statistics import holm, p_above_zero, t_interval


def test_holm_steps_down() -> None:
    """A worked example: 0.005 times 4, 0.01 times 3, 0.03 times 2, and 0.04 times 1, held up to what came before."""
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx((0.03, 0.06, 0.06, 0.02))
    assert holm([0.6, 0.5]) == pytest.approx((1.0, 1.0))
    assert holm([]) == ()


def test_holm_says_what_its_steps_do() -> None:
    """At any alpha, adjusted values reject what comparing the smallest with alpha / m, the next with less, does."""
    source = random.Random(0)
    for _ in range(50):
        ps = [source.random() ** 3 for _ in range(5)]
        rejected = set()
        for rank, place in enumerate(sorted(range(5), key=ps.__getitem__)):
            if ps[place] > 0.05 / (5 - rank):
                break
            rejected.add(place)
        assert {place for place, adjusted in enumerate(holm(ps)) if adjusted <= 0.05} == rejected


def test_t_is_students() -> None:
    """Values 1, 2, 3: t is 2 / (1 / sqrt 3), with two degrees of freedom p = (1 - t / sqrt(t^2 + 2)) / 2."""
    values = np.array([1.0, 2.0, 3.0])
    t = 2 * 3**0.5
    assert p_above_zero(values) == pytest.approx((1 - t / (t * t + 2) ** 0.5) / 2)
    assert p_above_zero(-values) == pytest.approx(1 - p_above_zero(values))
    assert t_interval(values, 0.95) == pytest.approx((2 - 4.302653 / 3**0.5, 2 + 4.302653 / 3**0.5))
    assert p_above_zero(np.array([0.1, 0.1, 0.1])) == 0.125
    assert p_above_zero(np.zeros(3)) == 1


def test_differences_are_those_of_the_rows() -> None:
    """The control is subtracted at each seed, and settings, attacks and images are averaged."""
    each = found(grid(BETTER, WORSE))["filters"]
    assert each.num_settings == 4
    assert each.spread is not None
    assert each.spread.seeds == pytest.approx((0.040, 0.043, 0.046))
    assert each.strong[0].standing == pytest.approx((0.243, 0.2))


@pytest.mark.parametrize(
    ("gains", "word"),
    [(BETTER, "confirmed"), (WEAKLY, "confirmed only under weak attacks"), (WORSE, "not confirmed")],
)
def test_the_word_follows_from_the_rows(gains: Gains, word: str) -> None:
    """Robust to all, robust to the paper's attacks only, and robust to none."""
    findings = found(grid(gains, {}))
    assert findings["filters"].verdict == word
    assert findings["filters"].is_opposite == (gains is WORSE)


def test_an_epsilon_where_nothing_stands_says_nothing() -> None:
    """What is gained where fewer than one image in a hundred stands is no sign."""
    nearly_none = {"paper": 40, "strong": 5 - LEVELS["strong"]}
    rows = [made(cell, nearly_none if cell.kind != "control" else {"strong": -198}) for cell in FORM.cells()]
    for row in rows:
        assert row.share("battery linf:1/255") < 0.02
    low = [
        replace(row, right={**row.right, **dict.fromkeys(CLAIMS.measures("strong"), packed(np.arange(NUM_IMAGES) < 9))})
        for row in rows
    ]
    finding = found(low)["filters"]
    assert not any(each.says_something for each in finding.strong)
    assert finding.verdict == "confirmed only under weak attacks"
    assert "says nothing" in page({"cpu": low}, CLAIMS)


def test_one_seed_that_disagrees_is_enough_to_doubt() -> None:
    """Three seeds of which one loses what the others gain confirm nothing."""
    rows = [made(row.cell, WORSE) if row.cell.seed == 2 and row.cell.share else row for row in grid(BETTER, BETTER)]
    assert found(rows)["filters"].verdict == "not confirmed"


def test_images_are_a_unit_too() -> None:
    """What three images gain at every seed alike may be chance of the images: p is the larger of both."""
    rows = [
        replace(
            made(row.cell, {"paper": 1}),
            right=made(replace(row.cell, seed=0), {"paper": row.cell.share is not None}).right,
        )
        for row in grid({}, {})
    ]
    spread = found(rows)["filters"].spread
    assert spread is not None
    assert spread.mean == pytest.approx(0.001)
    assert spread.p == pytest.approx(p_above_zero(np.array([1.0] + [0.0] * (NUM_IMAGES - 1))))


def test_pls_is_compared_with_the_other_criteria() -> None:
    """Only filters count, at the same share; without another criterion nothing is measured."""
    rows = grid({}, WORSE, pls=BETTER)
    finding = found(rows)["pls"]
    assert finding.num_settings == 2
    assert finding.spread is not None
    assert finding.spread.mean == pytest.approx(0.04)
    alone = [row for row in rows if row.cell.criterion != "l1"]
    assert found(alone)["pls"].verdict == "not measured"


def test_layers_are_compared_with_filters() -> None:
    """The mean over criteria on either side, at the same share."""
    finding = found(grid(WORSE, BETTER))["layers-over-filters"]
    assert finding.num_settings == 2
    assert finding.spread is not None
    assert finding.spread.mean == pytest.approx(0.08)


def test_a_setting_without_all_its_seeds_does_not_count() -> None:
    """A budget that ended in the middle leaves that setting out, and with none left nothing is measured."""
    rows = [row for row in grid(BETTER, {}) if row.cell.name != "resnet20-filters-l1-0.77-seed2"]
    assert found(rows)["filters"].num_settings == 3
    no_control = [row for row in rows if row.cell.name != "resnet20-control-seed1"]
    assert {each.verdict for each in found(no_control).values()} == {"not measured"}


def test_a_control_of_another_dense_network_is_none() -> None:
    """Where a network was trained anew for some cells, they are not compared with the control of the first one."""
    rows = grid(BETTER, {})
    other = [replace(row, dense_sha256="e") if row.cell.criterion == "pls" else row for row in rows]
    assert found(rows)["filters"].num_settings == 4
    assert found(other)["filters"].num_settings == 2
