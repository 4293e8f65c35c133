"""How many images a model answers right, and how many of those stay right under FGSM; kept on disk per model."""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import nn

from compressor.attacks.ball import Ball
from compressor.attacks.fgsm import fgsm
from compressor.attacks.model import AttackedModel
from compressor.attacks.threat import Threat
from compressor.certify.state import Store
from compressor.data import ImageSet, digest_of_images
from compressor.evaluate import evaluate
from compressor.load.checkpoint import Checkpoint, sha256_of_weights
from compressor.records import to_plain


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """Numbers of images."""

    num_right: int
    num_standing: int
    """Right, and right under FGSM too."""


class Examiner:
    """Scores models that were cut out of one checkpoint, on the same images; what was scored once is remembered."""

    def __init__(
        self,
        checkpoint: Checkpoint,
        images: ImageSet,
        *,
        threat: Threat,
        device: str,
        batch_size: int,
        state: Path | None,
    ) -> None:
        """Read what an earlier run of the same model, images and threat found.

        Args:
            checkpoint: the dense model, with its preprocessing.
            images: at least one.
            threat: of FGSM.
            device: where to compute.
            batch_size: images attacked at once; changes no result.
            state: folder for resuming; None keeps nothing.
        """
        self._checkpoint = checkpoint
        self._images = images
        self._threat = threat
        self._device = torch.device(device)
        self._batch_size = batch_size
        self.data_sha256 = digest_of_images(images)
        work = {
            "stage": "sensitivity",
            "weights": sha256_of_weights(checkpoint.model.state_dict()),
            "architecture": [checkpoint.architecture, checkpoint.arguments, list(checkpoint.removed_blocks)],
            "preprocess": to_plain(checkpoint.preprocess),
            "images": [self.data_sha256, list(images.shape)],
            "threat": str(threat),
            "device": self._device.type,
        }
        self._store = Store(state, work)
        self.known = {
            str(arrays["cut"]): Score(num_right=int(arrays["num_right"]), num_standing=int(arrays["num_standing"]))
            for arrays in self._store.flights()
        }

    def score(self, key: str, model: nn.Module) -> Score:
        """Score a model and keep the answer under a key that no other cut has.

        Raises:
            CertifyError: the model answers NaN, infinity or no logits.
            DataError: an image cannot be read.
            OutputError: the state cannot be written.
        """
        classifier = replace(self._checkpoint, model=model).classifier()
        is_right = torch.from_numpy(evaluate(classifier, self._images, device=self._device).right)
        found = Score(num_right=int(is_right.sum()), num_standing=self._num_standing(classifier, is_right))
        arrays = {name: np.array(value) for name, value in {"cut": key, **to_plain(found)}.items()}
        self._store.save(key, arrays)
        self.known[key] = found
        return found

    def _num_standing(self, classifier: nn.Module, is_right: torch.Tensor) -> int:
        """Attack the images that are answered right. As in the battery, an attack's word is not taken for it."""
        rows = is_right.nonzero().flatten()
        standing = 0
        with AttackedModel(classifier, shape=self._images.shape, device=self._device) as model:
            for part in torch.split(rows, self._batch_size) if len(rows) else ():
                clean = self._images.read(part.tolist()).to(model.device)
                labels = torch.from_numpy(self._images.labels[part.numpy()]).to(model.device)
                # An image's place in the sample is its seed: FGSM draws nothing, but it names the slot of the chunk.
                seeds = part.to(model.device)
                found = fgsm(model, clean, labels, threat=self._threat, seeds=seeds)
                answers = model.logits(Ball(clean, self._threat).project(found.detach()), seeds)
                standing += int(((answers.argmax(1) == labels) & answers.isfinite().all(1)).sum())
        return standing
