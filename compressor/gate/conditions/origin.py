"""`[evidence]` and what every judgement demands of it: whole, about one file, recent enough, and not fooled.

Such a condition is never failed. Evidence that does not count proves nothing about the model, so it is undecided, and
that blocks.
"""

from collections.abc import Iterator
from datetime import timedelta

from compressor.certify.certificate import Certificate, Result, digest_of_result
from compressor.gate import rules, wording
from compressor.gate.conditions.absent import NO_CERTIFICATE
from compressor.gate.conditions.shipping import record_name
from compressor.gate.demands import EvidenceDemand
from compressor.gate.evidence import Evidence
from compressor.gate.policy import Policy, threat_id, threats_of
from compressor.gate.verdict import Condition

METHODS = ("clopper-pearson", "confidence-sequence")
LEAST_CONFIDENCE = 0.95
"""Intervals of a lower confidence are narrower and would pass what DESIGN's 0.95 does not."""

SHOWN_DIGITS = 12
"""Of a digest, in a sentence."""


def judge_origin(policy: Policy, evidence: Evidence, *, now: str) -> Iterator[Condition]:
    """Yield the conditions on the evidence itself.

    Args:
        policy: its `[evidence]` section, and the threats it names.
        evidence: to look at.
        now: the time of judging, ISO 8601 with its zone.
    """
    demand = policy.evidence
    yield _one_file(evidence)
    if evidence.certificate is not None:
        result = evidence.certificate.result
        yield _unaltered(evidence.certificate)
        yield _one_method(result)
        yield _confident(result)
        yield _test_images(result)
    if demand.battery is not None:
        yield _battery(demand.battery, policy, evidence)
    yield from _sample(demand, evidence)
    if demand.max_age is not None:
        yield _recent(demand.max_age, evidence, now)


def judge_flags(evidence: Evidence) -> Iterator[Condition]:
    """Yield a condition for each raised flag: the attacks may have been fooled, so the figure may be too high."""
    threats = evidence.certificate.result.threats if evidence.certificate else ()
    for result in threats:
        for flag in {flag.id: flag for flag in result.flags}.values():
            threat = result.threat
            yield rules.missing(
                f"flag.{flag.id}.{threat_id(threat)}",
                "no sign that the attacks were fooled",
                f"{flag.id} at {threat.norm} {threat.epsilon}: {flag.measured}: undecided, {flag.advice}",
            )


def _short(digest: str) -> str:
    return digest[:SHOWN_DIGITS]


def _one_file(evidence: Evidence) -> Condition:
    """Check that every record is about the same ONNX file."""
    condition_id, demanded = "evidence.artefact", "all records are about one ONNX file"
    certificate = evidence.certificate
    if certificate is not None and certificate.result.artefact.kind != "onnx":
        return rules.missing(
            condition_id,
            demanded,
            f"the certificate is about a {certificate.result.artefact.kind} model, not about the ONNX file that ships: "
            "undecided, make one with compress certify BUNDLE",
        )
    named = [("the model file", evidence.model_sha256)] if evidence.model_sha256 else []
    named += [("the certificate", certificate.result.artefact.sha256)] if certificate else []
    named += [(record_name(each), each.artefact_sha256) for each in evidence.parities]
    named += [("the latency record", record.artefact_sha256) for record in evidence.latency]
    if not named:
        return rules.missing(condition_id, demanded, "there is no evidence at all: undecided")
    first, digest = named[0]
    other = next((each for each in named if each[1] != digest), None)
    if other is not None:
        return rules.missing(
            condition_id,
            demanded,
            f"{other[0]} is about another file ({_short(str(other[1]))}) than {first} ({_short(str(digest))}): "
            "undecided, make both for the same model.onnx",
        )
    return rules.checked(
        condition_id,
        demanded=demanded,
        found=digest,
        holds=True,
        reason=f"{', '.join(dict.fromkeys(name for name, _ in named))}: all about {_short(str(digest))}",
    )


def _unaltered(certificate: Certificate) -> Condition:
    digest = digest_of_result(certificate.result)
    holds = digest == certificate.result_sha256
    story = "matches" if holds else "does not match: it was altered, make it anew with compress certify"
    return rules.checked(
        "evidence.result_sha256",
        demanded="the certificate's digest matches its result",
        found=digest,
        holds=holds,
        reason=f"the certificate's digest is {_short(certificate.result_sha256)}, its result gives {_short(digest)}, "
        f"which {story}",
    )


def _one_method(result: Result) -> Condition:
    """Check that intervals are of one kind, and of the kind that looking early allows."""
    methods = sorted({result.interval_method, *(each.interval_method for each in result.threats)})
    peeked = any(each.decided_after is not None for each in result.threats)
    wrong_early = peeked and methods != ["confidence-sequence"]
    holds = len(methods) == 1 and methods[0] in METHODS and not wrong_early
    story = f"intervals are by {' and '.join(methods)}"
    if wrong_early:
        story += ", but some were decided early, which only a confidence-sequence allows"
    elif not holds:
        story += ", which cannot be judged together; make the certificate in one run"
    return rules.checked(
        "evidence.interval_method",
        demanded="one kind of interval throughout",
        found=", ".join(methods),
        holds=holds,
        reason=story,
    )


