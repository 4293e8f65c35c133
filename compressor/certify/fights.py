"""Every threat fought: the dense model first, then the slim one, then the checks on whether the attacks were fooled."""

import hashlib
from dataclasses import dataclass, replace

import numpy as np
import torch

from compressor.attacks.threat import Threat
from compressor.certify import preflight
from compressor.certify.battery import BATTERIES, TRANSFER, Assault, Battery, digest_of_attacks
from compressor.certify.certificate import Audit, Flag
from compressor.certify.curve import curve_sieges
from compressor.certify.siege import Ground, Siege
from compressor.certify.statistics import clopper_pearson
from compressor.certify.twins import Reply
from compressor.certify.work import Party, Work, lay_siege


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Fight:
    """One threat, fought: the siege of the slim model, of the dense one, and what was noticed."""

    slim: Siege
    dense: Siege | None
    """None without a baseline."""
    attacks_sha256: str
    """Digest of the battery at this threat."""
    flags: tuple[Flag, ...] = ()
    audit: Audit | None = None


def fight_threats(
    work: Work,
    slim: tuple[Party, Reply],
    dense: tuple[Party, Reply] | None,
    *,
    threats: list[Threat],
    battery: Battery,
    audit: int,
    confidence: float,
) -> list[Fight]:
    """Fight every threat, or the points of the curve when there is none.

    Args:
        work: how to go about it.
        slim: the model with its file, and what it answers to the clean images.
        dense: the model as delivered, or None.
        threats: in the order of the certificate.
        battery: what runs.
        audit: survivors per threat that meet the full battery too; 0 for none.
        confidence: of the audit's interval.
    """
    if not threats:
        return _curve(work, *slim)
    fights = plain_fights(work, slim, dense, threats=threats, battery=battery)
    return inspected(work, slim, fights, audit=audit, confidence=confidence)


def plain_fights(
    work: Work,
    slim: tuple[Party, Reply],
    dense: tuple[Party, Reply] | None,
    *,
    threats: list[Threat],
    battery: Battery,
) -> list[Fight]:
    """Fight every threat, without asking yet whether the attacks were fooled."""
    ours = slim[0], ground_of(work, slim[1])
    theirs = None if dense is None else (dense[0], ground_of(work, dense[1]))
    return [_one_fight(work, threat, battery, slim=ours, dense=theirs) for threat in threats]


def inspected(
    work: Work, slim: tuple[Party, Reply], fights: list[Fight], *, audit: int, confidence: float
) -> list[Fight]:
    """Return the fights with their flags, and audited where that was asked for."""
    if not fights:  # nothing was to be decided but corruptions or clean accuracy
        return []
    party, reply = slim
    model = party.twins.model
    before = model.num_forward, model.num_backward
    shared = _flags_of_model(party, ground_of(work, reply), reply)
    fights[0].slim.num_forward += model.num_forward - before[0]
    fights[0].slim.num_backward += model.num_backward - before[1]
    found = []
    for fight in fights:
        flags = (*shared, *_flags_of_threat(party, fight.slim))
        audited = _audit(work, party, fight.slim, audit, confidence) if audit else None
        found.append(replace(fight, flags=flags, audit=audited))
    return [_with_monotone(fight, found) for fight in found]


def ground_of(work: Work, reply: Reply) -> Ground:
    """Return what a model with these clean answers is attacked on."""
    return Ground(images=work.images, seeds=work.seeds, is_right=reply.right(work.images.labels), logits=reply.twin)


def _one_fight(
    work: Work,
    threat: Threat,
    battery: Battery,
    *,
    slim: tuple[Party, Ground],
    dense: tuple[Party, Ground] | None,
) -> Fight:
    attacks = battery.fitted(threat, slim[0].twins.num_classes)
    digest = digest_of_attacks(attacks, threat)
    if dense is None:
        return Fight(slim=lay_siege(work, *slim, threat, attacks), dense=None, attacks_sha256=digest)
    first = lay_siege(work, *dense, threat, attacks, keep_all=True)
    replay = Assault(name=TRANSFER, settings={"source": str(dense[0].identity["model"])})
    second = lay_siege(work, *slim, threat, (replay, *attacks), transferred=first, source=dense[0])
    first.gallery.exhibits.clear()  # one image per clean one: it is used up
    return Fight(slim=second, dense=first, attacks_sha256=digest)


def _curve(work: Work, slim: Party, reply: Reply) -> list[Fight]:
    """Return the points of the curve, each with the flags that checks on the model alone can raise."""
    ground = ground_of(work, reply)
    flags = _flags_of_model(slim, ground, reply)
    for flag in flags:
        work.progress.say(f"flag {flag.id}: {flag.measured}; {flag.advice}")
    return [
        Fight(slim=siege, dense=None, attacks_sha256=digest_of_attacks(siege.attacks, siege.threat), flags=flags)
        for siege in curve_sieges(work, slim, ground)
    ]


def _flags_of_model(slim: Party, ground: Ground, reply: Reply) -> tuple[Flag, ...]:
    twins, probes = slim.twins, preflight.probes_of(ground)
    flags = list(preflight.check_answers(reply, preflight.repeated(twins, ground)))
    if len(probes):
        model = twins.model
        images = ground.images.read(probes.tolist()).to(model.device)
        labels = torch.from_numpy(ground.images.labels[probes]).to(model.device)
        seeds = torch.from_numpy(ground.seeds[probes]).to(model.device)
        flags += preflight.check_gradients(model, images, labels, seeds)
        flags += preflight.check_unbounded(model, images, labels, seeds)
    return tuple(flags)


def _flags_of_threat(slim: Party, siege: Siege) -> tuple[Flag, ...]:
    probes = preflight.probes_of(siege.ground)
    if not len(probes):
        return ()
    return (
        *preflight.check_noise(siege, slim.twins, probes),
        *preflight.check_steps(siege, slim.twins, probes),
        *preflight.check_black_box(siege),
        *preflight.check_transfer(siege, slim.twins),
    )


def _with_monotone(fight: Fight, fights: list[Fight]) -> Fight:
    threat = fight.slim.threat
    smaller = [
        other.slim
        for other in fights
        if other.slim.threat.norm is threat.norm and other.slim.threat.epsilon < threat.epsilon
    ]
    flags = (*fight.flags, *preflight.check_monotone(fight.slim, smaller))
    return replace(fight, flags=flags)


def _audit(work: Work, slim: Party, siege: Siege, num: int, confidence: float) -> Audit | None:
    """Run `full` on random survivors; None when nothing survived."""
    ranks = {
        index: hashlib.sha256(f"audit:{work.seed}:{work.images.digest(index)}".encode()).digest()
        for index in np.flatnonzero(siege.stands).tolist()
    }
    chosen = sorted(sorted(ranks, key=lambda index: (ranks[index], index))[:num])
    if not chosen:
        return None
    ground = Ground(
        images=work.images.take(chosen),
        seeds=work.seeds[chosen],
        is_right=np.ones(len(chosen), dtype=np.bool_),
        logits=siege.ground.logits[chosen],
    )
    attacks = BATTERIES["full"].fitted(siege.threat, slim.twins.num_classes)
    audited = lay_siege(work, slim, ground, siege.threat, attacks, why="audit")
    num_broken = int((~audited.stands).sum())
    interval = clopper_pearson(num_broken, len(chosen), confidence)
    return Audit(num_audited=len(chosen), num_broken=num_broken, interval=interval)
