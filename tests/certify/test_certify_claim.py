"""What a certificate says of AutoAttack, and of a search."""

from dataclasses import replace

import made_up
import pytest

from compressor.attacks.threat import parse_threat
from compressor.certify.battery import BATTERIES
from compressor.certify.certificate import (
    Artefact,
    AttackResult,
    Certificate,
    Searched,
    ThreatResult,
    digest_of_result,
)
from compressor.certify.claim import claim_text
from compressor.certify.outcomes import recompute
from compressor.records import dump, parse


def result_of(battery, num_classes):
    """Return a threat's result with the attacks that a battery comes down to."""
    threat = parse_threat("linf:1/255")
    attacks = BATTERIES[battery].fitted(threat, num_classes)
    return ThreatResult(
        norm=str(threat.norm),
        epsilon=str(threat.epsilon),
        battery=battery,
        battery_sha256="0" * 64,
        robust_accuracy=0.5,
        interval=(0.4, 0.6),
        confidence=0.95,
        interval_method="clopper-pearson",
        decided_after=None,
        num_forward=1,
        num_backward=1,
        attacks=tuple(
            AttackResult(name=each.name, settings=each.settings, num_attempted=2, num_broken=1) for each in attacks
        ),
        flags=(),
        audit=None,
        proved_accuracy=None,
    )


@pytest.mark.parametrize(
    ("runs", "is_named"),
    [
        ([("full", 10)], True),
        ([("full", 10), ("full", 100)], True),
        ([("full", 9)], False),
        ([("full", 3)], False),
        ([("standard", 10)], False),
        ([("full", 10), ("standard", 10)], False),
    ],
)
def test_autoattack_is_named_where_its_components_ran(outcomes, runs, is_named):
    """Under every threat, with nine targets; otherwise the name does not occur."""
    numbers = recompute(outcomes)
    artefact = Artefact(kind="torch", sha256="0" * 64)
    text = claim_text(artefact, numbers, [result_of(*each) for each in runs])
    assert ("AutoAttack" in text) is is_named
    assert "not a proof" in text


@pytest.fixture(scope="module")
def outcomes():
    """Return outcomes of a small run, for the numbers that every claim begins with."""
    from certify_fakes import answered_by, bent, run

    model = bent()
    return run(model, answered_by(model, num=12, wrong=2))[1]


def test_that_it_was_chosen_among_others_is_claimed_with_their_number(outcomes):
    """And nothing about it where nothing was searched for."""
    numbers, artefact = recompute(outcomes), Artefact(kind="torch", sha256="0" * 64)
    text = claim_text(artefact, numbers, [], Searched(num_candidates=20, role="select"))
    assert "chose it among 20 candidates, which were judged on select images" in text
    assert "it alone met the test images" in text
    assert "among 1 candidate," in claim_text(artefact, numbers, [], Searched(num_candidates=1, role="select"))
    assert "search" not in claim_text(artefact, numbers, []).lower().replace("quick search", "")


def test_older_certificates_are_read_and_keep_their_digest():
    """The key is left out where nothing was searched for, and counts where something was."""
    made = made_up.certificate()
    assert b"searched" not in dump(made)
    assert parse(dump(made), Certificate, source="old").result_sha256 == digest_of_result(made.result)
    chosen = replace(made.result, searched=Searched(num_candidates=20, role="select"))
    assert digest_of_result(chosen) != made.result_sha256
    whole = replace(made, result=chosen)
    assert parse(dump(whole), Certificate, source="new") == whole
