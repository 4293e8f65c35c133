"""Training under way: the model, the optimizer, where they stand, and how they take one step."""

import dataclasses
import math
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from compressor.finetune.augmentation import Augmentation
from compressor.finetune.gradient import Gradients, Moment, Sums
from compressor.finetune.history import Epoch
from compressor.finetune.judge import Score
from compressor.finetune.microbatches import cut, mean_batch, num_steps
from compressor.finetune.objective import Trust, build_optimizer
from compressor.finetune.pixels import Pixels
from compressor.finetune.randomness import order
from compressor.finetune.recipe import Recipe, learning_rate
from compressor.finetune.tally import Tally, Watch
from compressor.progress import SILENT, Progress
from compressor.records import to_plain
from compressor.runtime.crew import ALONE, Crew


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
        crew: Crew = ALONE,
        progress: Progress = SILENT,
    ) -> None:
        """Take the classifier over; it is changed in place.

        Args:
            classifier: images in [0, 1] to logits, on the device of `pixels`.
            teacher: likewise, in evaluation mode; or None.
            pixels: the training images.
            recipe: resolved, with fixed sizes.
            start: what was found before.
            crew: the processes that share each step.
            progress: told when memory runs out.
        """
        self.classifier = classifier
        self.teacher = teacher
        self.pixels = pixels
        self.recipe = recipe
        self.device = pixels.device
        self.start = start
        self.crew = crew
        self.progress = progress
        self.gradients = Gradients(classifier, teacher=teacher, pixels=pixels, recipe=recipe, crew=crew)
        self.optimizer = build_optimizer(classifier, recipe)
        self.average: AveragedModel | None = None
        if recipe.ema_decay is not None:
            averaging = get_ema_multi_avg_fn(recipe.ema_decay)  # type: ignore[no-untyped-call]
            self.average = AveragedModel(classifier, multi_avg_fn=averaging, use_buffers=True)
        self.num_images = len(pixels.labels)
        self.steps_per_epoch = num_steps(recipe, num_images=self.num_images)
        self.trust = Trust(self.device)
        self.watch = Watch(len(pixels.images.class_names), self.device)
        self.epoch = 0
        self.step = 0
        self.tally = Tally.empty(self.device)
        self.rows: tuple[Epoch, ...] = ()
        self.notes: tuple[str, ...] = ()  # what went otherwise than the recipe says
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
            batch_size=mean_batch(self.recipe, num_images=self.num_images),
        )

    def steps(self) -> Iterator[None]:
        """Take the steps of this epoch that are still to do, and yield after each."""
        shape = self.pixels.images.shape
        augmentation = Augmentation(self.recipe, num_images=self.num_images, shape=shape, epoch=self.epoch)
        shuffled = order(self.num_images, seed=self.recipe.seed, epoch=self.epoch)
        batches = cut(shuffled, self.recipe)[self.step :]
        self.pixels.expect([unit for batch in batches for unit in self.gradients.own_units(batch)])
        for micro_batches in batches:
            began = time.perf_counter()
            self._take_step(micro_batches, augmentation)
            self.tally.seconds += time.perf_counter() - began
            yield

    def trouble(self, *, weights: bool = True) -> str:
        """Return why this training is lost, or nothing. Waits for the device.

        Args:
            weights: whether to look at every weight too, and not at the loss of this epoch alone.
        """
        stored = (*self.classifier.parameters(), *self.classifier.buffers()) if weights else ()
        if not math.isfinite(float(self.tally.loss)) or not all(bool(tensor.isfinite().all()) for tensor in stored):
            return "the loss is no longer a number"
        if not self.watch.is_calm():
            first, recent, _ = self.watch.state.tolist()
            return f"the loss went from {first:.3g} to {recent:.3g}"
        return ""

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
            micro_batch=None if self.gradients.num_parts == 1 else self.gradients.part_size,
        )
        self.rows = (*self.rows, row)
        self.epoch, self.step, self.tally = self.epoch + 1, 0, Tally.empty(self.device)
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
            "scaler": self.gradients.scaler.state_dict(),
            "average": None if self.average is None else self.average.state_dict(),
            "epoch": self.epoch,
            "step": self.step,
            "trust": [self.trust.means, self.trust.heed],
            "watch": self.watch.state,
            "num_parts": self.gradients.num_parts,
            "notes": list(self.notes),
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
        self.gradients.scaler.load_state_dict(content["scaler"])
        if self.average is not None:
            self.average.load_state_dict(content["average"])
        self.epoch, self.step = content["epoch"], content["step"]
        self.trust.means, self.trust.heed = (tensor.to(self.device) for tensor in content["trust"])
        self.watch.state = content["watch"].to(self.device)
        self.gradients.num_parts, self.notes = content["num_parts"], tuple(content["notes"])
        self.tally = Tally(**content["tally"]).to(self.device)
        self.rows = tuple(Epoch(**row) for row in content["rows"])
        accuracy, robust_accuracy = content["best_score"]
        self.best_epoch = content["best_epoch"]
        self.best_score = Score(accuracy=accuracy, robust_accuracy=robust_accuracy)
        self.best_weights = {name: tensor.cpu() for name, tensor in content["best_weights"].items()}

    def _take_step(self, micro_batches: Tensor, augmentation: Augmentation) -> None:
        """Take one step, or one for each replay in free training, on `micro_batches` (k, m) int64."""
        moment = Moment(epoch=self.epoch, step=self.step, augmentation=augmentation, heed=self.trust.heed)
        self.gradients.lesson.begin_step()
        for _ in range(self.gradients.lesson.num_replays):
            sums = self._move_weights(micro_batches, moment)
        if self.average is not None:
            self.average.update_parameters(self.classifier)
        num = micro_batches.numel()
        if self.teacher is not None:
            self.tally.heeded += self.trust.heed * num
            self.trust.update(sums.teacher.float(), sums.student.float())
        self.tally.loss += sums.loss
        self.tally.right += sums.right
        self.watch.see(sums.loss / num)
        self.step += 1
        self.tally.seen += num

    def _move_weights(self, micro_batches: Tensor, moment: Moment) -> Sums:
        """Move the weights once by the gradient over `micro_batches` (k, m) int64."""
        while (sums := self.gradients.of(micro_batches, moment)) is None:
            self._halve()
        scaler = self.gradients.scaler
        if self.recipe.clip_norm is not None:
            scaler.unscale_(self.optimizer)
            nn.utils.clip_grad_norm_(self.gradients.parameters, self.recipe.clip_norm)
        for group in self.optimizer.param_groups:
            group["lr"] = self.rate
        scaler.step(self.optimizer)
        scaler.update()
        return sums

    def _halve(self) -> None:
        """Go on with smaller micro-batches, and say so: BatchNorm then normalises over fewer images."""
        self.gradients.halve()
        note = (
            f"out of memory in epoch {self.epoch + 1}, step {self.step + 1}: micro-batches of "
            f"{self.gradients.part_size} images from here on instead of {self.recipe.micro_batch}; the batch stays, "
            "BatchNorm normalises over fewer images"
        )
        self.notes = (*self.notes, note)
        self.progress.say(note)
