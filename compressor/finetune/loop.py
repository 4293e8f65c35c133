"""The loop over epochs: train, judge, save, tell; stop where the loss is no longer a number."""

import time

from compressor.data.images import ImageSet
from compressor.errors import CertifyError, FinetuneError
from compressor.finetune.collapse import collapse
from compressor.finetune.judge import judge
from compressor.finetune.state import Keeper
from compressor.finetune.training import Training
from compressor.progress import Progress, Step

SAVE_SECONDS = 60.0
"""Within an epoch the state is saved this often."""

NOTE_SECONDS = 0.5
"""Progress is described, and the loss checked, this often: on a GPU each look waits for the device."""


def train_to_the_end(training: Training, select: ImageSet, *, keeper: Keeper | None, progress: Progress) -> None:
    """Train to the last epoch of the recipe, or to where training diverges after a good epoch.

    The state is saved after every epoch, every minute, and when the listener raises: nothing it was told is lost.

    Raises:
        FinetuneError: training diverged in its first epoch.
        OutputError: the state cannot be written.
    """
    recipe, per_epoch = training.recipe, training.steps_per_epoch
    with progress.stage("fine-tune", total=recipe.epochs * per_epoch, unit="step") as step:
        done = training.epoch * per_epoch + training.step
        if done:
            step.advance(done, f"going on in epoch {min(training.epoch + 1, recipe.epochs)}")
        while training.epoch < recipe.epochs:
            if not _run_epoch(training, step, keeper):
                _stop(training, progress)
                return
            try:
                score = judge(training.judged, select, recipe=recipe, device=training.device)
            except CertifyError:  # finite weights, but answers that are not
                _stop(training, progress)
                return
            training.close_epoch(score)
            collapsed = collapse(training.rows)
            if collapsed is not None and collapse(training.rows[:-1]) is None:
                progress.say(collapsed)
            if keeper is not None:
                keeper.save(training.content())
            row = training.rows[-1]
            step.advance(1, f"epoch {row.number}/{recipe.epochs}: {row.select_accuracy:.1%} of select images right")


def _run_epoch(training: Training, step: Step, keeper: Keeper | None) -> bool:
    """Take the steps left in this epoch; False where the loss stopped being a number. The last one is not told yet."""
    saved = noted = time.monotonic()
    note = ""
    for _ in training.steps():
        if training.step == training.steps_per_epoch:
            break
        if time.monotonic() - noted > NOTE_SECONDS:
            noted = time.monotonic()
            if not training.is_sound():
                return False
            note = training.note()
        if keeper is not None and time.monotonic() - saved > SAVE_SECONDS and training.is_sound():
            keeper.save(training.content())
            saved = time.monotonic()
        try:
            step.advance(1, note)
        except BaseException:
            if keeper is not None and training.is_sound():
                keeper.save(training.content())
            raise
    return training.is_sound()


def _stop(training: Training, progress: Progress) -> None:
    where = f"training diverged in epoch {training.epoch + 1}: the loss is no longer a number"
    if not training.rows:
        raise FinetuneError(where, advice=f"use a smaller learning rate than {training.recipe.lr:g}")
    training.stopped = f"{where}; epoch {training.best_epoch} was kept"
    progress.say(training.stopped)
