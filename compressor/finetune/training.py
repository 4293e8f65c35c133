"""Training under way: the model, the optimizer, where they stand, and how they take one step."""

import dataclasses
import math
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from compressor.finetune.augmentation import Augmentation
from compressor.finetune.history import Epoch
from compressor.finetune.judge import Score
from compressor.finetune.lesson import Lesson
from compressor.finetune.objective import Trust, build_optimizer
from compressor.finetune.pixels import Pixels, split_evenly
from compressor.finetune.precision import gradient_scaler
from compressor.finetune.randomness import generator, order
from compressor.finetune.recipe import Recipe, learning_rate
from compressor.records import to_plain


@dataclass(slots=True, kw_only=True)
class Tally:
    """Sums over the images of the epoch so far, kept on the device so that counting does not wait for it."""

    loss: Tensor
    """() float64."""
    right: Tensor
    """() int64."""
    heeded: Tensor
    """() float64: images in whose step the teacher was heeded."""
    seen: int = 0
    seconds: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """What was found before the first step."""

    before: float
    """Select accuracy of the model as given."""
    batchnorm: float | None
    """After its BatchNorm statistics were re-estimated; None: not done."""
    refreshed: bool
    """Whether training began from the re-estimated statistics."""


class Training:
    """The moving parts. Everything that outlives a step is in `content` and comes back by `restore`."""

    def __init__(
        self,
        classifier: nn.Module,
        *,
        teacher: nn.Module | None,
        pixels: Pixels,
        recipe: Recipe,
        start: Start,
    ) -> None:
        """Take the classifier over; it is changed in place.

        Args:
            classifier: images in [0, 1] to logits, on the device of `pixels`.
            teacher: likewise, in evaluation mode; or None.
            pixels: the training images.
            recipe: resolved.
            start: what was found before.
        """
        self.classifier = classifier
        self.teacher = teacher
        self.pixels = pixels
        self.recipe = recipe
        self.device = pixels.device
        self.start = start
        example = pixels.batch(torch.arange(2), None)
        self.lesson = Lesson(classifier, teacher=teacher, recipe=recipe, example=example)
        self.scaler = gradient_scaler(recipe.precision, self.device)
        self.optimizer = build_optimizer(classifier, recipe)
        self.average: AveragedModel | None = None
        if recipe.ema_decay is not None:
            averaging = get_ema_multi_avg_fn(recipe.ema_decay)  # type: ignore[no-untyped-call]
            self.average = AveragedModel(classifier, multi_avg_fn=averaging, use_buffers=True)
        self.num_images = len(pixels.labels)
        self.steps_per_epoch = len(split_evenly(torch.arange(self.num_images), recipe.batch_size))
        self.trust = Trust(self.device)
        self.epoch = 0
        self.step = 0
        self.tally = self._empty_tally()
        self.rows: tuple[Epoch, ...] = ()
        self.best_epoch = 0
        self.best_score = Score(accuracy=0.0, robust_accuracy=None)
        self.best_weights: dict[str, Tensor] = {}
        self.stopped = ""  # why training ended early; empty: it did not

    @property
    def judged(self) -> nn.Module:
        """The classifier that would be returned now: the moving average where there is one."""
        if self.average is None:
            return self.classifier
        averaged: nn.Module = self.average.module
        return averaged

    @property
    def rate(self) -> float:
        """The learning rate of the current step."""
        return learning_rate(
            self.recipe,
            step=self.epoch * self.steps_per_epoch + self.step,
            num_steps=self.recipe.epochs * self.steps_per_epoch,
            batch_size=self.num_images / self.steps_per_epoch,
        )

    def steps(self) -> Iterator[None]:
        """Take the steps of this epoch that are still to do, and yield after each."""
        shape = self.pixels.images.shape
        augmentation = Augmentation(self.recipe, num_images=self.num_images, shape=shape, epoch=self.epoch)
        shuffled = order(self.num_images, seed=self.recipe.seed, epoch=self.epoch)
        batches = split_evenly(shuffled, self.recipe.batch_size)[self.step :]
        self.pixels.expect([part for batch in batches for part in split_evenly(batch, self.recipe.micro_batch)])
        for batch in batches:
            began = time.perf_counter()
            self._take_step(batch, augmentation)
            self.tally.seconds += time.perf_counter() - began
            yield

    def is_sound(self) -> bool:
        """Tell whether the loss of this epoch and all weights still are numbers. Waits for the device."""
        stored = (*self.classifier.parameters(), *self.classifier.buffers())
        return math.isfinite(float(self.tally.loss)) and all(bool(tensor.isfinite().all()) for tensor in stored)

    def note(self) -> str:
        """Return where the epoch stands, in a line. Waits for the device."""
        seen = self.tally.seen
        return (
            f"epoch {self.epoch + 1}/{self.recipe.epochs}, loss {float(self.tally.loss) / seen:.3f}, "
            f"{int(self.tally.right) / seen:.1%} right, {seen / self.tally.seconds:.0f} images/s"
        )

    def close_epoch(self, score: Score) -> None:
        """Write the row of the epoch whose last step was taken, and keep the weights if none were better."""
        self.step -= 1
        seen, seconds = self.tally.seen, self.tally.seconds
        row = Epoch(
            number=self.epoch + 1,
            loss=float(self.tally.loss) / seen,
            train_accuracy=int(self.tally.right) / seen,
            select_accuracy=score.accuracy,
            select_robust_accuracy=score.robust_accuracy,
            teacher_share=None if self.teacher is None else float(self.tally.heeded) / seen,
            learning_rate=self.rate,
            seconds=round(seconds, 3),
            images_per_second=round(seen / max(seconds, 1e-9), 1),
        )
        self.rows = (*self.rows, row)
        self.epoch, self.step, self.tally = self.epoch + 1, 0, self._empty_tally()
        if score.decisive >= self.best_score.decisive:
            self.keep(score)

    def keep(self, score: Score) -> None:
        """Remember the weights as they are now, with their score, as the best so far."""
        state = self.judged.state_dict()
        self.best_weights = {name: tensor.detach().to("cpu", copy=True) for name, tensor in state.items()}
        self.best_epoch, self.best_score = self.epoch, score

    def content(self) -> dict[str, Any]:
        """Return all that a later process needs to go on exactly here: tensors, numbers, lists, dicts."""
        return {
            "start": to_plain(self.start),
            "classifier": self.classifier.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "scaler": self.scaler.state_dict(),
            "average": None if self.average is None else self.average.state_dict(),
            "epoch": self.epoch,
            "step": self.step,
            "trust": [self.trust.means, self.trust.heed],
            "tally": dataclasses.asdict(self.tally),
            "rows": [to_plain(row) for row in self.rows],
            "best_epoch": self.best_epoch,
            "best_score": [self.best_score.accuracy, self.best_score.robust_accuracy],
            "best_weights": self.best_weights,
        }

    def restore(self, content: dict[str, Any]) -> None:
        """Go on exactly where `content` was taken."""
        self.classifier.load_state_dict(content["classifier"])
        self.optimizer.load_state_dict(content["optimizer"])
        self.scaler.load_state_dict(content["scaler"])
        if self.average is not None:
            self.average.load_state_dict(content["average"])
        self.epoch, self.step = content["epoch"], content["step"]
        self.trust.means, self.trust.heed = content["trust"]
        self.tally = Tally(**content["tally"])
        self.rows = tuple(Epoch(**row) for row in content["rows"])
        accuracy, robust_accuracy = content["best_score"]
        self.best_epoch = content["best_epoch"]
        self.best_score = Score(accuracy=accuracy, robust_accuracy=robust_accuracy)
        self.best_weights = {name: tensor.cpu() for name, tensor in content["best_weights"].items()}

    def _empty_tally(self) -> Tally:
        loss, heeded = torch.zeros((2,), dtype=torch.float64, device=self.device)
        return Tally(loss=loss, right=torch.zeros((), dtype=torch.int64, device=self.device), heeded=heeded)

    def _take_step(self, batch: Tensor, augmentation: Augmentation) -> None:
        """Move the weights by the gradient over `batch` (n,) int64: once, or once for each replay of free training."""
        self.lesson.begin_step()
        for replay in range(self.lesson.num_replays):
            losses = self._move_weights(batch, augmentation, is_last=replay == self.lesson.num_replays - 1)
        if self.average is not None:
            self.average.update_parameters(self.classifier)
        if self.teacher is not None:
            self.tally.heeded += self.trust.heed * len(batch)
            self.trust.update(*losses)
        self.step += 1
        self.tally.seen += len(batch)

    def _move_weights(self, batch: Tensor, augmentation: Augmentation, *, is_last: bool) -> Tensor:
        """Take one step by the gradient summed micro-batch by micro-batch; return the pair of mean losses (2,)."""
        recipe = self.recipe
        self.classifier.train()
        self.optimizer.zero_grad(set_to_none=True)
        losses = torch.zeros(2, device=self.device)
        for number, indices in enumerate(split_evenly(batch, recipe.micro_batch)):
            share = len(indices) / len(batch)
            learnt = self.lesson.learn(
                self.pixels.batch(indices, augmentation),
                self.pixels.labels[indices.to(self.device)],
                indices=indices,
                epoch=self.epoch,
                number=number,
                source=generator("perturb", recipe.seed, self.epoch, self.step, number, device=self.device),
                heed=self.trust.heed,
            )
            self.scaler.scale(learnt.loss * share).backward()  # type: ignore[no-untyped-call]
            self.lesson.carry()
            if learnt.pair is not None:
                losses += share * learnt.pair
            if is_last:
                self.tally.loss += learnt.loss.detach().double() * len(indices)
                self.tally.right += learnt.right
        if recipe.clip_norm is not None:
            self.scaler.unscale_(self.optimizer)
            nn.utils.clip_grad_norm_(self.classifier.parameters(), recipe.clip_norm)
        for group in self.optimizer.param_groups:
            group["lr"] = self.rate
        self.scaler.step(self.optimizer)
        self.scaler.update()
        return losses
