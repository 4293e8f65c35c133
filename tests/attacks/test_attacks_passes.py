"""The passes of an attack, counted beforehand: exactly those of an image that survives it."""

from typing import Any

import pytest
import torch
from torch import nn

from compressor.attacks.model import AttackedModel
from compressor.attacks.passes import Unmoved, passes
from compressor.attacks.table import ATTACKS, CLEAN_LOGITS, fit, run_attack
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


def test_a_search_in_bfloat16_may_take_one_answer_more_for_each_gradient() -> None:
    """What bfloat16 answers wrong is answered again."""
    threat = parse_threat("linf:8/255")
    settings = {"num_steps": 3, "num_restarts": 2}
    assert passes("pgd", settings, threat=threat, num_classes=10) == (8, 6)
    assert passes("pgd", {**settings, "search": "bf16"}, threat=threat, num_classes=10) == (14, 6)


def test_attacks_of_the_catalogue_are_counted_by_running_them() -> None:
    """Five steps of its PGD are five passes both ways."""
    threat = parse_threat("linf:8/255")
    name, settings = fit("torchattacks:PGD", {"steps": 5}, threat=threat, num_classes=10)
    assert passes(name, settings, threat=threat, num_classes=10) == (5, 5)


@pytest.mark.parametrize("name", ["apgd-targeted", "fab-targeted", "margin"])
def test_known_answers_to_clean_images_are_not_asked_for(name: str) -> None:
    """The same search, to the bit, for one pass of each image less."""
    torch.manual_seed(0)
    images, seeds, threat = torch.rand(12, 1, 8, 8), torch.arange(12), parse_threat("linf:0.02")
    _, settings = fit(name, {"num_steps": 3}, threat=threat, num_classes=5)
    assert CLEAN_LOGITS not in settings
    found = []
    with AttackedModel(nn.Sequential(nn.Flatten(), nn.Linear(64, 5)), shape=(1, 8, 8)) as model:
        known = model.logits(images, seeds)
        for clean in (None, known):
            before = model.num_forward
            adversarial = run_attack(
                name, settings, model, images, known.argmax(1), threat=threat, seeds=seeds, clean_logits=clean
            )
            found.append((model.num_forward - before, adversarial))
    assert found[0][0] - found[1][0] == len(images)
    assert torch.equal(found[0][1], found[1][1])
