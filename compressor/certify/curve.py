"""Accuracy against epsilon, one run for each norm: how near is the nearest wrong image of each image?

A distance found at one stroke answers for every epsilon, where a battery answers for one. It is a quick search, so the
curve lies above what a battery would leave; nothing is claimed from it.
"""

from fractions import Fraction
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from compressor.archive import Arrays
from compressor.attacks.fmn import nearest_wrong
from compressor.attacks.table import settings_of
from compressor.attacks.threat import Threat
from compressor.certify.battery import Assault
from compressor.certify.fleet import Rows, most_at_once
from compressor.certify.siege import Ground, Siege
from compressor.certify.work import Party, Work
from compressor.files import sha256_of_bytes
from compressor.progress import Step
from compressor.types import Norm

NORMS = (Norm.LINF, Norm.L2)

SEARCH = Assault(name="fmn", settings=settings_of("fmn") | {"num_steps": 30, "rate": 0.1})
"""A third of the usual steps: on images held out from a trained network its distances were 0.4 % (linf) and 0.2 % (l2)
above the nearest of ten searches of up to 100 steps."""

NUM_PASSES = 1 + 2 * int(SEARCH.settings["num_steps"])
"""Forwards and backwards of one image."""

UNITS = {Norm.LINF: Fraction(1, 4080), Norm.L2: Fraction(1, 64)}
"""Epsilons are 1, 2, 3, 4, 6, 8, 12, 16, ... of these: among them 1/510, 1/255, 2/255, ... for linf."""

LARGEST = {Norm.LINF: Fraction(1), Norm.L2: Fraction(512)}


def curve_sieges(work: Work, party: Party, ground: Ground) -> list[Siege]:
    """Return what stands at each epsilon at which something changes, linf first, smaller ones first.

    The passes of each are those of the one search of its norm.

    Args:
        work: how to go about it; an interrupted search goes on where it stopped.
        party: the model.
        ground: the images.
    """
    return [siege for norm in NORMS for siege in _sieges(work, party, ground, norm)]


def ladder(norm: Norm) -> list[Threat]:
    """Return all epsilons that may be shown, smallest first; each is 1.33 to 2 times the one before."""
    unit, largest = UNITS[norm], LARGEST[norm]
    num_doublings = int(largest / unit).bit_length()
    rungs = {unit * factor * 2**number for number in range(num_doublings) for factor in (1, 3)}
    kept = {rung for rung in rungs if rung < largest} | {largest}
    return [Threat(norm=norm, epsilon=rung) for rung in sorted(kept)]


def telling(rungs: list[Threat], distances: NDArray[np.float64]) -> list[Threat]:
    """Return the epsilons from the last at which nothing fell to the first at which all is fallen that ever falls.

    Args:
        rungs: smallest first.
        distances: (N,) of each image; infinite where it never falls.
    """
    finite = distances[np.isfinite(distances)]
    if not len(finite):
        return [rungs[0], rungs[-1]]
    first = max((number for number, rung in enumerate(rungs) if rung.radius < finite.min()), default=0)
    last = min((number for number, rung in enumerate(rungs) if rung.radius >= finite.max()), default=len(rungs) - 1)
    return rungs[first : last + 1]


def _sieges(work: Work, party: Party, ground: Ground, norm: Norm) -> list[Siege]:
    distances, passes = _search(work, party, ground, norm)
    sieges = []
    for threat in telling(ladder(norm), distances):
        siege = Siege(ground, threat, (SEARCH,))
        siege.broken_by[ground.is_right & (distances <= threat.radius)] = 0
        siege.num_forward, siege.num_backward = passes.tolist()
        sieges.append(siege)
    return sieges


def _search(work: Work, party: Party, ground: Ground, norm: Norm) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Return the distance (N,) of each image, infinite where it is wrong itself or never fell, and the passes (2,)."""
    store = work.store(
        {
            "what": "nearest",
            **party.identity,
            "norm": str(norm),
            "settings": SEARCH.settings,
            "rows": sha256_of_bytes(ground.seeds.tobytes() + ground.is_right.tobytes()),
        }
    )
    distances, passes = np.full(len(ground.images), np.inf), np.zeros(2, dtype=np.int64)
    is_done = ~ground.is_right

    def land(arrays: Arrays, step: Step) -> None:
        rows = arrays["rows"].astype(np.int64)
        distances[rows], is_done[rows] = arrays["distances"], True
        passes[:] += arrays["passes"].astype(np.int64)
        step.advance(len(rows))

    total = int(ground.is_right.sum())
    with work.progress.stage(f"search the nearest wrong images in {norm}", total=total, unit="image") as step:
        for arrays in work.fleet.landed(store):
            if not is_done[arrays["rows"].astype(np.int64)].any():
                land(arrays, step)
        compute = partial(_fly, party, ground, norm)
        model, rows = party.twins.model, np.flatnonzero(~is_done)
        most = most_at_once(NUM_PASSES, model.chunks, macs=party.macs)
        for arrays in work.fleet.fly(store, "", rows, compute, model.relieve, most=most):
            land(arrays, step)
    return distances, passes


def _fly(party: Party, ground: Ground, norm: Norm, rows: Rows) -> Arrays:
    """Search for some images, and judge what comes back on both twins."""
    model, labels, seeds = party.twins.model, ground.images.labels[rows], ground.seeds[rows]
    before = model.num_forward, model.num_backward
    settings: dict[str, Any] = dict(SEARCH.settings)
    found = nearest_wrong(
        model,
        ground.images.read(rows.tolist()).to(model.device),
        torch.from_numpy(labels).to(model.device),
        norm=norm,
        seeds=torch.from_numpy(seeds).to(model.device),
        **settings,
    )
    is_wrong = ~party.twins.answer(found.images, seeds).right(labels)
    return {
        "rows": rows,
        "distances": np.where(is_wrong, found.distances.cpu().numpy(), np.inf),
        "passes": np.array([model.num_forward - before[0], model.num_backward - before[1]]),
    }
