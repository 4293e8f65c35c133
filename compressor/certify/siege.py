"""A model under all attacks of a battery at one threat: each attack gets only the images that still stand."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from compressor.archive import Arrays
from compressor.attacks.ball import Ball
from compressor.attacks.chunks import fullest_first
from compressor.attacks.passes import passes
from compressor.attacks.table import ATTACKS, BY_ANSWERS, MINIMUM_NORM, run_attack
from compressor.attacks.threat import Threat
from compressor.certify.battery import TRANSFER, Assault
from compressor.certify.fleet import Fleet, Rows, most_at_once
from compressor.certify.gallery import Exhibit, Gallery
from compressor.certify.state import Store
from compressor.certify.twins import Twins
from compressor.data.images import ImageSet
from compressor.progress import Step

STANDING = -1
"""Not broken by any attack."""

WRONG = -2
"""Answered wrong before any attack."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Ground:
    """What a model is attacked on."""

    images: ImageSet
    seeds: NDArray[np.int64]
    """(N,) one per image; they give its random numbers."""
    is_right: NDArray[np.bool_]
    """(N,) whether the model answers the clean image right; only those are attacked."""
    logits: NDArray[np.float32]
    """(N, K) what the torch model answers to the clean images."""


class Siege:
    """One threat: who broke what, what it cost, and the adversarial images worth keeping."""

    def __init__(self, ground: Ground, threat: Threat, attacks: tuple[Assault, ...], *, keep_all: bool = False) -> None:
        """Begin with every image standing that is answered right.

        Args:
            ground: images and seeds.
            threat: norm and radius.
            attacks: fitted, in the order in which they run.
            keep_all: keep an adversarial image of every clean image, for the transfer to another model.
        """
        self.ground = ground
        self.threat = threat
        self.attacks = attacks
        self.broken_by = np.where(ground.is_right, STANDING, WRONG).astype(np.int16)
        """(N,) index of the attack that broke each image, or STANDING, or WRONG."""
        self.num_forward = 0
        self.num_backward = 0
        self.gallery = Gallery(keep_all=keep_all)
        self._num_done = np.zeros(len(ground.images), dtype=np.int16)
        # A near miss is taken from the last attack that climbs within the threat: it searched best.
        climbing = [
            number for number, attack in enumerate(attacks) if attack.has_gradient and attack.name not in MINIMUM_NORM
        ]
        self._near_from = climbing[-1] if climbing else len(attacks) - 1

    @classmethod
    def joined(cls, parts: "Sequence[Siege]", ground: Ground) -> "Siege":
        """Return one siege of all images, in the order of its parts.

        Args:
            parts: ended sieges with the same attacks at the same threat, at least one.
            ground: all their images.
        """
        whole = cls(ground, parts[0].threat, parts[0].attacks)
        start = 0
        for part in parts:
            whole.broken_by[start : start + len(part.broken_by)] = part.broken_by
            whole.num_forward += part.num_forward
            whole.num_backward += part.num_backward
            for index, exhibit in part.gallery.exhibits.items():
                whole.gallery.add(start + index, exhibit)
            start += len(part.broken_by)
        whole.gallery.tidy(np.zeros(0, dtype=np.int64))
        return whole

    def __len__(self) -> int:
        """Return the steps of the whole work: attacks times images."""
        return int((self.broken_by != WRONG).sum()) * len(self.attacks)

    @property
    def stands(self) -> NDArray[np.bool_]:
        """(N,) whether each image is right and stays right."""
        stands: NDArray[np.bool_] = self.broken_by == STANDING
        return stands

    def run(
        self,
        twins: Twins,
        store: Store,
        step: Step,
        *,
        fleet: Fleet,
        macs: int = 0,
        transferred: "Siege | None" = None,
    ) -> None:
        """Run the battery, from where the store says it stopped.

        Args:
            twins: the model, and the file that ships.
            store: state; saved after each flight.
            step: advanced by attacks times images, after saving.
            fleet: who computes how many images at once; changes no result.
            macs: multiply-adds of one image; a dear model flies fewer images at once, which changes no result.
            transferred: the siege of the model whose adversarial images the attack `transfer` replays.
        """
        for arrays in fleet.landed(store):
            if self._follows(arrays):
                self._land(arrays, step)
        for number in range(len(self.attacks)):
            todo = np.flatnonzero(self.stands & (self._num_done <= number))
            todo = fullest_first(todo, self.ground.seeds[todo], twins.model.chunks.size)
            compute = partial(self._fly, twins, transferred, number)
            most = self._most_at_once(twins, number, macs)
            for arrays in fleet.fly(store, f"{number:02d}-", todo, compute, twins.model.relieve, most=most):
                self._land(arrays, step)

    def candidate(self, index: int, clean: Tensor) -> Tensor:
        """Return the adversarial image found for a clean one; the clean one itself where it was wrong already."""
        exhibit = self.gallery.exhibits.get(index)
        return clean if exhibit is None else torch.from_numpy(exhibit.image).to(clean)

    def _most_at_once(self, twins: Twins, number: int, macs: int) -> int:
        """Return how many images may fly together under one attack."""
        attack, num_passes = self.attacks[number], 1
        if attack.name in ATTACKS:
            counted = passes(attack.name, attack.settings, threat=self.threat, num_classes=twins.num_classes)
            num_passes = sum(counted)
        elif attack.name != TRANSFER:  # one of torchattacks: how long it takes is its own affair
            num_passes = sys.maxsize
        return most_at_once(num_passes, twins.model.chunks, macs=macs)

    def _follows(self, arrays: Arrays) -> bool:
        """Say whether a saved flight is the next one for its images (not so when an earlier file was damaged)."""
        rows = arrays["rows"].astype(np.int64)
        return bool((self.stands[rows] & (self._num_done[rows] == int(arrays["attack"]))).all())

    def _fly(self, twins: Twins, transferred: "Siege | None", number: int, rows: Rows) -> Arrays:
        """Attack some images and judge what comes back on both twins."""
        attack, model, seeds = self.attacks[number], twins.model, self.ground.seeds[rows]
        labels = self.ground.images.labels[rows]
        # An attack that only asks for answers asks the file that ships; gradients can only come from its torch twin.
        asked = twins.file if twins.file is not None and attack.name in BY_ANSWERS else model
        before = asked.num_forward, model.num_backward
        clean = self.ground.images.read(rows.tolist()).to(model.device)
        if attack.name == TRANSFER:
            assert transferred is not None
            found = torch.stack([transferred.candidate(int(row), clean[place]) for place, row in enumerate(rows)])
        else:
            found = run_attack(
                attack.name,
                attack.settings,
                asked,
                clean,
                torch.from_numpy(labels).to(model.device),
                threat=self.threat,
                seeds=torch.from_numpy(seeds).to(model.device),
                clean_logits=torch.from_numpy(self.ground.logits[rows]).to(model.device),
            )
        found = Ball(clean, self.threat).project(found.detach().to(clean))  # an attack's word is not taken for it
        reply = twins.answer(found, seeds)
        is_wrong, nearness = ~reply.right(labels), reply.nearness(labels)
        kept = self.gallery.worth_keeping(is_wrong, nearness, near=number == self._near_from)
        return {
            "attack": np.array(number),
            "rows": rows,
            "is_wrong": is_wrong,
            "passes": np.array([asked.num_forward - before[0], model.num_backward - before[1]]),
            "kept": kept,
            "images": found.cpu().numpy()[kept],
            "nearness": nearness[kept],
            "twin_answers": reply.twin.argmax(1)[kept],
            "shipped_answers": reply.shipped.argmax(1)[kept],
        }

    def _land(self, arrays: Arrays, step: Step) -> None:
        """Take a flight in: one that was just flown, or one that was saved earlier."""
        number, rows = int(arrays["attack"]), arrays["rows"].astype(np.int64)
        is_wrong = arrays["is_wrong"].astype(np.bool_)
        self.broken_by[rows[is_wrong]] = number
        self._num_done[rows] = number + 1
        forward, backward = arrays["passes"].tolist()
        self.num_forward, self.num_backward = self.num_forward + forward, self.num_backward + backward
        for place, row in enumerate(arrays["kept"].tolist()):
            exhibit = Exhibit(
                image=arrays["images"][place].astype(np.float32),
                nearness=float(arrays["nearness"][place]),
                is_wrong=bool(is_wrong[row]),
                twin_answer=int(arrays["twin_answers"][place]),
                shipped_answer=int(arrays["shipped_answers"][place]),
            )
            self.gallery.add(int(rows[row]), exhibit)
        self.gallery.tidy(rows[is_wrong])
        amount = len(rows) + int(is_wrong.sum()) * (len(self.attacks) - number - 1)
        step.advance(amount, f"{self.attacks[number].name}: {int(self.stands.sum())} stand")
