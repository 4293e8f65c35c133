"""The images that an attack has not broken yet, re-packed as they fall, and the best iterate of each."""

import torch
from torch import Tensor

from compressor.attacks.ball import Ball
from compressor.attacks.losses import margin
from compressor.attacks.model import Answering
from compressor.attacks.threat import Threat


class Standing:
    """Who still stands. An image falls at the first iterate that is answered wrong, and leaves the batch.

    `ball`, `labels`, `seeds` and `rows` (places in the original batch) are those of the images that stand. `best` holds
    for every image the iterate that broke it, or else the one with the smallest margin.
    """

    def __init__(self, images: Tensor, labels: Tensor, seeds: Tensor, threat: Threat) -> None:
        """Begin with all images standing.

        Args:
            images: (n, C, H, W) float32 in [0, 1].
            labels: (n,) int64.
            seeds: (n,) int64.
            threat: norm and radius.
        """
        self.ball = Ball(images, threat)
        self.labels = labels
        self.seeds = seeds
        self.rows = torch.arange(len(images), device=images.device)
        self.best = images.clone()
        self._best_margin = torch.full((len(images),), -torch.inf, device=images.device)

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def clean(self) -> Tensor:
        """The clean images that still stand."""
        return self.ball.clean

    def judge(self, iterates: Tensor, logits: Tensor, inside: Tensor | None = None) -> Tensor:
        """Look at an iterate of every image that stands, and let go of those it breaks.

        Args:
            iterates: (m, C, H, W).
            logits: (m, K), the model's answers to them.
            inside: (m,) bool, which iterates lie in the ball; the others count for nothing. None: all do.

        Returns:
            Mask (m,) of the images that go on standing: apply it to whatever else is kept per image.
        """
        nearness = margin(logits, self.labels)
        stands = answered_right(logits, self.labels)
        better = (nearness > self._best_margin[self.rows]) | ~stands
        if inside is not None:
            stands, better = stands | ~inside, better & inside
        self._best_margin[self.rows[better]] = nearness[better]
        self.best[self.rows[better]] = iterates[better]
        if not stands.all():
            self.ball = self.ball.take(stands)
            self.labels, self.seeds, self.rows = self.labels[stands], self.seeds[stands], self.rows[stands]
        return stands

    def finish(self, model: Answering, iterates: Tensor) -> None:
        """Judge the last iterate, which no gradient was taken at."""
        if len(self):
            self.judge(iterates, model.logits(iterates, self.seeds))


def answered_right(logits: Tensor, labels: Tensor) -> Tensor:
    """Return where the answer is right: (n,) bool. NaN or infinity is no answer, so it is wrong."""
    return (logits.argmax(1) == labels) & logits.isfinite().all(1)


def kept(stands: Tensor, *values: Tensor) -> tuple[Tensor, ...]:
    """Return the rows of each tensor that stand; the tensors themselves when all do, without a copy."""
    return values if bool(stands.all()) else tuple(value[stands] for value in values)
