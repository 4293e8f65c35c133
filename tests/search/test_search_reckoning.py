"""What a release would compute, and how long a pass takes."""

from dataclasses import replace
from pathlib import Path

import pytest
from search_trials import rung, trial

from compressor.estimate import passes_of
from compressor.finetune import Recipe
from compressor.gate.policy import Policy, read_policy, threats_of
from compressor.search.reckoning import LOOKED, Attack, Load, load_of, seconds_per_pass, standing_of_images
from compressor.task import Cut, Task

TEXT = """\
schema = "compress.policy/1"
[[robustness]]
threat = "linf:1/16"
min = 0.5
[[robustness]] # measured, not judged
threat = "linf:1/8"
[evidence]
battery = "standard"
"""


@pytest.fixture
def policy_path(tmp_path: Path) -> Path:
    path = tmp_path / "policy.toml"
    path.write_text(TEXT)
    return path


def loaded(path: Path, policy: Policy | None = None, **changes: object) -> Load:
    """Return the load of ten classes, 30 select and 20 test images."""
    task = replace(Task(data="digits", policy=path, cut=Cut(), recipe=Recipe(epochs=2)), **changes)  # type: ignore[arg-type]
    policy = read_policy(path) if policy is None else policy
    return load_of(task, policy, num_train=100, num_select=30, num_test=20, num_classes=10, num_timings=1)


def test_a_threat_that_is_only_measured_is_attacked_on_the_test_images_alone(policy_path: Path) -> None:
    """Both at a release, one of them before it."""
    load = loaded(policy_path)
    assert [(each.threat, each.is_confirmed) for each in load.attacks] == [("linf:1/16", True), ("linf:1/8", False)]
    threats = threats_of(read_policy(policy_path))
    assert [each.num_passes for each in load.attacks] == [passes_of("standard", threat, 10) for threat in threats]
    assert load.num_quick == passes_of("quick", threats[0], 10)
    assert (load.num_models, load.num_besides, load.num_tuning) == (2, 0.0, 2 * 2 * 100)


def test_what_else_is_asked_for_costs_more(policy_path: Path) -> None:
    """A control is a third model; an audit runs `full` on so many images; corruptions have all of them answered."""
    assert loaded(policy_path, control=True).num_models == 3
    threats = threats_of(read_policy(policy_path))
    assert loaded(policy_path, audit=5).num_besides == 5 * sum(passes_of("full", each, 10) for each in threats)
    assert loaded(policy_path, audit=500).num_besides == 4 * loaded(policy_path, audit=5).num_besides
    assert loaded(policy_path, corruptions=True).num_besides > 0
    assert not any(each.is_confirmed for each in loaded(policy_path, battery="quick").attacks)


def test_an_image_that_stands_costs_the_battery_and_one_that_falls_what_quick_does() -> None:
    """Three quarters of 10 images of two models stand; nothing is known of the other threat, so as many do there."""
    attacks = (
        Attack(threat="a", num_passes=100.0, is_confirmed=True),
        Attack(threat="b", num_passes=200.0, is_confirmed=False),
    )
    load = Load(
        num_select=4,
        num_test=10,
        num_models=2,
        attacks=attacks,
        num_quick=20.0,
        num_besides=7.0,
        num_tuning=0.0,
        num_timings=0,
    )
    assert load.num_released({"a": 0.75}) == 10 * 2 * (75 + 5 + 150 + 5) + 7
    assert load.num_confirmed({"a": 0.75}) == LOOKED * 4 * (75 + 5)
    assert load.num_released({}) == 10 * 2 * 300 + 7


def test_as_many_stand_as_of_the_model_of_which_most_do() -> None:
    """Candidates and the dense model."""
    first = trial(1, robust={"a": 0.4, "b": 0.3}, dense_robust={"a": 0.6, "b": 0.2})
    second = trial(2, robust={"a": 0.5}, dense_robust={})
    assert standing_of_images([first, second]) == {"a": 0.6, "b": 0.3}
    assert standing_of_images([]) == {}


def test_the_first_attack_tells_what_a_pass_takes_until_a_candidate_was_confirmed() -> None:
    """Forward and backward are counted one by one, and the dense model was attacked together with the first."""
    assert seconds_per_pass([]) is None
    assert seconds_per_pass([trial(1, rungs=(rung("cut"),))]) is None
    quick = rung("attack", seconds=3.0, num_passes=1_000)
    first = trial(1, rungs=(rung("attack", seconds=8.0, num_passes=1_000),))
    assert seconds_per_pass([first, trial(2, rungs=(quick,))]) == pytest.approx(0.008)
    later = trial(3, rungs=(quick, rung("confirm", seconds=30.0, num_passes=4_000)))
    again = trial(4, rungs=(quick, rung("confirm", seconds=15.0, num_passes=4_000)))
    assert seconds_per_pass([first, again, later]) == pytest.approx((0.008 + 30 / 4_000 / LOOKED) / 2)
