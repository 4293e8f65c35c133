"""What is printed about a plan."""

import dataclasses

import pytest
import torch
from torch import nn

from cli.texts import plan_text
from compressor.data import parse_preprocess
from compressor.load import load
from compressor.prune import NextStep, Plan, plan


@pytest.fixture(scope="module")
def made() -> Plan:
    """Return a plan with a ceiling on parameters: 16 filters of 28 numbers, read by 10 x 16 weights."""
    torch.manual_seed(0)
    layers = [nn.Conv2d(3, 16, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(16, 10)]
    dense = load(nn.Sequential(*layers), preprocess=parse_preprocess("none"), input_size=(8, 8))
    return plan(dense, target_params=0.5)


def test_a_wide_gap_names_the_next_step(made: Plan) -> None:
    """By hand: 618 parameters, 309 allowed; 6 filters make 238 and 8 make 314, so the gap is 11.5 % of dense."""
    lines = plan_text(made).splitlines()
    assert "ceiling         309 parameters, reached 238: a gap of 11.49% of dense" in lines
    assert "next step up    314, which gives back 2 filters of 0" in lines


def test_a_narrow_gap_needs_no_more_words(made: Plan) -> None:
    """Up to 2 % of dense only the gap is told; above it, that no larger model may be had is told too."""
    assert made.target is not None
    narrow = dataclasses.replace(made.target, reached=300.0, gap_fraction=9 / 618)
    text = plan_text(dataclasses.replace(made, target=narrow))
    assert "a gap of 1.46% of dense" in text
    assert "next step" not in text
    alone = dataclasses.replace(made.target, next_step=None)
    assert "nothing else may be given back" in plan_text(dataclasses.replace(made, target=alone))


def test_times_are_told_in_their_unit(made: Plan) -> None:
    """Milliseconds and ratios are upper ends, with four digits."""
    assert made.target is not None
    timed = dataclasses.replace(
        made.target,
        quantity="latency_ms",
        limit=2.0,
        reached=1.89345,
        dense=3.5,
        gap_fraction=0.03,
        next_step=NextStep(size=2.11, gives_back="12 filters in all"),
    )
    text = plan_text(dataclasses.replace(made, target=timed))
    assert "ceiling         2 ms (upper end of the median's interval), reached 1.893" in text
    assert "next step up    2.11, which gives back 12 filters in all" in text


def test_without_a_ceiling_nothing_is_said_of_one(made: Plan) -> None:
    """A plan by ratio has no target."""
    assert "ceiling" not in plan_text(dataclasses.replace(made, target=None))
