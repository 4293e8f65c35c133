"""What a search would cost, before it is started: a guess from above, by one short measurement here."""

from pathlib import Path

from torch import nn

from compressor.asked import admitted, timings_of
from compressor.estimate import Estimate, StageEstimate, seconds_per_image, state_bytes
from compressor.progress import SILENT, Progress
from compressor.search.clock import Clock
from compressor.search.examiner import SHORT_SHARE
from compressor.search.heat import NUM_LOOKED_AT
from compressor.search.reckoning import load_of
from compressor.search.site import began, without_test
from compressor.search.wanted import DEFAULT_TRIALS, Wanted
from compressor.steps import fit, open_model
from compressor.task import Task

CUTTING_SECONDS = 2.0
"""For each candidate: planning and cutting it, and answering the select images."""


def estimate_search(source: Path | nn.Module, task: Task, wanted: Wanted, *, progress: Progress = SILENT) -> Estimate:
    """Guess what a search would cost if a candidate of every heat came to the end; nothing is written.

    Args:
        source: a checkpoint file, or a module in memory.
        task: of the release.
        wanted: how to search.
        progress: listener.

    Raises:
        CompressorError: whatever the search itself would refuse at its beginning.
    """
    policy, begun = admitted(task), began()
    dense, whole = fit(
        open_model(source, progress=progress, **task.source),
        task.data,
        expect_accuracy=task.expect_accuracy,
        seed=task.seed,
        device=task.place.device,
        cache=task.place.cache_dir,
        progress=progress,
    )
    data = without_test(whole)
    num_train, num_test = len(data.need("train")), min(task.num_images, len(whole.need("test")))
    num_select = min(task.num_images, len(data.need("select")))
    load = load_of(
        task,
        policy,
        num_train=num_train,
        num_select=num_select,
        num_test=num_test,
        num_classes=dense.num_classes,
        num_timings=len(timings_of(task, policy)),
    )
    per_pass = seconds_per_image(dense, device=task.place.device)
    clock = Clock(None, load, begun=begun, per_pass=per_pass, control=task.control)
    tuning = per_pass * load.num_tuning
    look = CUTTING_SECONDS + tuning * SHORT_SHARE / max(1, task.recipe.epochs)
    each = NUM_LOOKED_AT * look + tuning + per_pass * load.num_quick * num_select
    release = clock.of_release(())
    if wanted.budget_seconds is None:
        num = wanted.num_trials or DEFAULT_TRIALS
        seconds, what = num * each / wanted.workers, f"{num} heats of at most {each:.0f} s"
    else:
        seconds = max(0.0, wanted.budget_seconds - release)
        what = f"heats of at most {each:.0f} s, as many as the budget allows"
    processes = f", {wanted.workers} processes" if wanted.workers > 1 else ""
    return Estimate(
        stages=(
            StageEstimate(stage="search", seconds=seconds, what=f"{what}{processes}"),
            StageEstimate(stage="release", seconds=release, what="the winner alone, on the test images"),
        ),
        disk_bytes=state_bytes(dense, num_test * (3 if task.control else 2)) * (wanted.num_trials or DEFAULT_TRIALS),
    )
