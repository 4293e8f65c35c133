"""What only images can tell: invented answers, and invented robustness with every file made to agree with it."""

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from real_bundle import LOOSE, Made, files_of, make

from compressor.bundle import write_bundle
from compressor.certify.certificate import digest_of_result
from compressor.certify.claim import claim_text
from compressor.certify.numbers import stated_numbers
from compressor.certify.outcomes import Outcomes, ReplayImages, recompute
from compressor.data import open_data, parse_preprocess
from compressor.verify import Status, VerifyReport, verify
from compressor.verify.recheck import by_bytes


def statuses(report: VerifyReport) -> dict[str, Status]:
    """Return the status of each check by its name."""
    return {check.name: check.status for check in report.checks}


def contradicted(report: VerifyReport) -> set[str]:
    """Return the names of what does not hold."""
    return {check.name for check in report.contradictions}


def test_with_the_images_clean_answers_are_made_again(folder: Path) -> None:
    """The images are found by name and bytes, and answered as the outcomes say."""
    report = verify(folder, data="digits")
    assert statuses(report)["data"] is Status.RECOMPUTED
    assert statuses(report)["recheck"] is Status.NOT_CHECKED


def test_equal_images_are_found_with_their_own_labels(tmp_path: Path) -> None:
    """One picture stands twice under two labels, and the verifier's files are called and ordered otherwise."""
    pixels = np.arange(4 * 64, dtype=np.uint8).reshape(4, 1, 8, 8)
    pixels[2] = pixels[0]
    np.savez(tmp_path / "shuffled.npz", x_test=pixels[[2, 3, 0, 1]], y_test=np.array([9, 3, 0, 1]))
    test = open_data(str(tmp_path / "shuffled.npz"), preprocess=parse_preprocess("none")).need("test")
    np.savez(tmp_path / "certified.npz", x_test=pixels, y_test=np.array([0, 1, 9, 3]))
    certified = open_data(str(tmp_path / "certified.npz"), preprocess=parse_preprocess("none")).need("test")
    outcomes = SimpleNamespace(digests=[certified.digest(row) for row in range(4)], labels=certified.labels)
    found = by_bytes(outcomes, test, [0, 1, 2, 3], [0, 1, 2, 3])
    assert found == {0: 2, 1: 3, 2: 0, 3: 1}
    relabelled = SimpleNamespace(digests=outcomes.digests, labels=np.array([5, 1, 9, 3]))
    assert by_bytes(relabelled, test, [0, 1, 2, 3], [0, 1, 2, 3]) == found


def certify_by(made: Made, outcomes: Outcomes, *, replay: ReplayImages | None = None) -> Made:
    """Write a certificate that says exactly what these outcomes say; `replay`: other images for replay.npz."""
    numbers = recompute(outcomes)
    before = made.certificate.result
    threat = replace(
        before.threats[0],
        robust_accuracy=numbers.threats[0].robust_accuracy,
        interval=numbers.threats[0].interval,
        attacks=tuple(
            replace(said, num_attempted=found.num_attempted, num_broken=found.num_broken)
            for said, found in zip(before.threats[0].attacks, numbers.threats[0].attacks, strict=True)
        ),
    )
    result = replace(
        before,
        clean_accuracy=numbers.clean_accuracy,
        clean_interval=numbers.clean_interval,
        per_class=numbers.per_class,
        calibration=numbers.calibration,
        threats=(threat,),
    )
    result = replace(result, claim=claim_text(result.artefact, stated_numbers(result), result.threats))
    certificate = replace(made.certificate, result=result, result_sha256=digest_of_result(result))
    return replace(made, certificate=certificate, outcomes=replace(outcomes, replay=replay or made.outcomes.replay))


def test_an_invented_clean_accuracy_needs_the_images_to_be_caught(made: Made, tmp_path: Path) -> None:
    """All files agree on logits that are right on every image; answering the images tells."""
    right = np.eye(10, dtype=np.float32)[made.outcomes.labels] * 9
    forged = certify_by(made, replace(made.outcomes, logits=right))
    folder = write_bundle(tmp_path, "tiny", files_of(forged)[0], rejected=False, force=False)
    assert verify(folder).conclusion.startswith("consistent, not authentic")
    assert contradicted(verify(folder, data="digits")) == {"data"}


def invincible(made: Made) -> Outcomes:
    """Return outcomes by which no attack broke anything."""
    right = made.outcomes.answers == made.outcomes.labels
    stands = replace(made.outcomes.threats[0], slim=np.where(right, -1, -2).astype(np.int16))
    return replace(made.outcomes, threats=(stands,))


def harmless(replay: ReplayImages) -> ReplayImages:
    """Return those of the images that the file answers right."""
    kept = np.flatnonzero(replay.shipped_answers == replay.labels)
    return ReplayImages(
        threats=tuple(replay.threats[index] for index in kept),
        images=replay.images[kept],
        clean=replay.clean[kept],
        labels=replay.labels[kept],
        twin_answers=replay.twin_answers[kept],
        shipped_answers=replay.shipped_answers[kept],
    )


@pytest.fixture(scope="module")
def wide(made: Made) -> Made:
    """Return the same network, attacked so hard that images fall."""
    found = make(made.checkpoint, made.chosen, "linf:1/8")
    assert (found.outcomes.threats[0].slim >= 0).sum() > 5
    return found


def test_images_that_break_it_stand_against_invented_robustness(wide: Made, tmp_path: Path) -> None:
    """Certificate, outcomes, claim and verdict agree that nothing fell; replay.npz still holds what did."""
    files, _ = files_of(certify_by(wide, invincible(wide)), LOOSE)
    report = verify(write_bundle(tmp_path, "forged", files, rejected=False, force=False))
    assert contradicted(report) == {"adversarial"}
    assert "break it under linf:1/8, and outcomes.npz counts 0" in report.contradictions[0].detail


def test_images_under_a_threat_that_nobody_claims(made: Made, tmp_path: Path) -> None:
    """They were relabelled, so that they are counted nowhere."""
    shown = made.outcomes.replay
    assert shown.threats
    renamed = replace(shown, threats=tuple("l2:1/2" for _ in shown.threats))
    files, _ = files_of(replace(made, outcomes=replace(made.outcomes, replay=renamed)), LOOSE)
    assert contradicted(verify(write_bundle(tmp_path, "forged", files, rejected=False, force=False))) == {"adversarial"}


@pytest.mark.slow
def test_recheck_tells_honest_from_invented_robustness(wide: Made, tmp_path: Path) -> None:
    """Survivors of the honest certificate survive other random numbers; invented ones do not.

    This forger also took the images that break the file out of replay.npz, so nothing in the bundle tells.
    """
    folder = write_bundle(tmp_path, "honest", files_of(wide, LOOSE)[0], rejected=False, force=False)
    report = verify(folder, data="digits", recheck=40, seed=7)
    assert report.holds, report.contradictions
    assert statuses(report)["recheck"] is Status.RECOMPUTED
    assert "seed 7" in report.checks[-1].detail
    forged = certify_by(wide, invincible(wide), replay=harmless(wide.outcomes.replay))
    folder = write_bundle(tmp_path, "forged", files_of(forged, LOOSE)[0], rejected=False, force=False)
    assert verify(folder).holds
    assert contradicted(verify(folder, data="digits", recheck=40)) == {"recheck"}
