"""The verdict: policies against made-up evidence."""

from dataclasses import replace
from typing import Any

import pytest
from made_up import (
    CREATED,
    FLAG,
    LATER,
    ONNX,
    baseline,
    certificate,
    classes,
    corruptions,
    latency,
    paired,
    parity,
    row,
    threat_result,
    with_threat,
)

from compressor.bench.record import Ratio
from compressor.certify.certificate import Artefact, Certificate, PairedAccuracy, PairedResult, digest_of_result
from compressor.errors import PolicyError
from compressor.gate import Evidence, evidence_of, judge, parse_policy
from compressor.gate.judge import check_accepted
from compressor.gate.verdict import Condition, Verdict
from compressor.records import dump, parse


def judged(text: str, evidence: Evidence, *, now: str = LATER, accept: dict[str, str] | None = None) -> Verdict:
    """Return the verdict of a policy text."""
    return judge(parse_policy(text, "policy.toml"), evidence, now=now, accept=accept)


def condition(verdict: Verdict, condition_id: str) -> Condition:
    """Return the one condition of that id."""
    return next(each for each in verdict.conditions if each.id == condition_id)


def whole(**changes: Any) -> Evidence:
    """Return evidence of every kind, all about one file."""
    records = {"certificate": certificate(), "parity": parity(), "latency": (latency(),)} | changes
    return evidence_of(**records)


ROBUST = '[[robustness]]\nthreat = "linf:2/255"\n'


@pytest.mark.parametrize(
    ("text", "condition_id", "decision", "words"),
    [
        ("[accuracy]\nmin = 0.8", "accuracy.min", "passed", "accuracy is 85.1 % [82.7, 87.2]"),
        ("[accuracy]\nmin = 0.9", "accuracy.min", "failed", "demanded at least 90 %: failed"),
        ("[accuracy]\nmin = 0.84", "accuracy.min", "undecided", "more images would settle it"),
        ("[accuracy]\nmax_drop = 0.03", "accuracy.max_drop", "passed", "0.9 points below"),
        ("[accuracy]\nmax_drop = 0.01", "accuracy.max_drop", "undecided", "more images"),
        ("[accuracy]\nmax_class_drop = 0.05", "accuracy.max_class_drop", "passed", "class 'cat' loses 4.0 points"),
        ("[accuracy]\nmax_class_drop = 0.03", "accuracy.max_class_drop", "failed", "(on 100 images)"),
        ("[accuracy]\nmax_ece = 0.05", "accuracy.max_ece", "passed", "3.1 %"),
        ("[accuracy]\nmax_ece = 0.03", "accuracy.max_ece", "failed", "3.1 %"),
        (ROBUST + "min = 0.35", "robustness.linf-2/255.min", "passed", "linf 2/255 is 41.2 % [38.1, 44.3]"),
        (ROBUST + "min = 0.45", "robustness.linf-2/255.min", "failed", "demanded at least 45 %: failed"),
        (ROBUST + "min = 0.40", "robustness.linf-2/255.min", "undecided", "about 5,700 more images"),
        (ROBUST + "max_drop = 0.04", "robustness.linf-2/255.max_drop", "passed", "1.8 points below the baseline"),
        (ROBUST + "max_drop = 0.001", "robustness.linf-2/255.max_drop", "failed", "[0.2, 3.4]"),
        (ROBUST + "max_drop = 0.02", "robustness.linf-2/255.max_drop", "undecided", "more images"),
        ("[corruptions]\nmin = 0.7", "corruptions.min", "undecided", "--corruptions"),
        ('[size]\nmax_bytes = "1MB"', "size.max_bytes", "passed", "312,456 bytes; demanded at most 1,000,000"),
        ('[size]\nmax_bytes = "300KB"', "size.max_bytes", "failed", "312,456"),
        ('[size]\nmax_macs = "10M"', "size.max_macs", "failed", "10,512,896 multiply-adds"),
        ('[size]\nmax_params = "80k"', "size.max_params", "passed", "71,234 parameters"),
        (
            "[[latency]]\nmax_p50_ms = 0.5",
            "latency.cpu-b1-t1.max_p50_ms",
            "passed",
            "cpu, batch 1, 1 thread is 0.441 ms",
        ),
        ("[[latency]]\nmax_p50_ms = 0.4", "latency.cpu-b1-t1.max_p50_ms", "failed", "0.441 ms"),
        (
            "[[latency]]\nmax_ratio_p50 = 0.6",
            "latency.cpu-b1-t1.max_ratio_p50",
            "passed",
            "is 0.55 [0.53, 0.57] times the dense model's",
        ),
        ("[[latency]]\nmax_ratio_p50 = 0.5", "latency.cpu-b1-t1.max_ratio_p50", "failed", "[0.53, 0.57]"),
        ("[[latency]]\nmax_ratio_p50 = 0.56", "latency.cpu-b1-t1.max_ratio_p50", "undecided", "more runs"),
        ("[parity]\nmin_agreement = 0.999", "parity.min_agreement", "passed", "100.0 %"),
    ],
)
def test_one_demand(text: str, condition_id: str, decision: str, words: str) -> None:
    """Each kind of demand, met, missed and too close to say; the verdict follows the one demand."""
    verdict = judged(text, whole())
    found = condition(verdict, condition_id)
    assert found.decision == decision
    assert words in found.reason
    assert decision in found.reason
    assert verdict.decision == decision


