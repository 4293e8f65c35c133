"""Losses: known values, and what they do not care about."""

import pytest
import torch

from compressor.attacks.losses import (
    cross_entropy,
    difference,
    dlr,
    likeliest_wrong,
    margin,
    probability_margin,
    targeted_dlr,
)

LOGITS = torch.tensor([[4.0, 1.0, 2.0, 0.0], [-3.0, -1.0, -2.0, -7.0]])
LABELS = torch.tensor([0, 0])


def test_known_values():
    """Values worked out by hand."""
    assert margin(LOGITS, LABELS).tolist() == [-2.0, 2.0]
    assert difference(LOGITS, LABELS, torch.tensor([3, 2])).tolist() == [-4.0, 1.0]
    assert dlr(LOGITS, LABELS).tolist() == pytest.approx([-2 / 3, 2 / 2])
    assert targeted_dlr(LOGITS, LABELS, torch.tensor([2, 1])).tolist() == pytest.approx([-2 / 3.5, 2 / 4])
    shares = LOGITS.softmax(1)
    assert probability_margin(LOGITS, LABELS)[0].item() == pytest.approx((shares[0, 2] - shares[0, 0]).item())
    assert cross_entropy(LOGITS, LABELS)[1].item() == pytest.approx(-shares[1, 0].log().item())


def test_ratios_ignore_scale_and_shift():
    """The ratios stay where logits are scaled and shifted, which changes no answer."""
    moved, targets = 1000 * LOGITS - 100, torch.tensor([1, 3])
    assert torch.allclose(dlr(moved, LABELS), dlr(LOGITS, LABELS))
    assert torch.allclose(targeted_dlr(moved, LABELS, targets), targeted_dlr(LOGITS, LABELS, targets))


def test_likeliest_wrong_classes_come_in_order():
    """The right class is never among them, and ties go to the smaller index."""
    assert likeliest_wrong(LOGITS, LABELS, 3).tolist() == [[2, 1, 3], [1, 2, 3]]
    assert likeliest_wrong(torch.zeros(1, 4), torch.tensor([1]), 2).tolist() == [[0, 2]]
