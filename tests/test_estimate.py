"""What a run would cost, counted from the attacks that would run."""

from dataclasses import replace
from pathlib import Path

import pytest

from compressor import estimate
from compressor.attacks.threat import parse_threat
from compressor.finetune import Recipe
from compressor.task import Proof

THREATS = (parse_threat("linf:8/255"), parse_threat("l2:0.5"))


def _seconds(proof: Proof, *, num_models: int = 1, num_classes: int = 10) -> float:
    """Return the estimate for 100 images where a pass takes a second."""
    stage = estimate._certify(1.0, proof=proof, num_images=100, num_models=num_models, num_classes=num_classes)
    return stage.seconds


@pytest.mark.parametrize(
    ("battery", "num"),
    [
        ("quick", 2 + 11 + 2 * 3),
        ("standard", 2 + 51 + 2 * 31 + 21 + 34 + 31 + 1 + 2 * 8),
        ("full", 2 + 85 + 101 + 910 + 1801 + 5001 + 1 + 2 * 8),
    ],
)
def test_the_passes_of_each_battery(battery: str, num: int) -> None:
    """Attack by attack, and two answers for what each finds and for the transferred images."""
    assert estimate.passes_of(battery, THREATS[0], 10) == num
    assert _seconds(Proof(threats=THREATS, battery=battery), num_models=2) == 100 * 2 * 2 * num


def test_a_list_of_attacks_is_counted_too(tmp_path: Path) -> None:
    """Not as the standard battery, whatever it holds."""
    path = tmp_path / "long.toml"
    path.write_text('[[attack]]\nname = "apgd"\nnum_steps = 1000\nnum_restarts = 5\n')
    assert _seconds(Proof(threats=THREATS[:1], battery=str(path))) == 100 * (5 * 1001 + 2 * 2)


def test_an_audit_costs_the_full_battery_on_its_survivors() -> None:
    """Of each threat, on the slim model only, and never on more images than there are."""
    proof = Proof(threats=THREATS, battery="quick", num_images=100)
    full = estimate.passes_of("full", THREATS[0], 10)
    assert _seconds(replace(proof, audit=30)) - _seconds(proof) == 2 * 30 * full
    assert _seconds(replace(proof, audit=1000), num_models=2) - _seconds(proof, num_models=2) == 2 * 100 * full
    assert _seconds(replace(proof, threats=(), audit=30)) == 100 * estimate.CURVE_STEPS


def test_fewer_classes_are_fewer_targets() -> None:
    """With four classes three wrong ones are left to aim at."""
    assert estimate.passes_of("full", THREATS[0], 4) == 2 + 85 + 101 + 304 + 601 + 5001 + 1 + 2 * 8


def test_the_cheap_methods_of_adversarial_training_are_guessed_cheaper() -> None:
    """Passes of an epoch: one step for `fast`, one training pass for each replay of `free`, both twins for `trades`."""
    recipe = Recipe(adversarial="linf:8/255", adversarial_steps=7)
    found = {
        method: estimate.training_passes(replace(recipe, adversarial_method=method))
        for method in ("fast", "pgd", "trades", "free")
    }
    assert found == {"fast": 3, "pgd": 9, "trades": 11, "free": 14}
    assert estimate.training_passes(Recipe()) == 2
