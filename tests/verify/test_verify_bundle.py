"""A small real bundle verifies, and every forgery of it is either noticed or named as one that cannot be."""

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta, tzinfo
from pathlib import Path

import made_up
import numpy as np
import pytest
from forgers import FORGERIES, call_it, change_parity, change_result, change_threat
from real_bundle import LOOSE, STRICT, Made, edit, files_of, fresh_sums

from compressor.bundle import names, open_bundle, write_bundle
from compressor.bundle.names import SUMS, bundle_digest
from compressor.certify.certificate import digest_of_result
from compressor.errors import BundleError, DataError, OptionError, PolicyError
from compressor.records import tool_version
from compressor.types import Decision
from compressor.verify import Status, VerifyReport, judgement, verify
from compressor.verify.model import check_checkpoint
from compressor.verify.opened import Opened


def statuses(report: VerifyReport) -> dict[str, Status]:
    """Return the status of each check by its name."""
    return {check.name: check.status for check in report.checks}


def contradicted(report: VerifyReport) -> set[str]:
    """Return the names of what does not hold."""
    return {check.name for check in report.contradictions}


def test_an_honest_bundle_holds(folder: Path) -> None:
    """Every check says how far it went, and without a digest told by another way it is not called authentic."""
    report = verify(folder)
    assert statuses(report) == {
        "digests": Status.RECOMPUTED,
        "signature": Status.NOT_CHECKED,
        "authenticity": Status.NOT_CHECKED,
        "one model": Status.RECOMPUTED,
        "checkpoint": Status.RECOMPUTED,
        "plan": Status.RECOMPUTED,
        "export": Status.RECOMPUTED,
        "parity": Status.RECOMPUTED,
        "replay": Status.RECOMPUTED,
        "certificate": Status.RECOMPUTED,
        "outcomes": Status.RECOMPUTED,
        "adversarial": Status.CONSISTENT,
        "battery": Status.RECOMPUTED,
        "claim": Status.RECOMPUTED,
        "verdict": Status.RECOMPUTED,
        "labels": Status.CONSISTENT,
        "attestation": Status.RECOMPUTED,
        "script": Status.RECOMPUTED,
        "words": Status.NOT_CHECKED,
        "unfollowed": Status.NOT_CHECKED,
        "data": Status.NOT_CHECKED,
        "recheck": Status.NOT_CHECKED,
    }
    assert (report.holds, report.authentic, report.decision, report.demanded) == (True, False, Decision.PASSED, None)
    assert report.conclusion == "consistent, not authentic; its own verdict is passed"