@pytest.mark.parametrize(
    ("text", "condition_id", "evidence", "words"),
    [
        ("[accuracy]\nmin = 0.8", "accuracy.min", evidence_of(), "no certificate"),
        (
            "[accuracy]\nmax_drop = 0.1",
            "accuracy.max_drop",
            whole(certificate=certificate(baseline=None)),
            "--baseline",
        ),
        ("[accuracy]\nmax_class_drop = 0.1", "accuracy.max_class_drop", evidence_of(), "no certificate"),
        ("[accuracy]\nmax_ece = 0.1", "accuracy.max_ece", evidence_of(), "no certificate"),
        (ROBUST + "min = 0.3", "robustness.linf-2/255.min", evidence_of(), "no certificate"),
        (ROBUST + "min = 0.3", "robustness.linf-2/255.min", whole(certificate=certificate(threats=())), "--threat"),
        (
            ROBUST + "max_drop = 0.3",
            "robustness.linf-2/255.max_drop",
            whole(certificate=certificate(baseline=None)),
            "no baseline",
        ),
        (
            ROBUST + "max_drop = 0.3",
            "robustness.linf-2/255.max_drop",
            whole(certificate=certificate(baseline=baseline(threats=()))),
            "no result at linf 2/255",
        ),
        ("[size]\nmax_bytes = 1000000", "size.max_bytes", whole(parity=None), "no parity record"),
        ("[size]\nmax_macs = 1000000", "size.max_macs", whole(certificate=None), "no certificate"),
        ("[parity]\nmin_agreement = 0.9", "parity.min_agreement", whole(parity=None), "no parity record"),
        ("[[latency]]\nmax_p50_ms = 5", "latency.cpu-b1-t1.max_p50_ms", whole(latency=()), "no latency record"),
        (
            "[[latency]]\nmax_ratio_p50 = 0.9",
            "latency.cpu-b1-t1.max_ratio_p50",
            whole(latency=(latency(against=None),)),
            "--against DENSE",
        ),
        ('[[latency]]\ndevice = "*Orin*"\nmax_p50_ms = 5', "latency.cpu-b1-t1-orin.max_p50_ms", whole(), "Example CPU"),
        (
            '[[latency]]\nprovider = "cuda"\nmax_p50_ms = 5',
            "latency.cuda-b1-t1.max_p50_ms",
            whole(),
            "only cpu, batch 1",
        ),
        ("[[latency]]\nbatch = 8\nmax_p50_ms = 5", "latency.cpu-b8-t1.max_p50_ms", whole(), "--batch 8"),
        ("[[latency]]\nthreads = 2\nmax_p50_ms = 5", "latency.cpu-b1-t2.max_p50_ms", whole(), "--threads 2"),
        (
            "[[latency]]\nbatch = 8\nmax_ratio_p50 = 0.9",
            "latency.cpu-b8-t1.max_ratio_p50",
            whole(latency=(latency(rows=(row(), row(batch=8))),)),
            "no comparison with the dense model for cpu, batch 8",
        ),
        (
            "[accuracy]\nmin = 0.1\n[evidence]\nbattery = 'standard'",
            "evidence.battery",
            evidence_of(),
            "no certificate",
        ),
        ("[accuracy]\nmin = 0.1\n[evidence]\nseed = 0", "evidence.seed", evidence_of(), "no certificate"),
        ("[accuracy]\nmin = 0.1\n[evidence]\nmax_age = '1d'", "evidence.max_age", evidence_of(), "when it was made"),
        ("[accuracy]\nmin = 0.1", "evidence.artefact", evidence_of(), "no evidence at all"),
    ],
)
def test_missing_evidence_is_undecided(text: str, condition_id: str, evidence: Evidence, words: str) -> None:
    """What could not be looked at blocks, and the reason says how to make it."""
    verdict = judged(text, evidence)
    found = condition(verdict, condition_id)
    assert (found.decision, found.found) == ("undecided", None)
    assert words in found.reason
    assert verdict.decision == "undecided"


