"""The gate rejects what it must: from a model through its ONNX file and its certificate to the verdict.

A gate that was never seen to reject is untested (facts on robustness, 5.3); one that never passes is useless.
"""

import sys
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from compressor.attacks.threat import parse_threat
from compressor.certify.certify import certify
from compressor.data.images import ImageSet
from compressor.export.onnx import export_onnx
from compressor.gate import evidence_of, judge, parse_policy
from compressor.gate.verdict import Verdict

sys.path.insert(0, str(Path(__file__).parent / "certify"))
from certify_fakes import NUM_CLASSES, answered_by, bent, checkpoint_of, images_of, linear

EPSILON = "8/255"
POLICY = f'[accuracy]\nmin = 0.5\n[[robustness]]\nthreat = "linf:{EPSILON}"\nmin = {{least}}\n'


class Before(nn.Module):
    """Does something to the images, or to the answers, of a sound model."""

    def __init__(self, images=None, answers=None) -> None:
        super().__init__()
        self.inner, self.images, self.answers = bent(), images, answers

    def forward(self, images: Tensor) -> Tensor:
        """Answer."""
        logits = self.inner(images if self.images is None else self.images(images))
        return logits if self.answers is None else self.answers(logits)


class Constant(nn.Module):
    """Answers class two, always."""

    def forward(self, images: Tensor) -> Tensor:
        """Answer."""
        return images.flatten(1)[:, :NUM_CLASSES] * 0 + torch.eye(NUM_CLASSES)[2]


def verdict_on(model: nn.Module, images: ImageSet, *, least: float) -> Verdict:
    """Take a model through export, certificate and gate."""
    checkpoint = checkpoint_of(model, tuple(images.shape))
    certificate, _ = certify(
        checkpoint,
        images,
        threats=[parse_threat(f"linf:{EPSILON}")],
        artefact=export_onnx(checkpoint),
        data_spec="fake",
        params=1,
        macs=1,
    )
    policy = parse_policy(POLICY.format(least=least), "controls.toml")
    return judge(policy, evidence_of(certificate=certificate), now=certificate.created)


def decisions(verdict: Verdict) -> dict[str, str]:
    """Return the decision of each condition, by what its id says before the threat."""
    return {each.id.replace(f".linf-{EPSILON}", ""): str(each.decision) for each in verdict.conditions}


@pytest.mark.slow
def test_a_model_that_keeps_what_is_demanded_passes() -> None:
    """The exact robust share of a linear model is known; less than that is demanded, and it passes."""
    weights = np.random.default_rng(3).normal(size=(36, NUM_CLASSES)).astype(np.float32)
    model = linear(weights)
    images = answered_by(model, num=200, wrong=0)
    with torch.no_grad():
        logits = model(images.read(range(200)))
    gaps = (logits.max(1, keepdim=True).values - logits).numpy()
    steps = np.abs(weights[:, images.labels][:, :, None] - weights[:, None, :]).sum(0)
    distances = np.divide(gaps, steps, out=np.full_like(gaps, np.inf), where=steps > 0).min(1)
    share = float((distances > 8 / 255).mean())
    assert 0.3 < share < 0.95
    verdict = verdict_on(model, images, least=round(share - 0.15, 2))
    assert verdict.decision == "passed"


@pytest.mark.slow
def test_an_undefended_model_is_rejected() -> None:
    """On colour images at this size nothing is left of a plain linear model."""
    shape = (3, 32, 32)
    model = linear(np.random.default_rng(0).normal(size=(3 * 32 * 32, NUM_CLASSES)).astype(np.float32), shape)
    verdict = verdict_on(model, answered_by(model, shape=shape), least=0.3)
    assert verdict.decision == "failed"
    assert decisions(verdict)["robustness.min"] == "failed"


@pytest.mark.slow
def test_a_constant_model_is_rejected() -> None:
    """No attack can change its answer, so its robust accuracy is its accuracy: that of chance."""
    images = images_of(torch.rand(100, 1, 6, 6), torch.arange(100) % NUM_CLASSES)
    verdict = verdict_on(Constant(), images, least=0.1)
    found = decisions(verdict)
    assert verdict.decision == "failed"
    assert found["accuracy.min"] == "failed"
    assert found["robustness.min"] == "passed"  # which is why accuracy and flags must be looked at too
    assert found["flag.unbounded"] == "undecided"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("model", "flag"),
    [
        (Before(images=lambda images: (images * 31).round() / 31), "flag.gradients"),
        (Before(answers=lambda logits: logits.softmax(1)), "flag.logits"),
        (Before(images=lambda images: F.dropout(images, 0.02, training=True)), "flag.deterministic"),
    ],
    ids=["rounded", "softmax", "dropout"],
)
def test_a_model_that_fools_attacks_does_not_pass(model: nn.Module, flag: str) -> None:
    """Whatever its figures say, a raised flag is named and blocks."""
    verdict = verdict_on(model, answered_by(bent()), least=0.05)
    found = decisions(verdict)
    assert found["robustness.min"] == "passed"
    assert found[flag] == "undecided"
    assert verdict.decision == "undecided"
