"""The verb: find the smallest model that passes on select images, and release that one alone, on test."""

import tempfile
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

from torch import nn

from compressor.asked import admitted
from compressor.certify.certificate import Searched
from compressor.errors import Undecided
from compressor.files import write_whole
from compressor.pipeline import Released, name_of, release
from compressor.progress import SILENT, Progress
from compressor.records import dump, now, tool_version
from compressor.search.database import check_engine, check_storage
from compressor.search.exploring import confirm, explore, insist_on_time
from compressor.search.planner import digest_of_cut
from compressor.search.record import CONFIRM, SCHEMA, Dense, Standing, Trial, Trials
from compressor.search.site import Site, began, open_site
from compressor.search.wanted import Wanted
from compressor.search.watching import Beating
from compressor.search.winner import best_of, called, nothing_passed, winner_of
from compressor.search.workers import Workers
from compressor.task import Cut, Task
from compressor.types import Decision

HEATS_PER_REFUSAL = 4
"""Where the battery of the release refused all that passed, so many more heats are held for each."""


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
    admitted(task)
    if wanted.storage is not None:
        check_storage(wanted.storage)
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
        if site.study.num_running() or not site.study.hold():
            return _left_to_others(site)
        stack.callback(site.study.let_go)
        try:
            _settle(site, progress)
        except Undecided as late:
            return replace(_kept(source, task, site, late.message), is_over=False)
        return _ended(source, task, site, progress)


def _settle(site: Site, progress: Progress) -> None:
    """Let the smallest that passed meet the battery of the release, and search on where that leaves time or nothing.

    Where it refused whatever `quick` had passed, a few more heats are held for each that it refused, at most as many
    again as were asked for.
    """
    while site.study.num_running() == 0:
        confirm(site, progress=progress)
        insist_on_time(site)
        ended = site.study.trials()
        num_refused = sum(each.rung(CONFIRM) is not None and each.standing is not Standing.PASSED for each in ended)
        has_nothing = best_of(ended) is None and num_refused > 0
        has_time = site.wanted.budget_seconds is not None and site.clock.allows(ended)
        if not (has_time or has_nothing):
            return
        num_more = min(HEATS_PER_REFUSAL * num_refused, site.wanted.most_trials)
        explore(site, num_more=num_more, progress=progress)
        if len(site.study.trials()) == len(ended):
            return


def _left_to_others(site: Site) -> Found:
    """Return what there is to say where other processes are at work, the last of which releases."""
    record = _record(site, site.study.trials(), None)
    reason = "other processes are at work on this search: the last one to end releases the winner"
    return Found(trials=record, released=None, reason=reason, kept=None, is_over=False)


def _kept(source: Path | nn.Module, task: Task, site: Site, reason: str) -> Found:
    """Return that nothing was released, and keep the record of what was tried."""
    record = _record(site, site.study.trials(), None)
    kept = task.output / "rejected" / f"{task.name or name_of(source)}-{site.study.name}-trials.json"
    write_whole(kept, dump(record))
    return Found(trials=record, released=None, reason=reason, kept=kept, is_over=True)


def _ended(source: Path | nn.Module, task: Task, site: Site, progress: Progress) -> Found:
    """Release the winner, or say why there is none."""
    if site.study.num_running():
        return _left_to_others(site)
    ended = site.study.trials()
    if not ended:
        raise Undecided(
            "the budget is too short for a single candidate and its release",
            advice="give a longer --budget, fewer --epochs, or --trials in its place",
        )
    winner = winner_of(ended)
    if winner is None:
        reason = nothing_passed(ended)
        if not site.clock.allows(ended):
            seconds = site.clock.of_release(ended)
            reason += (
                f"; --budget has no room for another candidate and a release of about {seconds:.0f} s: with a longer "
                "one the same command goes on"
            )
        return _kept(source, task, site, reason)
    before = {cut: decision for cut, decision in site.study.tested().items() if cut != winner.cut_sha256}
    if any(decision == Decision.FAILED for decision in before.values()):
        return _kept(
            source,
            task,
            site,
            f"an earlier winner of this search failed on the test images, so {called(winner)} would be chosen by them: "
            "another search needs other test images",
        )
    if winner.standing is Standing.UNDECIDED:
        progress.say(f"no candidate passed; {called(winner)} is the least undecided one: {winner.why}")
    plan = site.planner.plan(winner.candidate)
    if digest_of_cut(plan) != winner.cut_sha256:
        progress.say("the winner is cut otherwise here than where it was tried, and is tuned anew")
    who = f"only {len(before)} earlier winners of this search have" if before else "no candidate has"
    progress.say(f"{called(winner)} is released, on test images that {who} met")
    record = _record(site, ended, winner)
    chosen = replace(
        task,
        cut=Cut(ready=plan),
        name=task.name or name_of(source),
        searched=Searched(num_candidates=len(ended), role="select", num_tested_before=len(before) or None),
        trials=dump(record),
    )
    released = release(source, chosen, progress=Beating(progress, site.study))
    site.study.note_tested(str(winner.cut_sha256), str(released.verdict.decision))
    return Found(trials=record, released=released, reason="", kept=None, is_over=True)


def _record(site: Site, ended: tuple[Trial, ...], winner: Trial | None) -> Trials:
    """Return the record of all that was tried."""
    most = max(ended, key=lambda trial: trial.num_images or 0, default=None)
    timed = [trial.dense_p50_ms for trial in ended if trial.dense_p50_ms is not None]
    before = site.examiner.gate.before
    return Trials(
        schema=SCHEMA,
        created=now(),
        tool_version=tool_version(),
        study=site.study.name,
        minimise=site.wanted.minimise,
        seed=site.seed,
        role="select",
        num_images=len(site.examiner.gate.images),
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