TORCH = certificate(artefact=Artefact(kind="torch", sha256="c3" * 32))


@pytest.mark.parametrize(
    ("demand", "condition_id", "evidence", "words"),
    [
        (
            "",
            "evidence.artefact",
            whole(parity=parity(artefact_sha256="00" * 32)),
            "parity record is about another file",
        ),
        (
            "",
            "evidence.artefact",
            whole(latency=(latency(artefact_sha256="00" * 32),)),
            "latency record is about another",
        ),
        ("", "evidence.artefact", whole(model=b"another file"), "than the model file"),
        ("", "evidence.artefact", whole(certificate=TORCH), "about a torch model"),
        ("", "evidence.result_sha256", whole(certificate=replace(certificate(), result_sha256="00" * 32)), "altered"),
        (
            "",
            "evidence.interval_method",
            whole(certificate=with_threat(interval_method="confidence-sequence", decided_after=300)),
            "clopper-pearson and confidence-sequence",
        ),
        ("", "evidence.interval_method", whole(certificate=certificate(interval_method="bootstrap")), "bootstrap"),
        ("", "evidence.interval_method", whole(certificate=with_threat(decided_after=300)), "decided early"),
        ("", "evidence.confidence", whole(certificate=certificate(confidence=0.5)), "at 50 % confidence"),
        ("", "evidence.confidence", whole(certificate=with_threat(confidence=0.9)), "at 90 % confidence"),
        (
            "",
            "evidence.split",
            whole(certificate=certificate(data=replace(certificate().result.data, split="select"))),
            "select and test",
        ),
        ('battery = "full"', "evidence.battery", whole(), "demanded full; make the certificate with --battery full"),
        ('battery = "standard"', "evidence.battery", whole(certificate=certificate(threats=())), "no attacked threat"),
        ("min_images = 1001", "evidence.min_images", whole(), "1,000 images were used; demanded at least 1,001"),
        ("seed = 7", "evidence.seed", whole(), "seed 0; demanded seed 7"),
        (f'data_sha256 = "{"0" * 64}"', "evidence.data_sha256", whole(), "the images used are e5e5e5e5e5e5"),
        (
            "max_duplicates = 2",
            "evidence.max_duplicates",
            whole(certificate=certificate(data=replace(certificate().result.data, duplicates_with_train=3))),
            "3 of the test images",
        ),
        ('max_age = "4d"', "evidence.max_age", whole(), "5 days old"),
        (
            'max_age = "6d"',
            "evidence.max_age",
            whole(latency=(latency(created="2026-08-01T00:00:00+00:00"),)),
            "24 days old",
        ),
        ('max_age = "9d"', "evidence.max_age", whole(certificate=certificate("2027-01-01T00:00:00+00:00")), "future"),
        ('max_age = "9d"', "evidence.max_age", whole(certificate=certificate("yesterday")), "does not say when"),
    ],
)
def test_evidence_that_does_not_count_is_undecided(
    demand: str, condition_id: str, evidence: Evidence, words: str
) -> None:
    """Another file, another battery, other images, old or altered: blocks, and never fails the model."""
    verdict = judged("[accuracy]\nmin = 0.8\n[evidence]\n" + demand, evidence)
    found = condition(verdict, condition_id)
    assert found.decision == "undecided"
    assert words in found.reason
    assert verdict.decision == "undecided"


def test_good_evidence_meets_every_demand_on_it() -> None:
    """The counterpart of the table above."""
    text = '[accuracy]\nmin = 0.8\n[evidence]\nbattery = "standard"\nmin_images = 1000\nseed = 0\nmax_age = "5d"\n'
    text += f'data_sha256 = "{"e5" * 32}"\nmax_duplicates = 0\n'
    verdict = judged(text, whole())
    assert verdict.decision == "passed"
    assert [each.id for each in verdict.conditions if each.id.startswith("evidence.")] == [
        "evidence.artefact",
        "evidence.result_sha256",
        "evidence.interval_method",
        "evidence.confidence",
        "evidence.split",
        "evidence.battery",
        "evidence.min_images",
        "evidence.seed",
        "evidence.data_sha256",
        "evidence.max_duplicates",
        "evidence.max_age",
    ]
    assert len(verdict.evidence) == 3