def test_a_waiver_must_count_today_where_the_date_is_anybodys(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It expired after the verdict: whoever knows the digest knows the date, and others cannot."""
    mine, soon = tmp_path / "mine.toml", (datetime.now(UTC) + timedelta(days=2)).date()
    waivers = f'[waivers]\nallowed = ["accuracy.min"]\nexpires = "{soon}"\n'
    mine.write_text(f'schema = "compress.policy/1"\n[accuracy]\nmin = 1.0\n{waivers}')
    assert verify(folder, policy=mine).holds

    class Later(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> datetime:
            return datetime.now(tz) + timedelta(days=10)

    monkeypatch.setattr(judgement, "datetime", Later)
    report = verify(folder, policy=mine)
    assert contradicted(report) == {"your policy"}
    assert report.demanded is Decision.FAILED
    dated = verify(folder, policy=mine, expect_digest=bundle_digest((folder / SUMS).read_bytes()))
    assert dated.holds
    assert dated.demanded is Decision.PASSED
    words = next(check.detail for check in dated.checks if check.name == "your policy")
    assert f"accuracy.min, waived by the policy until {soon}" in words


def test_the_baseline_is_the_model_that_was_pruned(folder: Path) -> None:
    """A certificate that compares with another model is about no drop of this one."""
    opened = Opened(open_bundle(folder))
    plan_says = json.loads((folder / names.PLAN).read_bytes())["dense_sha256"]
    result = opened.certificate.result
    for sha256, is_odd in ((plan_says, False), (opened.checkpoint.parents[0], False), ("f6" * 32, True)):
        compared = replace(result, baseline=made_up.baseline(sha256=sha256))
        opened.certificate = replace(opened.certificate, result=compared)
        status, detail = check_checkpoint(opened)
        assert (status is Status.CONTRADICTED) == is_odd
        assert ("made from another model" in detail) == is_odd


def test_the_digest_that_was_told_makes_it_authentic(folder: Path) -> None:
    """With the right bundle digest it is authentic; with another one it does not hold."""
    digest = bundle_digest((folder / SUMS).read_bytes())
    assert verify(folder, expect_digest=f"sha256:{digest.upper()}").authentic
    report = verify(folder, expect_digest="0" * 64)
    assert contradicted(report) == {"authenticity"}
    assert not report.authentic


@pytest.mark.parametrize(("forge", "caught_by"), FORGERIES)
def test_a_forgery_with_fresh_sums_is_caught(folder: Path, forge: Callable[[Path], None], caught_by: set[str]) -> None:
    """The list of digests is right, and still the files contradict each other: each place is named."""
    forge(folder)
    fresh_sums(folder)
    report = verify(folder)
    assert contradicted(report) == caught_by, report.contradictions
    assert not report.holds
    assert all(name in report.conclusion for name in caught_by)


@pytest.mark.parametrize("version", [tool_version(), "99.0"])
def test_a_battery_in_name_only_meets_no_demand(folder: Path, tmp_path: Path, version: str) -> None:
    """Whoever demands `full` is not satisfied by `quick` under that name, whatever version is said to have made it."""
    mine = tmp_path / "mine.toml"
    mine.write_text(LOOSE + '[evidence]\nbattery = "full"\n')
    edit(folder, names.CERTIFICATE, lambda value: value.update(tool_version=version))
    change_result(call_it("full"))(folder)
    fresh_sums(folder)
    report = verify(folder, policy=mine)
    assert (report.holds, report.demanded) == (False, Decision.UNDECIDED)
    assert "your policy" in contradicted(report)
    assert ("battery" in contradicted(report)) == (version == tool_version())
    mine.write_text(LOOSE + '[evidence]\nbattery = "quick"\n')
    assert verify(folder, policy=mine).demanded is Decision.UNDECIDED
    fresh = next(check for check in verify(folder, policy=mine).checks if check.name == "your policy")
    assert "evidence.battery" in fresh.detail


def test_the_battery_that_ran_meets_a_demand_for_it(folder: Path, tmp_path: Path) -> None:
    """The honest bundle, and a policy that demands its battery."""
    mine = tmp_path / "mine.toml"
    mine.write_text(LOOSE + '[evidence]\nbattery = "quick"\n')
    report = verify(folder, policy=mine)
    assert (report.holds, report.demanded) == (True, Decision.PASSED)


@pytest.mark.parametrize(
    ("forge", "word"),
    [
        (change_result(lambda result: result.update(seed=7)), "seed"),
        (change_threat(flags=[]), "flags"),
        (change_threat(num_forward=10**9), "num_forward"),
        (change_parity(agreement=1.0, max_abs=0.0, max_rel=0.0), "agreement"),
    ],
)
def test_what_cannot_be_followed_is_named(folder: Path, forge: Callable[[Path], None], word: str) -> None:
    """Some figures rest on the maker's word. The report says which instead of passing over them."""
    forge(folder)
    fresh_sums(folder)
    report = verify(folder)
    assert report.holds, report.contradictions
    (check,) = (each for each in report.checks if each.name == "unfollowed")
    assert check.status is Status.NOT_CHECKED
    assert word in check.detail


@pytest.mark.parametrize("name", [names.CARD, names.REPORT, names.SBOM])
def test_words_are_bound_by_digest_only_and_it_says_so(folder: Path, name: str) -> None:
    """Whoever rewrites the text for people, with fresh sums, is caught by the digest that the verifier was told."""
    digest = bundle_digest((folder / SUMS).read_bytes())
    (folder / name).write_text("Certified for everything.")
    fresh_sums(folder)
    report = verify(folder)
    (check,) = (each for each in report.checks if each.name == "words")
    assert (report.holds, check.status) == (True, Status.NOT_CHECKED)
    assert name in check.detail
    assert contradicted(verify(folder, expect_digest=digest)) == {"authenticity"}


def test_a_list_of_attacks_is_consistent_only(made: Made, tmp_path: Path) -> None:
    """A TOML list is not in the bundle; its attacks have their digest, and nobody says they are those of the file."""
    threat = replace(made.certificate.result.threats[0], battery="ours.toml")
    claim = made.certificate.result.claim.replace("the battery quick", "the battery ours.toml")
    result = replace(made.certificate.result, threats=(threat,), claim=claim)
    certificate = replace(made.certificate, result=result, result_sha256=digest_of_result(result))
    files = files_of(replace(made, certificate=certificate))[0]
    report = verify(write_bundle(tmp_path, "tiny", files, rejected=False, force=False))
    assert (report.holds, statuses(report)["battery"]) == (True, Status.CONSISTENT)


def test_a_loosened_policy_is_caught_by_what_the_verifier_knows(made: Made, tmp_path: Path) -> None:
    """Judged honestly by a loose policy it is consistent; the expected digest and the verifier's policy tell."""
    folder = write_bundle(tmp_path, "tiny", files_of(made, STRICT)[0], rejected=True, force=False)
    digest = bundle_digest((folder / SUMS).read_bytes())
    for name, content in files_of(made, LOOSE)[0].items():
        (folder / name).write_bytes(content)
    fresh_sums(folder)
    report = verify(folder)
    assert (report.holds, report.decision) == (True, Decision.PASSED)
    assert "not authentic" in report.conclusion
    assert contradicted(verify(folder, expect_digest=digest)) == {"authenticity"}
    mine = tmp_path / "mine.toml"
    mine.write_text(STRICT)
    report = verify(folder, policy=mine)
    assert (contradicted(report), report.demanded) == ({"your policy"}, Decision.FAILED)


def test_a_rejected_bundle_holds_and_says_that_it_failed(made: Made, tmp_path: Path) -> None:
    """What it states is true: it is not good enough. By the verifier's looser policy it may be."""
    files, decision = files_of(made, STRICT)
    assert decision is Decision.FAILED
    folder = write_bundle(tmp_path, "tiny", files, rejected=True, force=False)
    report = verify(folder)
    assert (report.holds, report.decision) == (True, Decision.FAILED)
    assert "its own verdict is failed" in report.conclusion
    mine = tmp_path / "mine.toml"
    mine.write_text(LOOSE)
    report = verify(folder, policy=mine)
    assert (report.holds, report.demanded) == (True, Decision.PASSED)


def test_a_bundle_that_was_only_exported(honest: dict[str, bytes], tmp_path: Path) -> None:
    """Nothing is claimed, so little is checked; a policy cannot be met."""
    files = {name: honest[name] for name in names.EXPORTED}
    folder = write_bundle(tmp_path, "tiny", files, rejected=False, force=False)
    report = verify(folder)
    assert (report.holds, report.decision) == (True, None)
    assert "not judged" in report.conclusion
    mine = tmp_path / "mine.toml"
    mine.write_text(LOOSE)
    assert contradicted(verify(folder, policy=mine)) == {"your policy"}


def test_what_is_asked_wrongly_is_no_judgement(folder: Path, tmp_path: Path) -> None:
    """A digest that is none, a recheck without images, a policy that cannot be read, no bundle, other images."""
    with pytest.raises(OptionError, match="not a sha256"):
        verify(folder, expect_digest="8f14e45f")
    with pytest.raises(OptionError, match="without --data"):
        verify(folder, recheck=10)
    with pytest.raises(PolicyError):
        verify(folder, policy=tmp_path / "absent.toml")
    with pytest.raises(BundleError):
        verify(tmp_path)
    other = tmp_path / "other.npz"
    np.savez(other, x_test=np.zeros((10, 8, 8, 1), np.uint8), y_test=np.arange(10))
    with pytest.raises(DataError, match="none of the images"):
        verify(folder, data=str(other))
