"""The pieces of a certificate, each saved as it goes: clean answers, and one siege per model and threat."""

import hashlib
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from compressor.archive import Arrays
from compressor.attacks.model import num_slots
from compressor.attacks.threat import Threat
from compressor.certify.battery import Assault
from compressor.certify.fleet import Fleet, Rows
from compressor.certify.siege import Ground, Siege
from compressor.certify.state import Store
from compressor.certify.twins import Reply, Twins
from compressor.data.images import ImageSet, digest_of_images
from compressor.errors import CertifyError
from compressor.files import sha256_of_bytes
from compressor.load.checkpoint import Checkpoint
from compressor.progress import Progress, Step
from compressor.records import to_plain


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Work:
    """The images, and how to go about them. Nothing but images and seed changes a result."""

    images: ImageSet
    seeds: NDArray[np.int64]
    """(N,) see `seeds_of`."""
    data_sha256: str
    seed: int
    device: str
    fleet: Fleet
    """Who computes, and how many images at once."""
    state: Path | None
    progress: Progress

    def store(self, what: dict[str, Any]) -> Store:
        """Return where the state of a piece of work is kept."""
        return Store(self.state, {"data": self.data_sha256, "seed": self.seed, "device": self.device, **what})

    def part(self, start: int, stop: int) -> "Work":
        """Return the work on some of the images; each keeps its seed."""
        images = self.images.take(range(start, stop))
        return replace(self, images=images, seeds=self.seeds[start:stop], data_sha256=digest_of_images(images))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Party:
    """A model under attack: the slim one with its file, or the dense one."""

    title: str
    """What to call it: `slim`, `dense`, `control`."""
    twins: Twins
    identity: dict[str, Any]
    """Everything that its answers depend on."""
    macs: int = 0
    """Multiply-adds of one image, by which its flights are sized; 0: as few as those of a small model."""


def party(
    title: str, checkpoint: Checkpoint, artefact: bytes | None, *, device: str, threads: int, macs: int = 0
) -> Party:
    """Open a model, and its file if there is one.

    Args:
        title: what to call it.
        checkpoint: the model.
        artefact: its file, or None.
        device: where torch computes.
        threads: chunks computed at the same time.
        macs: multiply-adds of one image; changes no result.

    Raises:
        CertifyError: the file and the model do not belong together.
        LoadError: the model has no preprocessing, or the file is no ONNX classifier.
    """
    identity = {
        "model": checkpoint.sha256,
        "artefact": None if artefact is None else sha256_of_bytes(artefact),
        "architecture": checkpoint.architecture,
        "preprocess": None if checkpoint.preprocess is None else checkpoint.preprocess.text(),
        "input": list(checkpoint.input_shape),
        "classes": checkpoint.num_classes,
    }
    twins = Twins(checkpoint, artefact, device=device, threads=threads)
    return Party(title=title, twins=twins, identity=identity, macs=macs)


def seeds_of(images: ImageSet, seed: int) -> NDArray[np.int64]:
    """Return one seed per image, from the run's seed and the image's digest: (N,) int64, not negative.

    The remainder by the number of slots is the image's place in the set, so that slots (see `attacks.chunks`) fill
    evenly.
    """
    size = num_slots(images.shape)
    seeds = []
    for index in range(len(images)):
        word = int.from_bytes(hashlib.sha256(f"{seed}:{images.digest(index)}".encode()).digest()[:7])
        seeds.append(word - word % size + index % size)
    return np.array(seeds, dtype=np.int64)


def work_on(images: ImageSet, *, seed: int, device: str, fleet: Fleet, state: Path | None, progress: Progress) -> Work:
    """Gather the images in memory where they fit, and give each its seed."""
    return Work(
        images=images.in_memory(progress=progress),
        seeds=seeds_of(images, seed),
        data_sha256=digest_of_images(images),
        seed=seed,
        device=device,
        fleet=fleet,
        state=state,
        progress=progress,
    )


def answer_clean(work: Work, party: Party) -> Reply:
    """Answer all images, from where an earlier run stopped.

    Raises:
        CertifyError: an answer is not a number; nothing can be concluded about such a model.
    """
    store = work.store({"what": "clean", **party.identity})
    num, num_classes = len(work.images), party.twins.num_classes
    twin, shipped = np.zeros((2, num, num_classes), dtype=np.float32)
    done = np.zeros(num, dtype=np.bool_)

    def land(arrays: Arrays, step: Step) -> None:
        rows = arrays["rows"].astype(np.int64)
        twin[rows], shipped[rows], done[rows] = arrays["twin"], arrays["shipped"], True
        step.advance(len(rows))

    def compute(rows: Rows) -> Arrays:
        reply = party.twins.answer(work.images.read(rows.tolist()), work.seeds[rows])
        if not reply.is_finite.all():
            raise CertifyError(
                f"the {party.title} model answers NaN or infinity for image "
                f"{work.images.names[int(rows[~reply.is_finite][0])]}",
                advice="its weights are damaged or its training diverged: check the checkpoint",
            )
        return {"rows": rows, "twin": reply.twin, "shipped": reply.shipped}

    with work.progress.stage(f"answer clean images ({party.title})", total=num, unit="image") as step:
        for arrays in work.fleet.landed(store):
            land(arrays, step)
        for arrays in work.fleet.fly(store, "", np.flatnonzero(~done), compute, party.twins.model.relieve):
            land(arrays, step)
    return Reply(twin=twin, shipped=shipped)


def lay_siege(
    work: Work,
    party: Party,
    ground: Ground,
    threat: Threat,
    attacks: tuple[Assault, ...],
    *,
    keep_all: bool = False,
    transferred: Siege | None = None,
    source: Party | None = None,
    why: str = "",
) -> Siege:
    """Run attacks on a model, from where an earlier run stopped.

    Args:
        work: how to go about it.
        party: the model.
        ground: the images.
        threat: norm and radius.
        attacks: fitted, in their order.
        keep_all: keep an adversarial image of every clean one.
        transferred: the siege of another model, whose images the attack `transfer` replays.
        source: that other model.
        why: a word for the person who watches.
    """
    siege = Siege(ground, threat, attacks, keep_all=keep_all)
    store = work.store(
        {
            "what": "siege",
            **party.identity,
            "threat": str(threat),
            "attacks": to_plain(attacks),
            "rows": sha256_of_bytes(ground.seeds.tobytes() + ground.is_right.tobytes()),
            "keep_all": keep_all,
            "source": None if source is None else source.identity,
        }
    )
    title = f"attack {threat} ({' '.join([party.title, why]).strip()})"
    with work.progress.stage(title, total=len(siege), unit="attack x image") as step:
        siege.run(party.twins, store, step, fleet=work.fleet, macs=party.macs, transferred=transferred)
    return siege