def test_a_raised_flag_blocks_a_model_that_meets_everything() -> None:
    """Also at a threat that the policy does not judge."""
    evidence = whole(certificate=certificate(threats=(threat_result("8/255", flags=(FLAG,)),)))
    verdict = judged("[accuracy]\nmin = 0.8", evidence)
    flag = condition(verdict, "flag.vanishing-gradients.linf-8/255")
    assert verdict.decision == "undecided"
    assert "31 % of gradients are zero" in flag.reason
    assert "run the full battery" in flag.reason


def _nothing_left(epsilon: str) -> Certificate:
    """Return a certificate whose baseline keeps 4 % at linf:2/255 and 64 % at linf:1/255."""
    empty = paired(
        epsilon, both=30, only_dense=10, only_slim=5, neither=955, difference=0.005, interval=(-0.003, 0.013)
    )
    return certificate(baseline=baseline(threats=(paired("1/255", both=600, only_dense=40, neither=334), empty)))


def test_a_comparison_with_nothing_left_to_lose_is_undecided() -> None:
    """The baseline is at chance, so a small drop says nothing; an epsilon where it would is named."""
    verdict = judged(ROBUST + "max_drop = 0.02", whole(certificate=_nothing_left("2/255")))
    found = condition(verdict, "robustness.linf-2/255.max_drop")
    assert found.decision == "undecided"
    assert "not above chance (10.0 %), so nothing can drop" in found.reason
    assert "demand it at linf:1/255, where the baseline keeps 64.0 %" in found.reason


def test_an_epsilon_to_try_is_named_where_none_is_known() -> None:
    """It is an eighth of the smallest one at which nothing was left, and called what it is: a rule of thumb."""
    made = _nothing_left("2/255")
    (known, empty) = made.result.baseline.threats  # type: ignore[union-attr]

    def reason(*pairs: PairedResult) -> str:
        evidence = whole(certificate=certificate(baseline=baseline(threats=pairs)))
        return condition(judged(ROBUST + "max_drop = 0.02", evidence), "robustness.linf-2/255.max_drop").reason

    alone = reason(empty)
    assert "try linf:1/1020;" in alone
    assert "a rule of thumb, which nothing here has measured" in alone
    assert "compress certify BASELINE --data DATA without a threat draws the curve" in alone
    assert "try linf:1/2040;" in reason(empty, replace(empty, epsilon="1/255"))
    others = replace(known, norm="l2", epsilon="1/1000"), replace(known, epsilon="4/255")
    assert reason(empty, *others) == alone  # another norm, or more than is demanded, says nothing here
    assert "demand it at linf:1/255, where the baseline keeps 64.0 %" in reason(empty, known)


def test_a_baseline_at_chance_cannot_lose_accuracy() -> None:
    """The same holds for clean accuracy."""
    guess = PairedAccuracy(both=30, only_dense=40, only_slim=45, neither=885, difference=-0.005, interval=(-0.02, 0.01))
    verdict = judged("[accuracy]\nmax_drop = 0.02", whole(certificate=certificate(baseline=baseline(clean=guess))))
    assert verdict.decision == "undecided"
    assert "nothing can drop" in condition(verdict, "accuracy.max_drop").reason


@pytest.mark.parametrize(
    ("limit", "decision", "words"),
    [
        ("0.6", "passed", "[63.0, 67.0]; demanded at least 60 %"),
        ("0.7", "failed", "over 2 corruptions (worst: fog, 50.0 %; without frost) is 65.0 %"),
        ("0.66", "undecided", "more images would settle it"),
    ],
)
def test_corruptions_are_judged_by_the_interval_on_their_mean(limit: str, decision: str, words: str) -> None:
    """The lower end must reach the limit; the worst is named, and what was skipped."""
    evidence = whole(certificate=certificate(corruptions=corruptions()))
    found = condition(judged(f"[corruptions]\nmin = {limit}", evidence), "corruptions.min")
    assert found.decision == decision
    assert words in found.reason


