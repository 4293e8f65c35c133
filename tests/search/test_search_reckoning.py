"""What a release would compute, and how long its attacks take."""

from dataclasses import replace
from pathlib import Path

import pytest
from search_trials import rung, trial

from compressor.estimate import passes_of
from compressor.finetune import Recipe
from compressor.gate.policy import Policy, read_policy, threats_of
from compressor.search.reckoning import LOOKED, Attack, Load, Reckoned, load_of, reckoned
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


def attacks(**confirmed: bool) -> tuple[Attack, ...]:
    """Return threats `a` of 100 passes and `b` of 300."""
    return tuple(
        Attack(threat=name, num_passes=num, is_confirmed=confirmed[name]) for name, num in (("a", 100.0), ("b", 300.0))
    )


def load(**confirmed: bool) -> Load:
    """Return the load of 4 select and 10 test images of two models."""
    return Load(
        num_select=4,
        num_test=10,
        num_models=2,
        attacks=attacks(**confirmed),
        num_quick=20.0,
        num_besides=7.0,
        num_tuning=0.0,
        num_timings=0,
    )


def test_an_image_that_stands_costs_the_battery_and_one_that_falls_what_quick_does() -> None:
    """Three quarters stand; nothing is known of the other threat, so as many do there."""
    made = load(a=True, b=False)
    assert made.num_released({"a": 0.75}) == 10 * 2 * (75 + 5 + 225 + 5)
    assert made.num_confirmed({"a": 0.75}) == 4 * (75 + 5)
    assert made.num_released({}) == 10 * 2 * 400
    assert made.share_confirmed == 0.25


def test_where_nothing_was_attacked_it_is_a_guess() -> None:
    """Of as many seconds for each pass as are told."""
    found = reckoned(load(a=True, b=False), [trial(1, rungs=(rung("cut"),), robust={}, dense_robust={})], guessed=0.5)
    assert found == Reckoned(confirming=LOOKED * 0.5 * 4 * 100, releasing=0.5 * (10 * 2 * 400 + 7))
    assert reckoned(load(a=True, b=False), [], guessed=0.5) == found


def test_the_first_attack_tells_what_a_pass_takes_and_all_models_how_many_stand() -> None:
    """Forward and backward are counted one by one, and the dense model was attacked together with the first."""
    first = trial(1, rungs=(rung("attack", seconds=8.0, num_passes=1_000),), robust={"a": 0.4}, dense_robust={"a": 0.6})
    second = trial(2, rungs=(rung("attack", seconds=3.0, num_passes=1_000),), robust={"a": 0.5}, dense_robust={})
    found = reckoned(load(a=True, b=False), [first, second], guessed=9.0)
    assert found.confirming == pytest.approx(LOOKED * 0.008 * 4 * (60 + 8))
    assert found.releasing == pytest.approx(0.008 * (10 * 2 * (60 + 8 + 180 + 8) + 7))


def test_once_a_candidate_was_confirmed_that_tells() -> None:
    """30 s for 2 images of two models, looked at in parts, by a threat of a quarter of all passes.

    One that was confirmed later took half of it, since the dense model was through.
    """
    quick = rung("attack", seconds=8.0, num_passes=1_000)
    first = trial(1, num_images=2, rungs=(quick, rung("confirm", seconds=30.0)))
    later = trial(2, num_images=2, rungs=(quick, rung("confirm", seconds=15.0)))
    found = reckoned(load(a=True, b=False), [later, first], guessed=9.0)
    assert found.confirming == pytest.approx(4 * 7.5)
    assert found.releasing == pytest.approx(10 * 2 * 7.5 / LOOKED / 0.25 + 0.008 * 7)
