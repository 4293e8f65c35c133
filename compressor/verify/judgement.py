"""Does the certificate follow from the outcomes, and the verdict from the evidence?"""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np

from compressor.bundle.names import CERTIFICATE, CONTROL, MODEL, OUTCOMES, POLICY, REPLAY, TRIALS, VERDICT
from compressor.certify.battery import BATTERIES
from compressor.certify.certificate import digest_of_result
from compressor.certify.outcomes import contradictions
from compressor.certify.siege import STANDING
from compressor.errors import CompressorError
from compressor.gate.evidence import Evidence, read_evidence
from compressor.gate.judge import conclude, judge
from compressor.gate.policy import Policy, read_policy
from compressor.gate.verdict import Condition, Verdict
from compressor.gate.wording import instant
from compressor.records import now, tool_version
from compressor.types import Decision
from compressor.verify.attacked import certificates_of, is_of_battery
from compressor.verify.model import rounding_limit
from compressor.verify.opened import Opened
from compressor.verify.record import Found, Status

CLOCKS_APART = timedelta(minutes=5)
"""So far the clocks of two machines may differ."""

UNREADABLE = (CompressorError, ArithmeticError, LookupError, OSError, TypeError, ValueError)
"""What files that somebody made up can answer with; a machine that lacks something is another matter."""

SHOWN = 5
"""Differences named in one sentence."""

EXPORTED_ONLY = "the bundle was only exported: there is none"


def check_result(opened: Opened) -> Found:
    """Compute the digest of the certificate's result again."""
    if not opened.is_certified:
        return Status.NOT_CHECKED, EXPORTED_ONLY
    certificates = certificates_of(opened)
    if (TRIALS in opened.bundle.names) != (opened.certificate.result.searched is not None):
        return Status.CONTRADICTED, f"{CERTIFICATE} and {TRIALS} do not agree that the model was searched for"
    if any(each.result.data != opened.certificate.result.data for each in certificates.values()):
        return Status.CONTRADICTED, f"{CONTROL} is about other images than {CERTIFICATE}"
    edited = [name for name, each in certificates.items() if each.result_sha256 != digest_of_result(each.result)]
    if edited:
        return (
            Status.CONTRADICTED,
            f"the result of {' and '.join(edited)} does not have the digest that stands beside it",
        )
    return Status.RECOMPUTED, f"the result of {' and '.join(certificates)} has the digest that stands beside it"


def check_outcomes(opened: Opened) -> Found:
    """Compute every number of the certificate again from what became of each image."""
    if not opened.is_certified:
        return Status.NOT_CHECKED, EXPORTED_ONLY
    outcomes = opened.outcomes
    wrong = [*contradictions(opened.certificate, outcomes)]
    is_wrong = outcomes.answers != outcomes.labels
    wrong += [
        f"{each.threat}: images that {MODEL} answers wrong are counted as robust"
        for each in outcomes.threats
        if (is_wrong & (each.slim == STANDING)).any()
    ]
    shaken = outcomes.corruptions
    if shaken is not None and shaken.worst_slim[is_wrong].any():
        wrong.append(f"images that {MODEL} answers wrong are counted as right in every place")
    if wrong:
        return Status.CONTRADICTED, "; ".join(wrong[:SHOWN])
    num = opened.certificate.result.data.num_images
    detail = f"{OUTCOMES} gives the certificate's numbers, image by image ({num:,})"
    return Status.RECOMPUTED, detail


def check_adversarial(opened: Opened) -> Found:
    """Count the images in `replay.npz` that break the file, clearly, against those that the outcomes own up to.

    For each image and threat one adversarial image is stored at most, so those that break it are at most as many.
    """
    if not opened.is_certified:
        return Status.NOT_CHECKED, EXPORTED_ONLY
    stored, outcomes = opened.replay, opened.outcomes
    logits, labels = stored.adversarial_logits, stored.adversarial_labels
    lead = logits.max(axis=1, initial=-np.inf) - logits[np.arange(len(labels)), labels]
    breaks = lead > rounding_limit(opened.session) * np.abs(stored.probe_logits).max()
    threats = np.array(stored.adversarial_threats, dtype=str)
    said = {each.threat: int((each.slim >= 0).sum()) for each in outcomes.threats}
    wrong = []
    for threat in dict.fromkeys(stored.adversarial_threats):
        num = int((breaks & (threats == threat)).sum())
        if threat not in said:
            wrong.append(f"{REPLAY} has images under {threat}, and {OUTCOMES} does not know it")
        elif num > said[threat]:
            wrong.append(f"{num} images in {REPLAY} break it under {threat}, and {OUTCOMES} counts {said[threat]}")
    if wrong:
        return Status.CONTRADICTED, "; ".join(wrong[:SHOWN])
    detail = f"{int(breaks.sum())} of {len(labels)} stored images break {MODEL}, no more than {OUTCOMES} counts"
    return Status.CONSISTENT, detail