def test_a_class_without_images_is_left_out() -> None:
    """Recall is None there; the others are compared."""
    without = (replace(classes()[0], num=0, recall=None, robust=None), *classes()[1:])
    found = condition(
        judged("[accuracy]\nmax_class_drop = 0.05", whole(certificate=certificate(per_class=without))),
        "accuracy.max_class_drop",
    )
    assert found.found == pytest.approx(0.04)


def test_a_class_that_loses_just_as_much_as_may_be_passes() -> None:
    """18 of 20 and 17 of 20 are 0.05 apart, and the difference of the quotients is more."""
    assert 18 / 20 - 17 / 20 > 0.05
    for num, before, after, limit in (
        (20, 18, 17, 0.05),
        (50, 49, 44, 0.1),
        (100, 57, 55, 0.02),
        (1000, 999, 989, 0.01),
    ):
        slim = tuple(replace(each, num=num, recall=after / num) for each in classes())
        dense = tuple(replace(each, num=num, recall=before / num) for each in baseline().per_class)
        evidence = whole(certificate=certificate(per_class=slim, baseline=baseline(per_class=dense)))
        found = condition(judged(f"[accuracy]\nmax_class_drop = {limit}", evidence), "accuracy.max_class_drop")
        assert (found.decision, found.found) == ("passed", limit)
        less = condition(judged(f"[accuracy]\nmax_class_drop = {limit - 1e-4}", evidence), "accuracy.max_class_drop")
        assert less.decision == "failed"


def test_two_classes_may_have_one_label() -> None:
    """Classes are paired by place; other labels than the baseline's cannot be compared."""
    twins = tuple(replace(each, label="crane") for each in classes())
    before = tuple(replace(each, label="crane") for each in baseline().per_class)
    text = "[accuracy]\nmax_class_drop = 0.05"
    same = whole(certificate=certificate(per_class=twins, baseline=baseline(per_class=before)))
    other = whole(certificate=certificate(per_class=twins))
    assert condition(judged(text, same), "accuracy.max_class_drop").found == pytest.approx(0.04)
    assert condition(judged(text, other), "accuracy.max_class_drop").decision == "undecided"


def test_the_slowest_of_several_records_counts() -> None:
    """A file that was timed on two machines must be fast on both."""
    evidence = whole(latency=(latency(), latency(rows=(row(p50_ms=9.0, device_name="Slow CPU"),), against=None)))
    assert condition(judged("[[latency]]\nmax_p50_ms = 5", evidence), "latency.cpu-b1-t1.max_p50_ms").found == 9.0


def test_a_parity_record_that_failed_fails_the_model() -> None:
    """Also when the policy says nothing about parity."""
    verdict = judged("[accuracy]\nmin = 0.8", whole(parity=parity(decision="failed", max_abs=3.0)))
    assert condition(verdict, "parity.decision").decision == "failed"
    assert verdict.decision == "failed"


def test_failed_beats_undecided() -> None:
    """One failed condition decides, whatever else is open."""
    assert judged("[accuracy]\nmin = 0.84\n[size]\nmax_params = 1", whole()).decision == "failed"


def test_a_size_is_that_of_the_file_at_hand() -> None:
    """The file itself is believed before the record about it."""
    verdict = judged('[size]\nmax_bytes = "1MB"', whole(model=b"x" * 10))
    assert condition(verdict, "size.max_bytes").found == 10


WAIVED = '[accuracy]\nmin = 0.9\n[waivers]\nallowed = ["accuracy.min"]\nexpires = "2026-08-26"\n'


@pytest.mark.parametrize(
    ("now", "decision", "num_accepted"),
    [("2026-08-25T23:59:59+00:00", "passed", 1), ("2026-08-26T00:00:00+00:00", "failed", 0)],
)
def test_waivers_of_the_policy_expire(now: str, decision: str, num_accepted: int) -> None:
    """Until the day a waived condition does not stop; it keeps its own decision."""
    verdict = judged(WAIVED, whole(), now=now)
    assert (verdict.decision, len(verdict.accepted)) == (decision, num_accepted)
    assert condition(verdict, "accuracy.min").decision == "failed"


def test_somebody_can_take_it_upon_themselves() -> None:
    """By name and with a reason, which the record keeps; other blocking conditions still block."""
    text = "[accuracy]\nmin = 0.9\n[size]\nmax_params = 1\n"
    some = judged(text, whole(), accept={"accuracy.min": "demo on Friday"})
    both = judged(text, whole(), accept={"accuracy.min": "demo on Friday", "size.max_params": "same"})
    assert (some.decision, both.decision) == ("failed", "passed")
    assert [(each.id, each.because) for each in both.accepted] == [
        ("accuracy.min", "demo on Friday"),
        ("size.max_params", "same"),
    ]
    assert [each.decision for each in both.conditions[:2]] == ["failed", "failed"]


