"""Which images are fought over: all of them, or a few at a time in random order, until the verdict is certain."""

import hashlib
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from compressor.attacks.threat import Threat
from compressor.certify.battery import Battery
from compressor.certify.demand import Demands
from compressor.certify.fights import Fight, fight_threats, ground_of, inspected, plain_fights
from compressor.certify.looks import LOOK_EVERY, Tally, decide
from compressor.certify.siege import Siege
from compressor.certify.twins import Reply
from compressor.certify.work import Party, Work, answer_clean
from compressor.data.images import ImageSet
from compressor.progress import Within
from compressor.types import Decision


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Campaign:
    """All that was fought, and on which images."""

    work: Work
    """On the images that were looked at: all, or those until the verdict was certain."""
    reply: Reply
    """What the slim model answers to them unattacked."""
    dense_reply: Reply | None
    fights: list[Fight]
    decided_after: int | None = None
    """How many images were enough; None when all were used."""


def in_random_order(images: ImageSet, seed: int) -> ImageSet:
    """Return the images in an order that depends on their bytes and the seed only."""
    keys = [hashlib.sha256(f"decide:{seed}:{images.digest(index)}".encode()).digest() for index in range(len(images))]
    return images.take(sorted(range(len(images)), key=lambda index: (keys[index], index)))


def fight_all(
    work: Work,
    slim: Party,
    dense: Party | None,
    *,
    threats: list[Threat],
    battery: Battery,
    audit: int,
    confidence: float,
) -> Campaign:
    """Attack all images: the number of images was fixed beforehand.

    Args:
        work: on all images.
        slim: the model with its file.
        dense: the model as delivered, or None.
        threats: all that are measured; without any, the points of a curve.
        battery: what runs.
        audit: survivors per threat that meet the full battery too.
        confidence: of the audit's interval.
    """
    reply = answer_clean(work, slim)
    dense_reply = None if dense is None else answer_clean(work, dense)
    theirs = None if dense is None or dense_reply is None else (dense, dense_reply)
    fights = fight_threats(
        work, (slim, reply), theirs, threats=threats, battery=battery, audit=audit, confidence=confidence
    )
    return Campaign(work=work, reply=reply, dense_reply=dense_reply, fights=fights)


def fight_until_certain(
    work: Work,
    slim: Party,
    dense: Party | None,
    *,
    threats: list[Threat],
    battery: Battery,
    demands: Demands,
    audit: int,
    confidence: float,
) -> Campaign:
    """Attack 50 images more, look, and stop when all demands certainly hold or one certainly does not.

    Args:
        work: on all images, in random order.
        slim: the model with its file.
        dense: the model as delivered; None only where nothing is demanded of drops.
        threats: all that are measured, among them those of the demands.
        battery: what runs.
        demands: what is wanted to be known.
        audit: survivors per threat that meet the full battery too.
        confidence: of every interval.
    """
    total, parts = len(work.images), []
    so_far: Campaign | None = None
    with work.progress.stage("attack until the verdict is certain", total=total, unit="image") as step:
        for start in range(0, total, LOOK_EVERY):
            stop = min(start + LOOK_EVERY, total)
            part = replace(work.part(start, stop), progress=Within(work.progress, step))
            parts.append(_campaign(part, slim, dense, threats=threats, battery=battery))
            so_far = _joined(work.part(0, stop), parts)
            decision = decide(demands, _tallies(so_far), confidence)
            step.advance(stop - start, f"after {stop} images: {decision}")
            if decision is not Decision.UNDECIDED:
                break
    assert so_far is not None
    num = len(so_far.work.images)
    fights = inspected(so_far.work, (slim, so_far.reply), so_far.fights, audit=audit, confidence=confidence)
    return replace(so_far, fights=fights, decided_after=num if num < total else None)


def _campaign(part: Work, slim: Party, dense: Party | None, *, threats: list[Threat], battery: Battery) -> Campaign:
    reply = answer_clean(part, slim)
    dense_reply = None if dense is None else answer_clean(part, dense)
    theirs = None if dense is None or dense_reply is None else (dense, dense_reply)
    fights = plain_fights(part, (slim, reply), theirs, threats=threats, battery=battery)
    return Campaign(work=part, reply=reply, dense_reply=dense_reply, fights=fights)


def _joined(work: Work, parts: list[Campaign]) -> Campaign:
    """Return the parts as if they had been fought at once."""
    reply = _replies([part.reply for part in parts])
    dense_replies = [part.dense_reply for part in parts if part.dense_reply is not None]
    dense_reply = _replies(dense_replies) if dense_replies else None
    fights = []
    for pieces in zip(*(part.fights for part in parts), strict=True):
        theirs = [piece.dense for piece in pieces if piece.dense is not None]
        fights.append(
            replace(
                pieces[0],
                slim=Siege.joined([piece.slim for piece in pieces], ground_of(work, reply)),
                dense=None if dense_reply is None else Siege.joined(theirs, ground_of(work, dense_reply)),
            )
        )
    return Campaign(work=work, reply=reply, dense_reply=dense_reply, fights=fights)


def _replies(replies: list[Reply]) -> Reply:
    return Reply(
        twin=np.concatenate([reply.twin for reply in replies]),
        shipped=np.concatenate([reply.shipped for reply in replies]),
    )


def _tallies(campaign: Campaign) -> dict[Threat | None, Tally]:
    labels = campaign.work.images.labels
    clean = np.equal(campaign.reply.shipped.argmax(1), labels)
    dense_clean = None if campaign.dense_reply is None else np.equal(campaign.dense_reply.twin.argmax(1), labels)
    tallies: dict[Threat | None, Tally] = {None: _tally(clean, dense_clean)}
    for fight in campaign.fights:
        tallies[fight.slim.threat] = _tally(fight.slim.stands, None if fight.dense is None else fight.dense.stands)
    return tallies


def _tally(slim: NDArray[np.bool_], dense: NDArray[np.bool_] | None) -> Tally:
    return Tally(
        num=len(slim),
        num_right=int(slim.sum()),
        only_dense=None if dense is None else int((dense & ~slim).sum()),
        only_slim=None if dense is None else int((~dense & slim).sum()),
    )
