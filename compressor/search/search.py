"""The verb: find the smallest model that passes on select images, and release that one alone, on test."""

import tempfile
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

from torch import nn

from compressor.certify.certificate import Searched
from compressor.certify.certify import check_proving
from compressor.errors import Undecided
from compressor.files import write_whole
from compressor.gate.policy import read_policy, threats_of
from compressor.pipeline import Released, name_of, release
from compressor.progress import SILENT, Progress
from compressor.records import dump, now, tool_version
from compressor.search.database import check_engine, storage_at
from compressor.search.planner import digest_of_cut
from compressor.search.record import SCHEMA, Dense, Standing, Trial, Trials
from compressor.search.site import Site, began, confirm, explore, insist_on_time, open_site
from compressor.search.wanted import Wanted
from compressor.search.winner import called, nothing_passed, winner_of
from compressor.search.workers import Workers
from compressor.task import Cut, Task


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What a search ends with."""

    trials: Trials
    released: Released | None
    """The winner's release; None where there is none, or other processes are not done."""
    reason: str
    """Why nothing was released; empty where something was."""
    kept: Path | None
    """Where the record of the trials lies, if it is in no bundle."""
    is_over: bool
    """Whether all candidates have ended; otherwise the last process to end releases."""


def search(
    source: Path | nn.Module, task: Task, wanted: Wanted, *, begun: float | None = None, progress: Progress = SILENT
) -> Found:
    """Try candidates on training and select images, and release the smallest that passes.

    The winner alone meets the test images, by the same release as any other model; its tuned weights come from the
    state that its trial left. If it fails there, that is the end: whoever tried the next best would choose by the test.

    Args:
        source: a checkpoint file, or a module in memory.
        task: what the winner's release is asked for. Its cut names no amount, only what is fixed for all candidates.
        wanted: how to search.
        begun: when the time of the budget began, in seconds since the epoch; None: now.
        progress: listener.

    Raises:
        MachineError: Optuna is not installed.
        Undecided: the budget is too short for a single candidate.
        CompressorError: of the station that could not go on; candidates that ended are kept.
    """
    begun = began() if begun is None else begun
    check_engine()
    check_proving(prove=task.prove, threats=threats_of(read_policy(task.policy)))
    if wanted.storage is not None:
        storage_at(wanted.storage)
    with ExitStack() as stack:
        if task.place.work_dir is None:
            folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="compress-search-"))
            task = replace(task, place=replace(task.place, work_dir=Path(folder)))
        site = open_site(source, task, wanted, begun=begun, progress=progress)
        stack.callback(site.study.close)
        with Workers(source, task, wanted, begun=begun) as workers:
            explore(site, progress=progress)
            if workers.wait(progress):
                explore(site, progress=progress)  # what they had taken
        _settle(site, progress)
        return _ended(source, task, site, progress)


def _settle(site: Site, progress: Progress) -> None:
    """Let the smallest that passed meet the battery of the release; what time a budget leaves then is searched on."""
    while site.study.num_running() == 0:
        confirm(site, progress=progress)
        insist_on_time(site)
        ended = site.study.trials()
        if site.wanted.budget_seconds is None or not site.clock.allows(ended):
            return
        explore(site, progress=progress)
        if len(site.study.trials()) == len(ended):
            return


def _ended(source: Path | nn.Module, task: Task, site: Site, progress: Progress) -> Found:
    """Release the winner, or say why there is none."""
    ended, running = site.study.trials(), site.study.num_running()
    if running:
        reason = f"{running} candidates are still examined by other processes: the last one to end releases the winner"
        return Found(trials=_record(site, ended, None), released=None, reason=reason, kept=None, is_over=False)
    if not ended:
        raise Undecided(
            "the budget is too short for a single candidate and its release",
            advice="give a longer --budget, fewer --epochs, or --trials in its place",
        )
    winner = winner_of(ended)
    record = _record(site, ended, winner)
    name = task.name or name_of(source)
    if winner is None:
        kept = task.output / "rejected" / f"{name}-{site.study.name}-trials.json"
        write_whole(kept, dump(record))
        reason = nothing_passed(ended)
        if not site.clock.allows(ended):
            seconds = site.clock.of_release(ended)
            reason += (
                f"; --budget has no room for another candidate and a release of about {seconds:.0f} s: with a longer "
                "one the same command goes on"
            )
        return Found(trials=record, released=None, reason=reason, kept=kept, is_over=True)
    if winner.standing is Standing.UNDECIDED:
        progress.say(f"no candidate passed; {called(winner)} is the least undecided one: {winner.why}")
    plan = site.planner.plan(winner.candidate)
    if digest_of_cut(plan) != winner.cut_sha256:
        progress.say("the winner is cut otherwise here than where it was tried, and is tuned anew")
    progress.say(f"{called(winner)} is released, on test images that no candidate has met")
    chosen = replace(
        task,
        cut=Cut(ready=plan),
        name=name,
        searched=Searched(num_candidates=len(ended), role="select"),
        trials=dump(record),
    )
    released = release(source, chosen, progress=progress)
    return Found(trials=record, released=released, reason="", kept=None, is_over=True)


def _record(site: Site, ended: tuple[Trial, ...], winner: Trial | None) -> Trials:
    """Return the record of all that was tried."""
    most = max(ended, key=lambda trial: trial.num_images or 0, default=None)
    timed = [trial.dense_p50_ms for trial in ended if trial.dense_p50_ms is not None]
    before = site.examiner.before
    return Trials(
        schema=SCHEMA,
        created=now(),
        tool_version=tool_version(),
        study=site.study.name,
        minimise=site.wanted.minimise,
        seed=site.seed,
        role="select",
        num_images=len(site.examiner.images),
        policy_sha256=site.policy.policy_sha256,
        dense=Dense(
            sha256=site.dense.sha256,
            macs=before.macs,
            params=before.params,
            num_bytes=site.sizes.dense_bytes,
            p50_ms=timed[-1] if timed else None,
            accuracy=site.dense_accuracy,
            robust=most.dense_robust if most else {},
        ),
        trials=ended,
        winner=None if winner is None else winner.number,
        seconds=sum(trial.seconds for trial in ended),
    )