def test_a_condition_that_passed_needs_no_acceptance() -> None:
    """Only blocking conditions stand in the list."""
    assert judged("[accuracy]\nmin = 0.5", whole(), accept={"accuracy.min": "just in case"}).accepted == ()


@pytest.mark.parametrize(
    ("accept", "words"),
    [({"accuracy.mim": "why"}, "did you mean accuracy.min?"), ({"accuracy.min": "  "}, "add --because TEXT")],
)
def test_wrong_acceptance_is_refused(accept: dict[str, str], words: str) -> None:
    """An id that is not there, or no reason."""
    with pytest.raises(PolicyError) as caught:
        judged("[accuracy]\nmin = 0.9", whole(), accept=accept)
    assert words in caught.value.advice


def test_a_verdict_reads_back() -> None:
    """What is written is what was judged, and two judgements of the same are the same bytes."""
    verdict = judged("[accuracy]\nmin = 0.9", whole())
    assert parse(dump(verdict), Verdict, source="verdict.json") == verdict
    assert dump(judged("[accuracy]\nmin = 0.9", whole())) == dump(verdict)


def test_the_made_up_certificate_is_sound() -> None:
    """Its digest is right and it names the made-up file."""
    made = certificate()
    assert made.result_sha256 == digest_of_result(made.result)
    assert (made.result.artefact.sha256, made.created) == (ONNX, CREATED)


@pytest.mark.parametrize("name", ["accuracy.min", "evidence.artefact", "parity.decision", "flag.noise.linf-8/255"])
def test_what_may_be_a_condition_can_be_accepted_before_any_work(name: str) -> None:
    """Its own conditions, and those that come with the evidence."""
    check_accepted(parse_policy("[accuracy]\nmin = 0.9", "policy.toml"), [name])


def test_what_is_no_condition_is_refused_before_any_work() -> None:
    """With what was probably meant."""
    with pytest.raises(PolicyError, match="names no condition of policy") as caught:
        check_accepted(parse_policy("[accuracy]\nmin = 0.9", "policy.toml"), ["acuracy.min"])
    assert caught.value.advice == "did you mean accuracy.min?"


@pytest.mark.parametrize("name", ["evidence.batery", "evidence.max_age", "parity.agreement", "flag.noises.linf-8/255"])
def test_a_mistyped_condition_on_the_evidence_is_refused_as_early(name: str) -> None:
    """It would come to light after the release, which ends without a bundle then."""
    with pytest.raises(PolicyError, match="names no condition of policy"):
        check_accepted(parse_policy("[accuracy]\nmin = 0.9", "policy.toml"), [name])


def test_a_flag_that_was_not_raised_may_have_been_accepted() -> None:
    """Nobody knows beforehand which will be: the verdict has nothing to accept then."""
    policy = parse_policy("[accuracy]\nmin = 0.8", "policy.toml")
    verdict = judge(policy, whole(), now=LATER, accept={"flag.noise.linf-8/255": "seen before"})
    assert (verdict.decision, verdict.accepted) == ("passed", ())


def test_each_row_has_its_own_ratio() -> None:
    """A record that compares several configurations is judged at the one that is demanded."""
    two = (row(), row(batch=8, p50_ms=3.0))
    against = replace(
        latency().against,
        rows=two,
        ratios=(Ratio(ratio_p50=0.55, ratio_interval=(0.53, 0.57)), Ratio(ratio_p50=0.7, ratio_interval=(0.69, 0.72))),
    )
    evidence = whole(latency=(latency(rows=two, against=against),))
    of_eight, name = "[[latency]]\nbatch = 8\nmax_ratio_p50 = 0.75", "latency.cpu-b8-t1.max_ratio_p50"
    eight = condition(judged(of_eight, evidence), name)
    one = condition(judged("[[latency]]\nmax_ratio_p50 = 0.6", evidence), "latency.cpu-b1-t1.max_ratio_p50")
    assert (eight.decision, eight.found, one.found) == ("passed", 0.7, 0.55)
    only = whole(latency=(latency(rows=two, against=replace(against, ratios=None)),))
    missing = condition(judged(of_eight, only), name)
    assert missing.decision == "undecided"
    assert "only cpu, batch 1" in missing.reason
