"""The verb: prune each layer alone, and look at what is left of the accuracy. Nothing is fine-tuned."""

import copy
from collections.abc import Sequence
from fractions import Fraction

from compressor.attacks.threat import Threat
from compressor.data import Data, stratified
from compressor.errors import PruneError
from compressor.load.checkpoint import Checkpoint
from compressor.progress import SILENT, Progress
from compressor.prune import Cost
from compressor.prune.choose import Chooser
from compressor.prune.selectors import check_ratio
from compressor.prune.survey import Survey
from compressor.prune.wish import Wish
from compressor.records import now, tool_version
from compressor.sensitivity.examine import Examiner, Score
from compressor.sensitivity.record import SCHEMA, Sensitivity, SensitivityRow
from compressor.sensitivity.trials import Trial, find_trials
from compressor.task import HERE, Place
from compressor.types import Norm, Structure

RATIOS = (0.25, 0.5, 0.75)
THREAT = Threat(norm=Norm.LINF, epsilon=Fraction(2, 255))
"""Small enough that an ordinarily trained network still answers some images right."""
NUM_IMAGES = 512
DENSE = "dense"
"""Key of the model as it came."""


def measure_sensitivity(
    checkpoint: Checkpoint,
    data: Data,
    *,
    ratios: Sequence[float] = RATIOS,
    criterion: str = "l1",
    threat: Threat = THREAT,
    num_images: int = NUM_IMAGES,
    seed: int = 0,
    place: Place = HERE,
    progress: Progress = SILENT,
) -> Sensitivity:
    """Prune every group of filters alone at several ratios, and remove every block alone.

    Accuracy and FGSM accuracy are measured on select images, because the answer steers what is pruned: test images are
    never used. A drop says where pruning hurts first, not what fine-tuning wins back.

    Args:
        checkpoint: the dense model, with its preprocessing; not changed.
        data: its select images are used, and its training images where the criterion needs them.
        ratios: share of a group's units that leaves, each in (0, 1).
        criterion: how filters are ranked, a name in `CRITERIA`.
        threat: what FGSM may do.
        num_images: size of the seeded stratified sample; all select images when there are not more.
        seed: of the sample, and of a criterion that draws.
        place: where to compute, and where each trial is saved: the same call goes on after a kill, and ends in the
            same record.
        progress: told after each trial.

    Returns:
        One row for each cut. Same arguments, same rows.

    Raises:
        DataError: there are no select images.
        PruneError: a bad ratio, an unknown criterion, or nothing can be pruned.
        LoadError: no preprocessing is known.
        CertifyError: the model answers NaN, infinity or no logits.

    Source: arXiv 1608.08710, section 3.2 (clean accuracy, one layer alone); FGSM accuracy is ours.
    """
    ratios = tuple(sorted({check_ratio(ratio) for ratio in ratios}))
    if not ratios:
        raise PruneError("no ratio was given", advice="give at least one, for example 0.5")
    images = stratified(data.need("select"), num_images, seed=seed).in_memory(progress=progress)
    wish = Wish(structure=Structure.BOTH, criterion=criterion, seed=seed)
    chooser = Chooser(Survey(checkpoint, train=data.train, progress=progress), wish)
    ground = chooser.ground(())
    trials, left_out = find_trials(checkpoint, chooser, ratios)
    examiner = Examiner(
        checkpoint,
        images,
        threat=threat,
        device=place.device,
        batch_size=place.batch_size,
        state=place.state("sensitivity"),
    )
    # Cut where it computes: on a GPU the weights travel once, not once for each trial.
    model = checkpoint.model if place.device == "cpu" else copy.deepcopy(checkpoint.model).to(place.device)
    todo = {trial.key: trial for trial in trials if trial.key not in examiner.known}
    if examiner.known:
        progress.say(f"{len(examiner.known)} of the models were measured by an earlier run")
    with progress.stage(
        "prune each layer alone", total=len(todo) + (DENSE not in examiner.known), unit="model"
    ) as step:
        if DENSE not in examiner.known:
            step.advance(1, _note("dense", examiner.score(DENSE, model), len(images)))
        for key, trial in todo.items():
            found = examiner.score(key, trial.cut(model, ground.graph))
            step.advance(1, _note(f"{trial.name} at {trial.ratio:g}", found, len(images)))
    dense = examiner.known[DENSE]
    return Sensitivity(
        schema=SCHEMA,
        created=now(),
        tool_version=tool_version(),
        model_sha256=checkpoint.sha256,
        architecture=checkpoint.architecture,
        num_classes=checkpoint.num_classes,
        data=data.spec,
        role="select",
        data_sha256=examiner.data_sha256,
        num_images=len(images),
        criterion=criterion,
        ratios=ratios,
        threat=str(threat),
        seed=seed,
        accuracy=dense.num_right / len(images),
        fgsm_accuracy=dense.num_standing / len(images),
        rows=tuple(_row(trial, examiner.known[trial.key], ground.cost, len(images)) for trial in trials),
        left_out=left_out,
    )


def _row(trial: Trial, score: Score, before: Cost, num_images: int) -> SensitivityRow:
    return SensitivityRow(
        structure=trial.structure,
        group=trial.name,
        layers=trial.layers,
        num_units=trial.num_units,
        num_removed=len(trial.units) or 1,
        ratio=trial.ratio,
        accuracy=score.num_right / num_images,
        fgsm_accuracy=score.num_standing / num_images,
        macs_saved_fraction=1 - trial.after.macs / before.macs if before.macs else 0.0,
        params_saved_fraction=1 - trial.after.params / before.params,
    )


def _note(name: str, score: Score, num_images: int) -> str:
    return f"{name}: {score.num_right / num_images:.1%} right, {score.num_standing / num_images:.1%} under FGSM"