def _confident(result: Result) -> Condition:
    lowest = min([result.confidence, *(each.confidence for each in result.threats)])
    demanded = f"at least {wording.demanded_percent(LEAST_CONFIDENCE)}"
    return rules.checked(
        "evidence.confidence",
        demanded=demanded,
        found=lowest,
        holds=lowest >= LEAST_CONFIDENCE,
        reason=f"intervals are at {wording.demanded_percent(lowest)} confidence; demanded {demanded}",
    )


def _test_images(result: Result) -> Condition:
    used = sorted({result.data.split, *result.data.roles_used})
    return rules.checked(
        "evidence.split",
        demanded="test images only",
        found=", ".join(used),
        holds=used == ["test"],
        reason=f"images are of the role {' and '.join(used)}; demanded test images only",
    )


def _battery(battery: str, policy: Policy, evidence: Evidence) -> Condition:
    condition_id, demanded = "evidence.battery", f"the battery {battery!r}"
    if evidence.certificate is None:
        return rules.missing(condition_id, demanded, NO_CERTIFICATE)
    wanted = threats_of(policy)
    results = [each for each in evidence.certificate.result.threats if not wanted or each.threat in wanted]
    if not results:
        return rules.missing(condition_id, demanded, "the certificate has no attacked threat of this policy: undecided")
    used = sorted({each.battery for each in results})
    holds = used == [battery]
    remedy = "" if holds else f"; make the certificate with --battery {battery}"
    return rules.checked(
        condition_id,
        demanded=demanded,
        found=", ".join(used),
        holds=holds,
        reason=f"attacked with the battery {' and '.join(used)}; demanded {battery}{remedy}",
    )


def _sample(demand: EvidenceDemand, evidence: Evidence) -> Iterator[Condition]:
    """Yield the conditions on the images: how many, which, drawn how, and none seen in training."""
    result = evidence.certificate.result if evidence.certificate else None
    if demand.min_images is not None:
        found = result.data.num_images if result else None
        holds = found is not None and found >= demand.min_images
        yield _about_sample("min_images", f"at least {wording.amount(demand.min_images)} images", found, holds=holds)
    if demand.seed is not None:
        seed = result.seed if result else None
        yield _about_sample("seed", f"seed {demand.seed}", seed, holds=seed == demand.seed)
    if demand.data_sha256 is not None:
        digest = result.data.sha256 if result else None
        holds = digest == demand.data_sha256
        yield _about_sample("data_sha256", f"the images {_short(demand.data_sha256)}", digest, holds=holds)
    if demand.max_duplicates is not None:
        seen = result.data.duplicates_with_train if result else None
        holds = seen is not None and seen <= demand.max_duplicates
        wanted = f"at most {wording.amount(demand.max_duplicates)} of them also in the training images"
        yield _about_sample("max_duplicates", wanted, seen, holds=holds)


SAMPLE_WORDS = {
    "min_images": "{} images were used",
    "seed": "the sample and the attacks were drawn with seed {}",
    "data_sha256": "the images used are {}",
    "max_duplicates": "{} of the test images used stand in the training images too",
}


def _about_sample(key: str, demanded: str, found: int | str | None, *, holds: bool) -> Condition:
    if found is None:
        return rules.missing(f"evidence.{key}", demanded, NO_CERTIFICATE)
    story = SAMPLE_WORDS[key].format(_short(found) if isinstance(found, str) else wording.amount(found))
    return rules.checked(
        f"evidence.{key}", demanded=demanded, found=found, holds=holds, reason=f"{story}; demanded {demanded}"
    )


def _recent(limit: timedelta, evidence: Evidence, now: str) -> Condition:
    """Check the oldest record. A record from the future has no age that could be trusted."""
    condition_id, demanded = "evidence.max_age", f"at most {wording.age(limit)} old"
    records = [each for each in (evidence.certificate, *evidence.parities, *evidence.latency) if each is not None]
    moment = wording.instant(now)
    times = [wording.instant(each.created) for each in records]
    if not records or moment is None or None in times:
        return rules.missing(condition_id, demanded, "the evidence does not say when it was made: undecided")
    ages = [moment - each for each in times if each is not None]
    if min(ages) < -timedelta(minutes=5):
        return rules.missing(
            condition_id, demanded, "a record is from the future: undecided, check the machines' clocks"
        )
    oldest = max(ages)
    holds = oldest <= limit
    return rules.checked(
        condition_id,
        demanded=demanded,
        found=wording.age(oldest),
        holds=holds,
        reason=f"the oldest record is {wording.age(oldest)} old; demanded {demanded}"
        + ("" if holds else "; make it anew"),
    )
