"""Hold a policy against evidence: one condition for each demand, one verdict for all of them.

The verdict is failed if any condition failed, else undecided if any is undecided, else passed. A blocking condition
stops to count, and keeps its own decision in the record, in two ways only:

- the policy waives it: its id is in `[waivers] allowed` and the day of judging is before `expires`;
- somebody takes it upon themselves by name and with a reason (`--unsafe-accept ID --because TEXT`).

Both stand in `accepted` for ever. When every blocking condition is accepted the verdict is passed. Whoever judges with
a policy of their own (`verify --policy MINE`) hands in no `accept`, so that only their own waivers count.
"""

from collections.abc import Collection, Mapping, Sequence
from datetime import UTC

from compressor.errors import PolicyError
from compressor.gate import conditions as kinds
from compressor.gate import wording
from compressor.gate.evidence import Evidence
from compressor.gate.policy import Policy, condition_ids, is_added
from compressor.gate.refusals import closest
from compressor.gate.verdict import SCHEMA, Accepted, Condition, PolicyFacts, Verdict
from compressor.records import tool_version
from compressor.types import Decision


def judge(policy: Policy, evidence: Evidence, *, now: str, accept: Mapping[str, str] | None = None) -> Verdict:
    """Judge.

    Args:
        policy: what is demanded.
        evidence: what was found.
        now: the time of judging, ISO 8601 with its zone; stale evidence and waivers are measured by it.
        accept: ids of conditions that somebody takes upon themselves, each with why.

    Raises:
        PolicyError: `accept` names a condition that this policy and evidence do not have, or gives no reason.
    """
    conditions = (
        *kinds.judge_accuracy(policy.accuracy, evidence),
        *kinds.judge_robustness(policy.robustness, evidence),
        *kinds.judge_corruptions(policy.corruptions, evidence),
        *kinds.judge_size(policy.size, evidence),
        *kinds.judge_latency(policy.latency, evidence),
        *kinds.judge_parity(policy.parity, evidence),
        *kinds.judge_origin(policy, evidence, now=now),
        *kinds.judge_flags(evidence),
    )
    accepted = _accepted(policy, blocking(conditions), now=now, accept=_checked(accept or {}, conditions))
    return Verdict(
        schema=SCHEMA,
        created=now,
        tool_version=tool_version(),
        decision=conclude(conditions, accepted),
        policy=PolicyFacts(sha256=policy.policy_sha256, source=policy.source),
        evidence=evidence.digests,
        conditions=conditions,
        accepted=accepted,
    )


def blocking(conditions: Sequence[Condition]) -> tuple[Condition, ...]:
    """Return the conditions that block, failed ones first."""
    return tuple(
        each for wanted in (Decision.FAILED, Decision.UNDECIDED) for each in conditions if each.decision is wanted
    )


def conclude(conditions: Sequence[Condition], accepted: Sequence[Accepted]) -> Decision:
    """Return the decision over all conditions, leaving out those that are accepted."""
    taken = {each.id for each in accepted}
    standing = [each.decision for each in blocking(conditions) if each.id not in taken]
    return standing[0] if standing else Decision.PASSED


def check_accepted(policy: Policy, accept: Collection[str]) -> None:
    """Refuse to accept what no verdict by this policy can hold: before any work, which may take hours.

    Args:
        policy: read.
        accept: ids. Whether those about evidence, parity and flags will be there depends on what is handed in.

    Raises:
        PolicyError: one of them is none of this policy's conditions.
    """
    known = condition_ids(policy)
    for each in accept:
        if each not in known and not is_added(each):
            raise PolicyError(
                f"--unsafe-accept {each!r} names no condition of {policy.source}", advice=closest(each, known)
            )


def _checked(accept: Mapping[str, str], conditions: Sequence[Condition]) -> Mapping[str, str]:
    """Refuse to accept what is not there, or without a reason."""
    known = [each.id for each in conditions]
    for condition_id, because in accept.items():
        is_quiet = condition_id.startswith("flag.")  # one that was not raised is good news
        if condition_id not in known and not is_quiet:
            raise PolicyError(
                f"--unsafe-accept {condition_id!r} names no condition of this verdict",
                advice=closest(condition_id, known),
            )
        if not because.strip():
            raise PolicyError(f"--unsafe-accept {condition_id} gives no reason", advice="add --because TEXT")
    return accept


def _accepted(
    policy: Policy, blockers: Sequence[Condition], *, now: str, accept: Mapping[str, str]
) -> tuple[Accepted, ...]:
    """Return the blocking conditions that do not count, each with why; a person's words come before the policy's."""
    moment = wording.instant(now)
    waived = {
        each.id
        for each in blockers
        if moment is not None and policy.waivers.cover(each.id, moment.astimezone(UTC).date())
    }
    because = dict.fromkeys(waived, f"waived by the policy until {policy.waivers.expires}") | dict(accept)
    return tuple(Accepted(id=each.id, because=because[each.id]) for each in blockers if each.id in because)
