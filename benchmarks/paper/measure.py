"""Which test images a network answers right under each measure of the claims."""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from benchmarks.paper.claims import Claims
from compressor.attacks.threat import parse_threat
from compressor.certify.battery import Assault, Battery, read_battery
from compressor.certify.fights import plain_fights
from compressor.certify.fleet import Fleet
from compressor.certify.twins import Reply
from compressor.certify.work import Party, Work, answer_clean, party, work_on
from compressor.corruptions import corrupt, plan_for
from compressor.corruptions.spatial import WorstCase, worst_cases
from compressor.data import ImageSet
from compressor.load import Checkpoint
from compressor.progress import SILENT

Right = NDArray[np.bool_]
"""(N,) whether each image is answered right."""

SEED = 0
"""Of the attacks and corruptions: the same for every network, so that images are compared and not draws."""
FLIGHT = 256
ALONE = {"fgsm": Battery(name="fgsm", attacks=(Assault(name="fgsm"),))}
SHIFTS = {"occlusion 16": "occlusion", "shift 4": "translation"}
"""Measures over a grid of places, by what they are called in `corruptions.spatial`."""


def measure(checkpoint: Checkpoint, images: ImageSet, claims: Claims, *, battery: str, device: str) -> dict[str, Right]:
    """Return for each measure which images are right, and stay right.

    Args:
        checkpoint: the network.
        images: test images, 32 x 32.
        claims: that name the measures.
        battery: what `battery` stands for in a name.
        device: where to compute.
    """
    work = work_on(images, seed=SEED, device=device, fleet=Fleet(FLIGHT), state=None, progress=SILENT)
    one = party("model", checkpoint, None, device=device, threads=1)
    with one.twins:
        reply = answer_clean(work, one)
        return {each.name: _measured(each.name, work, one, reply, battery=battery) for each in claims.measure}


def _measured(name: str, work: Work, one: Party, reply: Reply, *, battery: str) -> Right:
    right = reply.right(work.images.labels)
    word, _, rest = name.partition(" ")
    if name == "clean":
        return right
    if word in ("battery", "fgsm"):
        attacks = ALONE.get(word) or read_battery(battery)
        (fight,) = plain_fights(work, (one, reply), None, threats=[parse_threat(rest)], battery=attacks)
        return fight.slim.stands
    if name in SHIFTS:
        (case,) = (case for case in worst_cases(work.images.shape)[0] if case.name == SHIFTS[name])
        if case.name == "occlusion":
            # The claims were written, and the first rows measured, with every second place.
            case = replace(case, positions=tuple(place for place in case.positions if not any(at % 2 for at in place)))
        return _endures(case, work, one, right)
    planned = next(each for each in plan_for(work.images.shape).each if (each.name, str(each.severity)) == (word, rest))
    images = corrupt(planned, work.images.read(range(len(right))), work.seeds.tolist())
    return one.twins.answer(images, work.seeds).right(work.images.labels)


def _endures(case: WorstCase, work: Work, one: Party, right: Right) -> Right:
    """Return which images are right as they are and at every place of a grid; what fell is not asked again."""
    stands = np.flatnonzero(right)
    for position in case.positions:
        if len(stands):
            images = case.at(work.images.read(stands.tolist()), position)
            stands = stands[one.twins.answer(images, work.seeds[stands]).right(work.images.labels[stands])]
    return np.isin(np.arange(len(right)), stands)
