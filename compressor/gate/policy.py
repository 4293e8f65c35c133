"""The policy: what is demanded, read strictly from `policy.toml`.

Everything is a fraction in [0, 1], a plain number or a text with its unit. A key that is not known, a value that cannot
be and a policy that demands nothing are refused with the line they stand on: a gate that guesses is none.
"""

import tomllib
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from compressor.attacks.threat import Threat
from compressor.certify.certificate import FLAGS
from compressor.certify.demand import Demand, Demands
from compressor.errors import PolicyError
from compressor.files import sha256_of_bytes
from compressor.gate.demands import LatencyDemand, Sections
from compressor.gate.lines import Path as KeyPath
from compressor.gate.lines import line_of, lines_of_keys
from compressor.gate.refusals import closest, earliest_refusal, refuse

PARITY_DECISION = "parity.decision"
ADDED = (
    PARITY_DECISION, "evidence.artefact", "evidence.result_sha256", "evidence.interval_method", "evidence.confidence",
    "evidence.split",
)  # fmt: skip
"""Conditions on the evidence itself, which no policy has to ask for."""
"""The parity record's own conclusion; judged whenever such a record is there."""

__all__ = ["Policy", "condition_ids", "demands_of", "parse_policy", "read_policy", "threat_id", "threats_of"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy(Sections):
    """A policy and where it came from."""

    policy_sha256: str
    """Digest of the file's bytes."""
    source: str
    """What to call it, usually its path."""


def read_policy(path: Path | str) -> Policy:
    """Read a policy file.

    Raises:
        PolicyError: no such file, or it cannot be judged by; names the line.
    """
    try:
        content = Path(path).read_bytes()
    except OSError as error:
        raise PolicyError(
            f"cannot read the policy {path}: {error.strerror or error}",
            advice="write a first one with: compress gate --init",
        ) from error
    return parse_policy(content, str(path))


def parse_policy(content: bytes | str, source: str) -> Policy:
    """Read a policy from its text.

    Args:
        content: TOML.
        source: what to call it in an error, usually its path.

    Raises:
        PolicyError: not TOML, an unknown key, an impossible value, the same threat twice, or nothing demanded.
    """
    content = content.encode() if isinstance(content, str) else content
    try:
        text = content.decode("utf-8-sig")
        table = tomllib.loads(text)
    except UnicodeDecodeError as error:
        raise PolicyError(f"the policy {source} is not text in UTF-8", advice="is it the right file?") from error
    except (ValueError, RecursionError) as error:
        raise PolicyError(f"the policy {source} is not TOML: {error}", advice="mend that line") from error
    lines = lines_of_keys(text)
    try:
        sections = TypeAdapter(Sections).validate_python(table)
    except ValidationError as error:
        raise earliest_refusal(error.errors(), source, lines) from error
    kept = {each.name: getattr(sections, each.name) for each in fields(Sections)}
    policy = Policy(**kept, policy_sha256=sha256_of_bytes(content), source=source)
    _check_whole(policy, lines)
    return policy


def threats_of(policy: Policy) -> tuple[Threat, ...]:
    """Return the threats that the policy names, in its order: what `release` measures."""
    return tuple(demand.threat for demand in policy.robustness)


def demands_of(policy: Policy) -> Demands | None:
    """Return what the policy demands of shares of images, which attacking can stop at once it is known; None: nothing.

    What it limits per class, by calibration or under corruptions is judged by the gate all the same. A few images say
    little about that, and the first two are judged as they were found, so such a policy passes on all images only.
    """
    each = [
        *_demands(None, policy.accuracy.min, policy.accuracy.max_drop),
        *(found for one in policy.robustness for found in _demands(one.threat, one.min, one.max_drop)),
    ]
    besides = (policy.accuracy.max_class_drop, policy.accuracy.max_ece, policy.corruptions.min)
    needs_all = any(limit is not None for limit in besides)
    return Demands(each=tuple(each), min_images=policy.evidence.min_images or 1, needs_all=needs_all) if each else None


def _demands(threat: Threat | None, at_least: float | None, most_drop: float | None) -> list[Demand]:
    found = [] if at_least is None else [Demand(threat=threat, at_least=at_least)]
    return found if most_drop is None else [*found, Demand(threat=threat, most_drop=most_drop)]


def condition_ids(policy: Policy) -> tuple[str, ...]:
    """Return the ids of the conditions that the policy states, without those every judgement adds."""
    ids = [f"accuracy.{key}" for key in _given(policy.accuracy)]
    ids += [
        f"robustness.{threat_id(each.threat)}.{key}" for each in policy.robustness for key in _given(each, "threat")
    ]
    ids += [f"corruptions.{key}" for key in _given(policy.corruptions)]
    ids += [f"size.{key}" for key in _given(policy.size)]
    ids += [f"latency.{each.name}.{key}" for each in policy.latency for key in _limits(each)]
    ids += [f"parity.{key}" for key in _given(policy.parity)]
    return (*ids, *(f"evidence.{key}" for key in _given(policy.evidence)))


def is_added(condition_id: str) -> bool:
    """Say whether a judgement adds this condition by itself, whatever the policy demands, if there is reason to."""
    return condition_id in ADDED or condition_id.split(".")[:2] in [["flag", flag] for flag in FLAGS]


def threat_id(threat: Threat) -> str:
    """Return a threat's part of a condition's id: `linf-2/255`."""
    return f"{threat.norm}-{threat.epsilon}"


def _given(section: Any, *besides: str) -> list[str]:
    return [
        each.name for each in fields(section) if each.name not in besides and getattr(section, each.name) is not None
    ]


def _limits(demand: LatencyDemand) -> list[str]:
    return _given(demand, "provider", "device", "batch", "threads")


def _check_whole(policy: Policy, lines: dict[KeyPath, int]) -> None:
    """Refuse what no single value shows: nothing demanded, the same twice, a waiver of nothing."""
    source = policy.source
    seen: set[str] = set()
    for kind, names in (
        ("robustness", [str(each.threat) for each in policy.robustness]),
        ("latency", [each.name for each in policy.latency]),
    ):
        for place, name in enumerate(names):
            if name in seen:
                line = line_of((kind, place), lines)
                raise refuse(source, line, f"{name} stands twice in [[{kind}]]", "keep one, with both demands in it")
            seen.add(name)
    for place, demand in enumerate(policy.latency):
        if demand.provider != demand.provider.lower() and not demand.provider.endswith("ExecutionProvider"):
            line, meant = line_of(("latency", place, "provider"), lines), demand.provider.lower()
            raise refuse(source, line, f"no record has the provider {demand.provider!r}", f"did you mean {meant}?")
        if not _limits(demand):
            line = line_of(("latency", place), lines)
            raise refuse(
                source, line, "this [[latency]] demands nothing", "add max_p50_ms or max_ratio_p50, or remove it"
            )
    known = condition_ids(policy)
    if all(each.startswith("evidence.") for each in known):
        raise refuse(source, 1, "the policy demands nothing of a model", "add, for example, [accuracy] with min = 0.9")
    _check_waivers(policy, known, lines)


def _check_waivers(policy: Policy, known: tuple[str, ...], lines: dict[KeyPath, int]) -> None:
    line = line_of(("waivers", "allowed"), lines)
    for each in policy.waivers.allowed:
        if each not in known and not is_added(each):
            raise refuse(policy.source, line, f"{each!r} waives no condition of this policy", closest(each, known))
    if policy.waivers.allowed and policy.waivers.expires is None:
        raise refuse(policy.source, line, "the waivers never expire", 'add, for example, expires = "2027-01-01"')
