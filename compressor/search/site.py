"""Where candidates are examined: the dense model, its training and select images, and everything that is shared."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from torch import nn

from compressor.certify.battery import read_battery
from compressor.data import Data, digest_of_images
from compressor.errors import DataError, OptionError, Undecided
from compressor.estimate import seconds_per_image
from compressor.evaluate import evaluate
from compressor.gate import wording
from compressor.gate.policy import Policy, read_policy
from compressor.load.checkpoint import Checkpoint, sha256_of_weights
from compressor.progress import SILENT, Progress, Step
from compressor.records import to_plain, tool_version
from compressor.runtime.machine import host
from compressor.search.bracket import heats_of
from compressor.search.clock import Clock, Late
from compressor.search.examiner import Examiner, battery_of
from compressor.search.heat import NUM_LOOKED_AT, hold_heat
from compressor.search.hopeless import FULL
from compressor.search.planner import Planner
from compressor.search.reckoning import load_of
from compressor.search.record import Standing, Trial
from compressor.search.sizes import Sizes
from compressor.search.space import Space, space_of
from compressor.search.study import Study
from compressor.search.wanted import Wanted
from compressor.search.watching import Insisting, Watching
from compressor.search.winner import best_of, called, outlived, to_confirm, winner_of
from compressor.steps import fit, open_model
from compressor.task import Task
from compressor.timings import usable_timings
from compressor.types import Minimise

LONGER = "give a longer --budget: the same command goes on, and the candidates so far are kept"


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """One process's view of a search."""

    dense: Checkpoint
    policy: Policy
    wanted: Wanted
    planner: Planner
    examiner: Examiner
    sizes: Sizes
    study: Study
    clock: Clock
    dense_accuracy: float
    """On all select images."""
    seed: int


def open_site(
    source: Path | nn.Module, task: Task, wanted: Wanted, *, begun: float, index: int = 0, progress: Progress = SILENT
) -> Site:
    """Load everything and open the study. Of the test role only the number of images is looked at.

    Args:
        source: a checkpoint file, or a module in memory.
        task: what the winner's release is asked for; its cut is what is fixed for all candidates.
        wanted: how to search.
        begun: when the search began, in seconds since the epoch.
        index: of this process among those that one command started.
        progress: listener.

    Raises:
        DataError: there are no training images, none to select by, or none to release on.
        OptionError: the database cannot be opened.
        CompressorError: whatever loading refuses.
    """
    policy, place = read_policy(task.policy), task.place
    dense, whole = fit(
        open_model(source, progress=progress, **task.source),
        task.data,
        expect_accuracy=task.expect_accuracy,
        seed=task.seed,
        device=place.device,
        cache=place.cache_dir,
        progress=progress,
    )
    data = _without_test(whole)
    num_test = min(task.num_images, len(whole.need("test")))
    space = space_of(dense, wanted, limit=policy.size.max_macs if wanted.counted == "macs" else policy.size.max_params)
    timings = usable_timings(task, policy)
    planner = Planner(dense, data, template=task.cut, space=space, counted=wanted.counted, seed=task.seed)
    sizes = Sizes(dense, data, minimise=wanted.minimise, form=task.form, timings=timings)
    study = Study(
        wanted.storage or _own_storage(place.work_dir),
        work_of(dense, data, task=task, wanted=wanted, policy=policy, space=space, num_test=num_test),
        space=space,
        seed=task.seed,
        index=index,
        is_shared=wanted.storage is not None,
    )
    accuracy = evaluate(dense.classifier(), data.need("select"), device=place.device, progress=progress).accuracy
    load = load_of(
        task,
        policy,
        num_train=len(data.need("train")),
        num_select=min(task.num_images, len(data.need("select"))),
        num_test=num_test,
        num_classes=dense.num_classes,
        num_timings=len(timings),
    )
    return Site(
        dense=dense,
        policy=policy,
        wanted=wanted,
        planner=planner,
        examiner=Examiner(
            dense,
            data,
            task=task,
            policy=policy,
            planner=planner,
            sizes=sizes,
            dense_accuracy=accuracy,
            num_test=num_test,
            place=place,
            worker=study.worker,
        ),
        sizes=sizes,
        study=study,
        clock=Clock(
            wanted.budget_seconds,
            load,
            begun=begun,
            per_pass=seconds_per_image(dense, device=place.device) if wanted.budget_seconds else 0.0,
            control=task.control,
        ),
        dense_accuracy=accuracy,
        seed=task.seed,
    )


def work_of(
    dense: Checkpoint, data: Data, *, task: Task, wanted: Wanted, policy: Policy, space: Space, num_test: int
) -> dict[str, Any]:
    """Return everything that decides about the trials of a search, ready for JSON: what its study is named by."""
    is_timed = wanted.minimise is Minimise.LATENCY or bool(policy.latency)
    return {
        "tool": tool_version(),
        "weights": sha256_of_weights(dense.model.state_dict()),
        "architecture": [dense.architecture, dense.arguments, list(dense.removed_blocks), list(dense.input_shape)],
        "preprocess": to_plain(dense.preprocess),
        "train": digest_of_images(data.need("train")),
        "select": digest_of_images(data.need("select")),
        "num_test": num_test,
        "policy": policy.policy_sha256,
        "battery": to_plain(read_battery(battery_of(task, policy)).attacks),
        "accepted": sorted(task.accept),
        "minimise": str(wanted.minimise),
        "space": to_plain(space),
        "looked_at": NUM_LOOKED_AT,
        "fixed": to_plain(task.cut),
        "recipe": to_plain(task.recipe),
        "form": to_plain(task.form),
        "timing": to_plain(task.timing) if is_timed else None,
        "processor": host()["cpu"] if is_timed else None,
        "num_images": task.num_images,
        "device": task.place.device.split(":")[0],
        "seed": task.seed,
    }