def check_verdict(opened: Opened) -> Found:
    """Judge again as of the time of the verdict, by the policy in the bundle."""
    said = opened.bundle.verdict
    if said is None:
        return Status.NOT_CHECKED, EXPORTED_ONLY
    policy = read_policy(opened.path(POLICY))
    accept = {each.id: each.because for each in said.accepted}
    evidence = read_evidence([opened.bundle.folder])
    found = judge(policy, evidence, now=said.created, accept=accept)
    wrong = [f"{VERDICT} is dated {said.created}, {odd}"] if (odd := _misdated(said, evidence)) else []
    if said.policy.sha256 != policy.policy_sha256:
        wrong.append(f"{VERDICT} was reached by another policy than {POLICY}")
    if missing := sorted(set(found.evidence) ^ set(said.evidence)):
        wrong.append(f"{VERDICT} was reached on other records ({', '.join(each[:12] for each in missing)})")
    if said.decision != found.decision:
        wrong.append(f"{VERDICT} says {said.decision}, judging again says {found.decision}")
    if said.tool_version == tool_version():
        wrong += [f"{each} comes out otherwise" for each in _different(said, found)]
    if wrong:
        return Status.CONTRADICTED, "; ".join(wrong)
    accepted = f", with {', '.join(accept)} accepted" if accept else ""
    detail = f"judged again by the bundle's own policy as of {said.created}: {found.decision}{accepted}"
    return Status.RECOMPUTED, detail


def _misdated(verdict: Verdict, evidence: Evidence) -> str:
    """Return why a verdict cannot be of its date; "" where it can. Waivers and ages are measured by that date."""
    said = instant(verdict.created)
    if said is None:
        return ""
    if said > datetime.now(UTC) + CLOCKS_APART:
        return "which is still to come"
    records = [each for each in (evidence.certificate, *evidence.parities, *evidence.latency) if each is not None]
    for record in records:
        made = instant(record.created)
        if made is not None and said < made - CLOCKS_APART:
            return f"before the {record.schema} record that it judges, of {record.created}"
    return ""


def check_policy(policy: Policy, opened: Opened, *, is_dated: bool) -> Found:
    """Judge the evidence by the verifier's own policy. Not met means that the bundle does not hold for them.

    Args:
        policy: theirs.
        opened: the bundle.
        is_dated: whether the date of the verdict is known to be the maker's: the bundle is authentic.
    """
    found = _judged_by(policy, opened, is_dated=is_dated)
    waived = {each.id: each.because for each in found.accepted}
    blocking = [each for each in found.conditions if each.decision is not Decision.PASSED]
    reasons = "".join(
        f"; {each.id}, {waived[each.id]}: {each.reason}" if each.id in waived else f"; {each.id}: {each.reason}"
        for each in blocking
    )
    detail = f"by {policy.source}, as of {found.created}: {found.decision}{reasons}"
    return Status.RECOMPUTED if found.decision is Decision.PASSED else Status.CONTRADICTED, detail


def decision_by(policy: Policy | None, opened: Opened, *, is_dated: bool) -> Decision | None:
    """Return what the evidence comes to under the verifier's own policy; None without one, or without evidence."""
    if policy is None:
        return None
    try:
        return _judged_by(policy, opened, is_dated=is_dated).decision
    except UNREADABLE:
        return None


def own_decision(opened: Opened) -> Decision | None:
    """Return the bundle's own verdict; None where there is none, or none that can be read."""
    try:
        verdict = opened.bundle.verdict
    except CompressorError:
        return None
    return None if verdict is None else verdict.decision


def _judged_by(policy: Policy, opened: Opened, *, is_dated: bool) -> Verdict:
    """Judge as of the time of the verdict; what the maker of the bundle accepted is not accepted here.

    Where that time is only what the files say, a waiver must still count today: whoever made the files anew could
    have set the clock back to when it did.

    The gate believes the name of a battery. Here its attacks are at hand, so a name alone does not meet a demand.
    """
    said = opened.bundle.verdict
    found = judge(policy, read_evidence([opened.bundle.folder]), now=said.created if said else now())
    if not is_dated:
        today = datetime.now(UTC).date()
        accepted = tuple(each for each in found.accepted if policy.waivers.cover(each.id, today))
        found = replace(found, accepted=accepted, decision=conclude(found.conditions, accepted))
    wanted = policy.evidence.battery
    if wanted not in BATTERIES or not opened.is_certified:
        return found
    num_classes = opened.checkpoint.num_classes
    named = [each for each in opened.certificate.result.threats if each.battery == wanted]
    other = [str(each.threat) for each in named if not is_of_battery(each, num_classes)]
    if not other:
        return found
    reason = f"what ran at {', '.join(other)} is called {wanted} and is another list of attacks: undecided"
    conditions = tuple(
        replace(each, decision=Decision.UNDECIDED, reason=reason) if each.id == "evidence.battery" else each
        for each in found.conditions
    )
    decision = Decision.FAILED if found.decision is Decision.FAILED else Decision.UNDECIDED
    return replace(found, conditions=conditions, decision=decision)


def _different(said: Verdict, found: Verdict) -> list[str]:
    """Return the ids of conditions that differ in anything but their words."""
    before, after = ({each.id: _facts(each) for each in verdict.conditions} for verdict in (said, found))
    return sorted(each for each in before.keys() | after.keys() if before.get(each) != after.get(each))


def _facts(condition: Condition) -> tuple[object, ...]:
    return condition.demanded, condition.found, condition.interval, condition.decision
