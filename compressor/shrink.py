"""From a dense checkpoint to a slim, tuned one: choose, cut, tune; in one step or in several."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from compressor.data import Data
from compressor.errors import FinetuneError, PruneError
from compressor.export.form import PLAIN, Form
from compressor.export.onnx import export_onnx
from compressor.files import sha256_of_bytes, write_whole
from compressor.finetune import Diverged, Earlier, History, Recipe
from compressor.load import Checkpoint
from compressor.measures import FileBytes, FileLatency
from compressor.progress import SILENT, Progress
from compressor.prune import Measure, Plan, compose, plan, slim, trace_coupling
from compressor.prune.blocks import num_blocks
from compressor.prune.named import still_deciding
from compressor.prune.survey import Survey
from compressor.records import dump, parse
from compressor.shipping import calibration_of
from compressor.steps import tune
from compressor.task import HERE, Cut, Place, Timing
from compressor.types import Structure

EPOCHS_BETWEEN = 1
"""Passes over the training images between two steps; the last step gets the whole recipe."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shrunk:
    """A slim model and how it came about."""

    checkpoint: Checkpoint
    plan: Plan
    history: History | None
    """None when there were no training images."""


def choose(
    dense: Checkpoint,
    *,
    cut: Cut,
    data: Data | None = None,
    form: Form = PLAIN,
    timing: Timing | None = None,
    seed: int = 0,
    place: Place = HERE,
    survey: Survey | None = None,
    progress: Progress = SILENT,
) -> Plan:
    """Plan what leaves. A plan that took measurements is kept for resuming: times are never the same twice.

    Args:
        dense: the model before.
        cut: how much leaves, and how it is chosen.
        data: training images, for criteria that need them.
        form: of the file whose bytes or latency are limited.
        timing: where its latency counts.
        seed: of everything that is drawn.
        place: where state is kept.
        survey: of the dense model with these images, from earlier plans.
        progress: listener.

    Raises:
        PruneError: nothing can be removed as asked.
        MachineError: latency is limited on a provider that does not load here.
    """
    if cut.ready is not None:
        return cut.ready
    timing = timing or Timing()
    kept = _plan_file(place, dense, cut, (form, timing, seed)) if cut.is_measured else None
    if kept is not None and kept.is_file():
        return parse(kept.read_bytes(), Plan, source=str(kept))
    export = partial(export_onnx, form=form, calibration=calibration_of(data, form) if cut.is_measured else None)
    measure: Measure | None = None
    if cut.target_bytes is not None:
        measure = FileBytes(export)
    elif cut.is_measured:
        measure = FileLatency(export, timing, against=dense if cut.target_latency_ratio is not None else None)
    chosen = plan(
        dense,
        ratio=cut.ratio,
        target_macs=cut.target_macs,
        target_params=cut.target_params,
        target_bytes=cut.target_bytes,
        target_latency_ms=cut.target_latency_ms,
        target_latency_ratio=cut.target_latency_ratio,
        measure=measure,
        num_blocks=cut.num_blocks,
        structure=cut.structure,
        criterion=cut.criterion,
        block_criterion=cut.block_criterion,
        scope=cut.scope,
        round_to=cut.round_to,
        keep=cut.keep,
        ratio_for=cut.ratio_for,
        train=data.train if data else None,
        seed=seed,
        survey=survey,
        progress=progress,
    )
    if kept is not None:
        write_whole(kept, dump(chosen))
    return chosen


def _plan_file(place: Place, dense: Checkpoint, cut: Cut, settings: object) -> Path | None:
    """Return where a plan is kept: under a name of everything that it depends on."""
    folder = place.state("plan")
    name = sha256_of_bytes(repr((dense.sha256, dense.input_shape, cut, settings)).encode())
    return folder / f"{name[:16]}.json" if folder else None