def explore(site: Site, *, num_more: float = 0, progress: Progress = SILENT) -> None:
    """Hold heats until there are enough, or no other could end in time; one that turns out late is given back.

    Args:
        site: of the search.
        num_more: heats beyond those that were asked for.
        progress: listener.

    Raises:
        CompressorError: what is wrong with all candidates, or the time limit; the heat at hand is given back.
    """
    most = site.wanted.most_trials + num_more
    total = int(most) if most < float("inf") else None
    with progress.stage("search", total=total, unit="heat") as step:
        ended = site.study.trials()
        step.advance(len(heats_of(ended)), "going on" if ended else "")
        while site.clock.allows(ended):
            insisting = Insisting(step, site.clock, ended, site.study)
            try:
                heat = _held(site, most, insisting, progress)
            except Late:
                site.study.drop()
                progress.say("the heat at hand was given up: what is left of --budget is for the release")
                break
            except BaseException:
                site.study.drop()
                raise
            if not heat:
                break
            site.study.give(heat)
            _tell(heat, progress)
            before, ended = len(heats_of(ended)), site.study.trials()
            step.advance(len(heats_of(ended)) - before, _note(site, ended))


def confirm(site: Site, *, progress: Progress = SILENT) -> None:
    """Attack what passed by the battery of the release too, until the smallest left holds: still on select images.

    Candidates are attacked by `quick`, which leaves more standing than the battery that will judge the winner.

    Raises:
        Undecided: the budget does not leave the time; the candidates are kept.
    """
    awaits = site.examiner.needs_confirming
    while (trial := to_confirm(trials := site.study.trials(), awaits)) is not None:
        if not site.clock.allows_release(trials):
            _give_up_unconfirmed(site, trials)
            continue
        with progress.stage(f"confirm candidate {trial.number}", total=1, unit="candidate") as step:
            seen = site.examiner.confirm(trial, progress=Watching(progress, step, trial.number, site.study))
            site.study.amend(seen)
            step.advance(1, seen.why)
        if seen.standing is not Standing.PASSED:
            why = f"no larger than candidate {seen.number}, which the battery {site.examiner.battery} refused"
            for each in outlived(trials, trial, awaits):
                if each.number != trial.number:
                    site.study.amend(replace(each, standing=Standing.DROPPED, why=why))


def _give_up_unconfirmed(site: Site, trials: Sequence[Trial]) -> None:
    """Fall back on the smallest that was confirmed, where no time is left to confirm another.

    Raises:
        Undecided: none was.
    """
    awaits = site.examiner.needs_confirming
    passed = [each for each in trials if each.standing is Standing.PASSED]
    if all(awaits(each) for each in passed):
        insist_on_time(site)
    for each in passed:
        if awaits(each):
            site.study.amend(replace(each, standing=Standing.DROPPED, why="--budget left no time to confirm it"))


def insist_on_time(site: Site) -> None:
    """Stop where the release would go beyond the budget.

    Raises:
        Undecided: it would; the candidates are kept.
    """
    ended = site.study.trials()
    if winner_of(ended) is not None and not site.clock.allows_release(ended):
        raise Undecided(
            f"the release of a winner would take about {site.clock.of_release(ended):.0f} s, which --budget does not "
            "leave after the candidates",
            advice=LONGER,
        )


def _held(site: Site, most: float, insisting: Step, progress: Progress) -> tuple[Trial, ...]:
    """Hold a heat; none where the study has all that it can have."""
    return hold_heat(
        site.examiner,
        lambda: site.study.take(most),
        past=site.study.trials,
        watch=lambda number: Watching(progress, insisting, number, site.study),
    )


def _tell(heat: Sequence[Trial], progress: Progress) -> None:
    """Say what became of the candidate that went on, or of all where none did."""
    whole = [each for each in heat if each.rung(FULL) is not None]
    for each in whole or heat:
        beside = f", the best at first sight of {len(heat)}" if whole and len(heat) > 1 else ""
        progress.say(f"{called(each)}{beside}: {each.why}")


def _note(site: Site, trials: Sequence[Trial]) -> str:
    best = best_of(trials)
    smallest = "none passed yet" if best is None else f"best {wording.percent(best.cost or 0.0)} of dense"
    left = site.clock.left(trials)
    return smallest if left is None else f"{smallest}, heats are begun for {left:.0f} s more"


def _without_test(data: Data) -> Data:
    """Return what candidates may see.

    Raises:
        DataError: a role is missing.
    """
    if data.train is None or data.select is None:
        raise DataError(
            f"--data {data.spec} holds no training images, and candidates are tuned and judged on those alone",
            advice="add a train/ folder (or x_train, y_train); test images are never used in their place",
        )
    if data.test is None:
        raise DataError(f"{data.spec} has no test images", advice="the winner is certified on a test split")
    return replace(data, test=None)


def _own_storage(work_dir: Path | None) -> str:
    if work_dir is None:
        raise OptionError("a search needs a place for its trials", advice="give a work_dir or a storage")
    folder = (work_dir / "search").resolve()
    folder.mkdir(parents=True, exist_ok=True)
    return f"sqlite:///{folder / 'trials.db'}"


def began() -> float:
    """Return the time at which a search begins, in seconds since the epoch."""
    return time.time()
