"""Win back what pruning cost: a checkpoint, images and a recipe in, the tuned checkpoint and its history out."""

import copy
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor

from compressor.data.images import Data, ImageSet
from compressor.errors import FinetuneError, MachineError, is_out_of_memory
from compressor.finetune.begin import begin
from compressor.finetune.collapse import collapse
from compressor.finetune.gradient import idle_processes
from compressor.finetune.history import SCHEMA, History
from compressor.finetune.loop import train_to_the_end
from compressor.finetune.microbatches import with_fixed_sizes
from compressor.finetune.pixels import Pixels
from compressor.finetune.precision import best_precision
from compressor.finetune.recipe import Recipe, resolve
from compressor.finetune.state import Keeper, key_of, parts_of
from compressor.finetune.training import Training
from compressor.load.checkpoint import Checkpoint
from compressor.progress import SILENT, Progress
from compressor.records import now, tool_version
from compressor.runtime.crew import ALONE, Crew

TINY_PIXELS = 16 * 16


class Diverged(FinetuneError):
    """Training was lost in its first epoch. The model it began with is not: statistics re-estimated, best so far."""

    def __init__(self, message: str, *, advice: str, checkpoint: Checkpoint, history: History) -> None:
        super().__init__(message, advice=advice)
        self.checkpoint = checkpoint
        self.history = history


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """What is trained on, and how, with nothing left open."""

    train: ImageSet
    select: ImageSet
    recipe: Recipe
    """Resolved, with fixed sizes: as it is carried out and recorded."""
    teacher: Checkpoint | None
    """None where the recipe does not listen to one."""


def prepare(
    checkpoint: Checkpoint, data: Data, recipe: Recipe, *, teacher: Checkpoint | None = None, device: str = "cpu"
) -> Prepared:
    """Say what `finetune` would do, or why it would not.

    Raises:
        FinetuneError: no training or select images, or images or a teacher that do not fit the model.
    """
    train, select = _images_for(checkpoint, data)
    _check_teacher(checkpoint, teacher)
    recipe = resolve(
        recipe,
        channels=train.shape[0],
        class_names=train.class_names,
        teacher=teacher is not None,
        precision=best_precision(torch.device(device)),
    )
    return Prepared(
        train=train,
        select=select,
        recipe=with_fixed_sizes(recipe, num_images=len(train)),
        teacher=teacher if recipe.distill else None,
    )


