"""What fine-tuning did, epoch by epoch. A record; it recomputes nothing."""

from dataclasses import dataclass, field
from typing import Final, Literal

from compressor.finetune.recipe import Recipe
from compressor.records import LATER, strict

SCHEMA: Final = "compress.history/1"


@strict
@dataclass(frozen=True, slots=True, kw_only=True)
class Epoch:
    """One pass over the training images."""

    number: int
    """From 1."""
    loss: float
    """Mean over the images as trained on: augmented, perturbed, while the weights moved."""
    train_accuracy: float
    """Share of those images answered right, in [0, 1]."""
    select_accuracy: float
    """Share of the select images answered right after this epoch, in [0, 1]."""
    select_robust_accuracy: float | None
    """In adversarial training: share of a sample of them still right under the inner attack."""
    teacher_share: float | None
    """Share of the steps in which the teacher still knew better and was heeded; None without a teacher."""
    learning_rate: float
    """At its last step."""
    seconds: float
    """Of training, without the evaluation."""
    images_per_second: float
    """Of training, without the evaluation."""
    micro_batch: int | None = field(default=None, metadata=LATER)
    """Images per forward pass at its end, where memory allowed fewer than the recipe says; None: as the recipe says."""


@strict
@dataclass(frozen=True, slots=True, kw_only=True)
class Earlier:
    """The fine-tuning after one of several steps of pruning; the next step cut its result further."""

    what: str
    """What the step had cut, in words."""
    key: str
    """As in `History`."""
    select_accuracy_before: float
    """As cut."""
    select_accuracy_batchnorm: float | None
    epochs: tuple[Epoch, ...]
    best_epoch: int
    select_accuracy: float
    """Of the weights kept."""
    notes: tuple[str, ...]


@strict
@dataclass(frozen=True, slots=True, kw_only=True)
class History:
    """`history.json`."""

    schema: Literal["compress.history/1"]
    created: str
    tool_version: str
    recipe: Recipe
    """With nothing left open."""
    model_sha256: str
    """Of the checkpoint that was tuned."""
    teacher_sha256: str | None
    """Of the checkpoint it learnt from; None without distillation."""
    device: str
    num_train: int
    """Images trained on."""
    num_select: int
    select_accuracy_before: float
    """Of the model as given."""
    select_accuracy_batchnorm: float | None
    """After its BatchNorm statistics were re-estimated; None where that was not done."""
    epochs: tuple[Epoch, ...]
    best_epoch: int
    """The epoch whose weights were kept; 0: those before training."""
    select_accuracy: float
    """Of the weights kept."""
    select_robust_accuracy: float | None
    """Likewise; where it is not None the best epoch was chosen by it."""
    notes: tuple[str, ...]
    """What a reader should know: training did not help, diverged, ran out of memory, or left images out."""
    skipped: tuple[str, ...] | None = field(default=None, metadata=LATER)
    """A sentence about each training image that cannot be read and was left out; None where there was none."""
    key: str | None = field(default=None, metadata=LATER)
    """Digest of all that decided the outcome: weights, images, recipe, teacher. Equal: an identical run."""
    num_processes: int | None = field(default=None, metadata=LATER)
    """That shared the last part of it."""
    earlier: tuple[Earlier, ...] | None = field(default=None, metadata=LATER)
    """The tuning between the steps of pruning, where there were several."""