def shrink(
    dense: Checkpoint,
    *,
    cut: Cut,
    data: Data | None = None,
    recipe: Recipe | None = None,
    form: Form = PLAIN,
    timing: Timing | None = None,
    seed: int = 0,
    place: Place = HERE,
    admit: Callable[[str], None] | None = None,
    progress: Progress = SILENT,
) -> Shrunk:
    """Choose what leaves, cut it, and fine-tune when there are training images.

    With several steps, filters and blocks are scored anew after each, on weights that were tuned for an epoch. The plan
    tells all steps as one cut of the dense model, and the history has the epochs between them.

    Args:
        dense: the model before.
        cut: how much leaves, and how it is chosen.
        data: images; without training images nothing is tuned.
        recipe: of the fine-tuning.
        form: of the file whose bytes or latency are limited.
        timing: where its latency counts.
        seed: of everything that is drawn.
        place: where state is kept.
        admit: told the digest of what decides the outcome of the first training, before it; may raise.
        progress: listener.

    Raises:
        PruneError: nothing can be removed as asked.
        Diverged: the last training was lost in its first epoch; carries the model as it was cut.
        FinetuneError: one between steps was.
    """
    choose_here = partial(
        choose,
        data=data,
        form=form,
        timing=timing,
        seed=seed,
        place=place,
        progress=progress,
    )
    recipe = recipe or Recipe(seed=seed)
    may_tune = data is not None and data.train is not None and recipe.epochs > 0
    current = dense
    plans: list[Plan] = []
    earlier: list[Earlier] = []
    parts = _parts(dense, cut, choose_here)
    for number, part in enumerate(parts, start=1):
        try:
            chosen = choose_here(current, cut=_for_what_is_left(current, part) if plans else part)
        except PruneError as error:
            if len(parts) == 1:
                raise
            raise PruneError(
                f"step {number} of {len(parts)}: {error}", advice="take fewer --steps, or let more leave"
            ) from error
        current = slim(current, chosen)
        for note in current.notes:
            progress.say(note)
        plans.append(chosen)
        if may_tune and number < len(parts):
            assert data is not None
            between = replace(recipe, epochs=min(EPOCHS_BETWEEN, recipe.epochs))
            progress.say(f"step {number} of {len(parts)}: {current.history[-1]}")
            what = current.history[-1]
            try:
                current, found = tune(
                    current,
                    data,
                    between,
                    teacher=dense,
                    place=place,
                    admit=None if earlier else admit,
                    progress=progress,
                )
            except Diverged as error:  # half of the cut is nobody's wish, so it is not handed on
                raise FinetuneError(f"step {number} of {len(parts)}: {error}", advice=error.advice) from error
            earlier.append(_told(what, found))
    whole = compose(dense, plans)
    if not may_tune:
        return Shrunk(checkpoint=current, plan=whole, history=None)
    assert data is not None
    tuned, history = tune(
        current, data, recipe, teacher=dense, place=place, admit=None if earlier else admit, progress=progress
    )
    return Shrunk(checkpoint=tuned, plan=whole, history=replace(history, earlier=tuple(earlier) or None))


def _told(what: str, history: History) -> Earlier:
    """Return what the last history says of the tuning after an earlier step."""
    assert history.key is not None
    return Earlier(
        what=what,
        key=history.key,
        select_accuracy_before=history.select_accuracy_before,
        select_accuracy_batchnorm=history.select_accuracy_batchnorm,
        epochs=history.epochs,
        best_epoch=history.best_epoch,
        select_accuracy=history.select_accuracy,
        notes=history.notes,
    )


def _parts(dense: Checkpoint, cut: Cut, choose_here: Callable[..., Plan]) -> list[Cut]:
    """Return what each step cuts of what the step before left.

    One cut of the dense model says how much has to leave in all: its ratio and its number of blocks. Every step takes
    an equal share of that; below a ceiling, the last step goes by the ceiling itself.
    """
    if cut.num_steps == 1:
        return [cut]
    aim = choose_here(dense, cut=cut)
    shares = [_share(dense, cut, aim, number) for number in range(1, cut.num_steps + 1)]
    if aim.target is not None:
        limit, last = int(aim.target.limit), replace(cut, ratio_for=shares[-1].ratio_for)
        of_macs = cut.target_macs is not None
        shares[-1] = replace(last, target_macs=limit) if of_macs else replace(last, target_params=limit)
    return [share for share in shares if cut.structure is not Structure.BLOCKS or share.num_blocks != 0]


def _for_what_is_left(current: Checkpoint, part: Cut) -> Cut:
    """Return the cut of a later step: layers with a ratio of their own may have left with a block."""
    if not part.ratio_for:
        return part
    graph = trace_coupling(current.model, current.input_shape)
    return replace(part, ratio_for=still_deciding(graph, part.ratio_for))


def _share(dense: Checkpoint, cut: Cut, aim: Plan, number: int) -> Cut:
    """Return the cut of one step, in shares of what is left before it."""
    before, after = (number - 1) / cut.num_steps, number / cut.num_steps

    def of_what_is_left(whole: float) -> float:
        return whole * (after - before) / (1 - whole * before)

    num = num_blocks(dense.model, aim.removed_blocks)
    return replace(
        cut,
        ratio=of_what_is_left(aim.ratio),
        num_blocks=round(num * after) - round(num * before),
        target_macs=None,
        target_params=None,
        ratio_for={glob: of_what_is_left(value) for glob, value in cut.ratio_for.items()},
    )