def finetune(
    checkpoint: Checkpoint,
    data: Data,
    recipe: Recipe,
    *,
    teacher: Checkpoint | None = None,
    device: str = "cpu",
    state: Path | None = None,
    crew: Crew = ALONE,
    admit: Callable[[str], None] | None = None,
    progress: Progress = SILENT,
) -> tuple[Checkpoint, History]:
    """Fine-tune on the training images and return the best epoch by the select images. Test images are never read.

    Args:
        checkpoint: its model is copied, never changed; its preprocessing is applied to images in [0, 1].
        data: with training and select images.
        recipe: everything that decides the outcome. The same inputs give the same weights on the same machine.
        teacher: the dense model to learn from; used when `recipe.distill` says so.
        device: a torch device, for example `cpu` or `cuda:0`.
        state: folder to save training in and to go on from. Each model, data and recipe has a file of its own there.
        crew: the processes that share each step; all make the same call, and the first one keeps the state.
        admit: told the digest of all that decides the outcome before any training; may raise.
        progress: told after each step.

    Returns:
        The tuned checkpoint (model on the CPU, in evaluation mode) and its history.

    Raises:
        FinetuneError: no training or select images, images that do not fit the model, or a foreign state.
        Diverged: training was lost in its first epoch; carries the model from before it, and the history.
        LoadError: the checkpoint does not know its preprocessing.
        MachineError: there is too little memory, or another process of the crew ended.
    """
    place = torch.device(device)
    ready = prepare(checkpoint, data, recipe, teacher=teacher, device=device)
    teacher, select = ready.teacher, ready.select
    try:
        pixels = Pixels(ready.train, device=place, progress=progress)
        recipe = with_fixed_sizes(ready.recipe, num_images=len(pixels.images))
        taught_by = None if teacher is None else teacher.model
        parts = parts_of(checkpoint.model, train=pixels.images, select=select, recipe=recipe, teacher=taught_by)
        key = key_of(parts)
        if admit is not None:
            admit(key)
        keeper = Keeper(folder=state, parts=parts) if state is not None and crew.is_first else None
        if idle := idle_processes(recipe, crew):
            size, busy = recipe.micro_batch, crew.size - idle
            more, smaller = size * crew.size, -(-recipe.batch_size // crew.size)
            progress.say(
                f"{idle} of {crew.size} processes will be idle, for a step is {busy} x {size} images: "
                f"a batch of {more} images or micro-batches of {smaller} would keep all busy"
            )
        select = select.in_memory(progress=progress)
        (saved,) = crew.told((keeper.load(progress=progress) if keeper else None,))
        with _threads_for(ready.train.shape):
            training = begin(
                checkpoint,
                teacher=teacher,
                pixels=pixels,
                select=select,
                recipe=recipe,
                saved=saved,
                progress=progress,
                crew=crew,
            )
            train_to_the_end(training, select, keeper=keeper, progress=progress)
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
        raise MachineError(
            f"{device} ran out of memory before or between epochs of fine-tuning",
            advice="free memory, or set a smaller micro_batch in the recipe: the batch stays the same",
        ) from error
    history = History(
        schema=SCHEMA,
        created=now(),
        tool_version=tool_version(),
        recipe=recipe,
        model_sha256=checkpoint.sha256,
        teacher_sha256=None if teacher is None else teacher.sha256,
        device=place.type,
        num_train=len(pixels.images),
        num_select=len(select),
        select_accuracy_before=training.start.before,
        select_accuracy_batchnorm=training.start.batchnorm,
        epochs=training.rows,
        best_epoch=training.best_epoch,
        select_accuracy=training.best_score.accuracy,
        select_robust_accuracy=training.best_score.robust_accuracy,
        notes=_notes(training, num_skipped=len(pixels.skipped)),
        skipped=pixels.skipped or None,
        key=key,
        num_processes=crew.size,
    )
    tuned = _tuned(checkpoint, training.best_weights, history)
    if training.stopped and not training.rows:
        advice = f"use a smaller learning rate than {recipe.lr:g}"
        raise Diverged(training.stopped, advice=advice, checkpoint=tuned, history=history)
    return tuned, history


@contextmanager
def _threads_for(shape: tuple[int, int, int]) -> Iterator[None]:
    """Train on one thread where images are tiny: more wait for each other longer than they compute."""
    before = torch.get_num_threads()
    torch.set_num_threads(1 if shape[1] * shape[2] <= TINY_PIXELS else before)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _images_for(checkpoint: Checkpoint, data: Data) -> tuple[ImageSet, ImageSet]:
    """Return training and select images, or say why there is nothing to train on."""
    train, select = data.train, data.select
    if train is None or len(train) < 2:
        raise FinetuneError(
            f"--data {data.spec} holds no training images, so nothing can be fine-tuned",
            advice="add a train/ folder (or x_train, y_train); test images are never used in their place",
        )
    if select is None or len(select) == 0:
        raise FinetuneError(
            f"--data {data.spec} holds no select images, so the best epoch cannot be chosen",
            advice="add a val/ folder beside train/ and test/ (or x_val, y_val), or more training images",
        )
    for images in (train, select):
        if images.shape != tuple(checkpoint.input_shape):
            raise FinetuneError(
                f"{images.role} images are {images.shape}, but the model takes {tuple(checkpoint.input_shape)} "
                "(channels, height, width)",
                advice="open the data with the model's --input-size and --preprocess",
            )
        if int(images.labels.max()) >= checkpoint.num_classes:
            raise FinetuneError(
                f"{images.role} images have label {int(images.labels.max())}, but the model knows "
                f"{checkpoint.num_classes} classes (0 to {checkpoint.num_classes - 1})",
                advice="use the data that the model was trained for",
            )
    return train, select


def _check_teacher(checkpoint: Checkpoint, teacher: Checkpoint | None) -> None:
    if teacher is None:
        return
    ours = (checkpoint.num_classes, tuple(checkpoint.input_shape))
    theirs = (teacher.num_classes, tuple(teacher.input_shape))
    if ours != theirs:
        raise FinetuneError(
            f"the teacher has {theirs[0]} classes and takes {theirs[1]}, the model {ours[0]} and {ours[1]}",
            advice="distil from a model with the same classes and input size, or from none",
        )


def _notes(training: Training, *, num_skipped: int) -> tuple[str, ...]:
    """Return what a reader of the history should know."""
    found = [f"{num_skipped} training images cannot be read and were left out"] if num_skipped else []
    if training.start.batchnorm is not None and not training.start.refreshed:
        found.append("re-estimated BatchNorm statistics were worse; the given ones were kept")
    found += training.notes
    if training.stopped:
        found.append(training.stopped)
    collapsed = collapse(training.rows)
    if collapsed is not None:
        found.append(f"{collapsed}; epoch {training.best_epoch} was kept")
    if training.rows and training.best_epoch == 0:
        found.append("training did not help: the weights from before the first epoch were kept")
    return tuple(found)


def _tuned(checkpoint: Checkpoint, best: dict[str, Tensor], history: History) -> Checkpoint:
    """Return the checkpoint with the best weights, and a line of what was done to it."""
    model = copy.deepcopy(checkpoint.model)
    replace(checkpoint, model=model).classifier().load_state_dict(best)
    recipe = history.recipe
    how = [f"{recipe.optimizer}, lr {recipe.lr:g}, batch {recipe.batch_size}"]
    if history.teacher_sha256 is not None:
        how.append(f"distilled from {history.teacher_sha256[:8]}")
    if recipe.adversarial is not None:
        how.append(f"adversarial {recipe.adversarial} by {recipe.adversarial_method}")
    what = (
        f"fine-tuned {len(history.epochs)} epochs on {history.num_train} images ({', '.join(how)}); epoch "
        f"{history.best_epoch} kept: {history.select_accuracy:.4f} of {history.num_select} select images right"
    )
    return checkpoint.followed_by(model.eval(), what)
