"""The loop over epochs: train, judge, save, tell; stop where training diverges."""

import time

import torch

from compressor.data.images import ImageSet
from compressor.errors import CertifyError
from compressor.finetune.collapse import collapse
from compressor.finetune.judge import Score, judge
from compressor.finetune.state import Keeper
from compressor.finetune.training import Training
from compressor.progress import Progress, Step

SAVE_SECONDS = 60.0
"""Within an epoch the state is saved this often."""

NOTE_SECONDS = 0.5
"""Progress is described, and the loss checked, this often: on a GPU each look waits for the device."""


def train_to_the_end(training: Training, select: ImageSet, *, keeper: Keeper | None, progress: Progress) -> None:
    """Train to the last epoch of the recipe, or to where training diverges.

    The state is saved after every epoch, every minute, and when the listener raises: nothing it was told is lost. The
    global random state is the caller's again afterwards.

    Raises:
        OutputError: the state cannot be written.
        MachineError: there is too little memory, or another process of the crew ended.
    """
    recipe, per_epoch = training.recipe, training.steps_per_epoch
    devices = [training.device] if training.device.type == "cuda" else []
    with (
        torch.random.fork_rng(devices=devices),
        progress.stage("fine-tune", total=recipe.epochs * per_epoch, unit="step") as step,
    ):
        done = training.epoch * per_epoch + training.step
        if done:
            step.advance(done, f"going on in epoch {min(training.epoch + 1, recipe.epochs)}")
        while training.epoch < recipe.epochs:
            trouble, score = _run_epoch(training, step, keeper), None
            try:
                score = None if trouble else _judge(training, select)
            except CertifyError:  # finite weights, but answers that are not
                trouble = "the model answers NaN or infinity"
            if score is None:
                _stop(training, trouble, progress)
                return
            training.close_epoch(score)
            collapsed = collapse(training.rows)
            if collapsed is not None and collapse(training.rows[:-1]) is None:
                progress.say(collapsed)
            if keeper is not None:
                keeper.save(training.content())
            row = training.rows[-1]
            step.advance(1, f"epoch {row.number}/{recipe.epochs}: {row.select_accuracy:.1%} of select images right")


def _run_epoch(training: Training, step: Step, keeper: Keeper | None) -> str:
    """Take the steps left in this epoch, the last one not told yet; return why training is lost, or nothing.

    All processes of a crew look at the loss after each step, so that they stop at the same one: it is known to each by
    then. A single process on a GPU would wait for it, so it looks at times.
    """
    saved = noted = time.monotonic()
    note, crew = "", training.crew
    for _ in training.steps():
        if training.step == training.steps_per_epoch:
            break
        if crew.size > 1 and (trouble := training.trouble(weights=False)):
            return trouble
        if time.monotonic() - noted > NOTE_SECONDS:
            noted = time.monotonic()
            if crew.size == 1 and (trouble := training.trouble()):
                return trouble
            note = training.note()
        if keeper is not None and time.monotonic() - saved > SAVE_SECONDS and not training.trouble():
            keeper.save(training.content())
            saved = time.monotonic()
        try:
            step.advance(1, note)
        except BaseException:
            if keeper is not None and not training.trouble():
                keeper.save(training.content())
            raise
    return training.trouble()


def _judge(training: Training, select: ImageSet) -> Score:
    return judge(training.judged, select, recipe=training.recipe, device=training.device, crew=training.crew)


def _stop(training: Training, trouble: str, progress: Progress) -> None:
    what = f"epoch {training.best_epoch}" if training.best_epoch else "the model from before the first epoch"
    training.stopped = f"training diverged in epoch {training.epoch + 1}: {trouble}; {what} was kept"
    progress.say(training.stopped)
