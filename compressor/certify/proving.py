"""What can be proved beside the battery, image by image; saved after every few images."""

import copy
import hashlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numpy.typing import NDArray
from torch import nn

from compressor.archive import Arrays
from compressor.attacks.threat import Threat
from compressor.certify.campaign import Campaign
from compressor.certify.fights import Fight
from compressor.certify.fleet import Rows
from compressor.certify.proof_outcome import NoiseSettings, ThreatProof
from compressor.certify.work import Party, Work
from compressor.files import sha256_of_bytes
from compressor.progress import Step
from compressor.prove import Comparer, OutOfReach, Program, Prover, trace
from compressor.prove.smoothing import (
    ALPHA,
    NUM_CHOOSING,
    NUM_DRAWS,
    Smoothed,
    smoothed_radius,
    verdict_on,
)
from compressor.types import Norm

IMAGES_AT_ONCE = 16
"""Per flight: bounds on one image can take seconds, and a kill loses at most one flight."""

NUM_SMOOTHED = 100
"""Images that smoothing looks at, of each l2 threat: 1,100 answers each."""

Values = NDArray[np.float64]


def proofs_of(fought: Campaign, slim: Party, dense: Party | None) -> tuple[ThreatProof, ...]:
    """Prove what can be proved under every threat that was fought.

    Bounds are sought for all images that are right, broken or not, so that the battery and the proof can contradict
    each other; where they do, one of them is wrong, and that is a fault of ours.

    Args:
        fought: images, clean answers, and what the battery broke.
        slim: the model.
        dense: the model as delivered, or None.
    """
    rounding = slim.twins.rounding
    program = _program(slim) if rounding is None else OutOfReach(reason=rounding)
    comparer = None if dense is None else Comparer.of(program, _program(dense))
    return tuple(_proof(fought, fight, slim, program, comparer) for fight in fought.fights)


def _program(party: Party) -> Program | OutOfReach:
    model = party.twins.model
    classifier: nn.Module = model.classifier
    if model.device.type != "cpu":
        classifier = copy.deepcopy(classifier).cpu()
    return trace(classifier, model.shape)


def _proof(
    fought: Campaign,
    fight: Fight,
    party: Party,
    program: Program | OutOfReach,
    comparer: Comparer | OutOfReach | None,
) -> ThreatProof:
    work, threat = fought.work, fight.slim.threat
    labels = work.images.labels
    nothing = np.full(len(labels), np.nan)
    proved, bounds, method = np.zeros(len(labels), dtype=np.bool_), nothing, None
    if isinstance(program, Program):
        prover = Prover(program=program)
        method = prover.method
        bounds = _bounds(work, party, prover, threat, fought.reply.right(labels))
        needed = np.array([prover.needed(work.images.read([row])[0]) for row in range(len(labels))])
        proved = np.greater(bounds, needed)
        assert not (proved & ~fight.slim.stands).any(), (
            f"{threat}: an image is proved and broken: the bounds or the battery have a fault"
        )
    return ThreatProof(
        threat=str(threat),
        method=method,
        out_of_reach=program.reason if isinstance(program, OutOfReach) else None,
        proved=proved,
        bounds=bounds,
        falls=None if comparer is None else _falls(fought, party, comparer, threat),
        falls_out_of_reach=comparer.reason if isinstance(comparer, OutOfReach) else None,
        noise=_noise(threat),
        smoothed=_smoothed(work, party, threat),
    )


def _bounds(work: Work, party: Party, prover: Prover, threat: Threat, is_right: NDArray[np.bool_]) -> Values:
    def one(row: int) -> float:
        return prover.least_margin(work.images.read([row])[0], int(work.images.labels[row]), threat)

    what = {"what": "proof", **party.identity, "threat": str(threat), "method": prover.method}
    return _each(work, party, one, is_right, what=what, title=f"prove {threat} ({party.title})")


def _falls(fought: Campaign, party: Party, comparer: Comparer | OutOfReach, threat: Threat) -> Values:
    work, labels, reply = fought.work, fought.work.images.labels, fought.dense_reply
    if isinstance(comparer, OutOfReach):
        return np.full(len(labels), np.nan)
    assert reply is not None

    def one(row: int) -> float:
        return comparer.most_fall(work.images.read([row])[0], int(labels[row]), threat)

    what = {
        "what": "margin fall",
        **party.identity,
        "threat": str(threat),
        "dense": sha256_of_bytes(reply.twin.tobytes()),
    }
    title = f"bound the fall of margins, {threat} (dense to {party.title})"
    return _each(work, party, one, reply.right(labels), what=what, title=title)


def _smoothed(work: Work, party: Party, threat: Threat) -> NDArray[np.int8]:
    """Return what smoothing says of a random part of the images; it asks nothing under other norms than l2."""
    labels = work.images.labels
    none = np.full(len(labels), Smoothed.NOT_ASKED, dtype=np.int8)
    if threat.norm is not Norm.L2:
        return none

    def one(row: int) -> float:
        image = work.images.read([row])[0]
        found = smoothed_radius(party.twins.model, image, sigma=threat.radius, seed=int(work.seeds[row]))
        return verdict_on(found, int(labels[row]), threat.radius)

    keys = [
        hashlib.sha256(f"smooth:{work.seed}:{work.images.digest(row)}".encode()).digest() for row in range(len(labels))
    ]
    chosen = sorted(range(len(labels)), key=lambda row: (keys[row], row))[:NUM_SMOOTHED]
    what = {"what": "smoothing", **party.identity, "threat": str(threat), "draws": [NUM_CHOOSING, NUM_DRAWS, ALPHA]}
    title = f"smooth {threat} ({party.title})"
    # Chunks of noisy copies already fill all threads.
    asked = np.isin(np.arange(len(labels)), chosen)
    found = _each(work, party, one, asked, what=what, title=title, threads=1)
    return np.where(asked, np.nan_to_num(found), none).astype(np.int8)


def _noise(threat: Threat) -> NoiseSettings | None:
    if threat.norm is not Norm.L2:
        return None
    return NoiseSettings(sigma=str(threat.epsilon), num_choosing=NUM_CHOOSING, num_draws=NUM_DRAWS, alpha=ALPHA)


def _each(
    work: Work,
    party: Party,
    one: Callable[[int], float],
    asked: NDArray[np.bool_],
    *,
    what: dict[str, object],
    title: str,
    threads: int | None = None,
) -> Values:
    """Return one value per image that is asked for, NaN for the others, from where an earlier run stopped."""
    values = np.full(len(asked), np.nan)
    done = ~asked
    store = work.store({**what, "asked": sha256_of_bytes(asked.tobytes())})

    def land(arrays: Arrays, step: Step) -> None:
        rows = arrays["rows"].astype(np.int64)
        values[rows], done[rows] = arrays["values"], True
        step.advance(len(rows))

    at_once = threads or party.twins.model.chunks.threads
    # Its threads are new, so that they begin with the one thread per operator that the open model has set.
    with (
        work.progress.stage(title, total=int(asked.sum()), unit="image") as step,
        ThreadPoolExecutor(at_once) as pool,
    ):

        def compute(rows: Rows) -> Arrays:
            found = list((pool.map if at_once > 1 else map)(one, rows.tolist()))
            return {"rows": rows, "values": np.array(found, dtype=np.float64)}

        for arrays in work.fleet.landed(store):
            land(arrays, step)
        relieve = party.twins.model.relieve
        for arrays in work.fleet.fly(store, "", np.flatnonzero(~done), compute, relieve, most=IMAGES_AT_ONCE):
            land(arrays, step)
    return values
