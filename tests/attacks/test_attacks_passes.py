"""The passes of an attack, counted beforehand: exactly those of an image that survives it."""

from typing import Any

import pytest
import torch

from compressor.attacks.model import AttackedModel
from compressor.attacks.passes import Unmoved, passes
from compressor.attacks.table import ATTACKS, fit, run_attack
from compressor.attacks.threat import parse_threat

SMALL: dict[str, dict[str, Any]] = {
    "pgd": {"num_steps": 3, "num_restarts": 2},
    "apgd": {"num_steps": 4, "num_restarts": 2},
    "apgd-targeted": {"num_steps": 3, "num_targets": 2, "num_restarts": 2},
    "margin": {"num_steps": 3, "num_targets": 2},
    "fab-targeted": {"num_steps": 3, "num_targets": 2, "num_restarts": 2},
    "fmn": {"num_steps": 4},
    "square": {"num_queries": 5},
    "noise": {"num_draws": 3},
}


@pytest.mark.parametrize("norm", ["linf:8/255", "l2:0.5"])
@pytest.mark.parametrize("num_classes", [2, 3, 10])
@pytest.mark.parametrize("name", ATTACKS)
def test_the_count_is_exact(name: str, num_classes: int, norm: str) -> None:
    """On a model that nothing breaks both kinds of pass agree, also where an attack gives way to another."""
    threat = parse_threat(norm)
    fitted, settings = fit(name, SMALL.get(name, {}), threat=threat, num_classes=num_classes)
    zeros = torch.zeros(3, dtype=torch.int64)
    with AttackedModel(Unmoved(num_classes), shape=(2, 8, 8)) as model:
        run_attack(fitted, settings, model, torch.rand(3, 2, 8, 8), zeros, threat=threat, seeds=torch.arange(3))
        found = model.num_forward / 3, model.num_backward / 3
    assert passes(fitted, settings, threat=threat, num_classes=num_classes) == found


def test_attacks_of_the_catalogue_are_counted_by_running_them() -> None:
    """Five steps of its PGD are five passes both ways."""
    threat = parse_threat("linf:8/255")
    name, settings = fit("torchattacks:PGD", {"steps": 5}, threat=threat, num_classes=10)
    assert passes(name, settings, threat=threat, num_classes=10) == (5, 5)
