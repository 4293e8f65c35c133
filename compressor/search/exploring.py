"""What is done at a site: heats until there are enough, then the battery of the release on the smallest that passed."""

from collections.abc import Sequence
from dataclasses import replace

from compressor.errors import Undecided
from compressor.gate import wording
from compressor.progress import SILENT, Progress, Step
from compressor.search.bracket import heats_of
from compressor.search.clock import Late
from compressor.search.heat import hold_heat
from compressor.search.hopeless import FULL
from compressor.search.record import Standing, Trial
from compressor.search.site import Site
from compressor.search.watching import Insisting, Watching
from compressor.search.winner import best_of, called, outlived, to_confirm, winner_of

LONGER = "give a longer --budget: the same command goes on, and the candidates so far are kept"


def explore(site: Site, *, num_more: float = 0, progress: Progress = SILENT) -> None:
    """Hold heats until there are enough, or no other could end in time; one that turns out late is given back.

    Args:
        site: of the search.
        num_more: heats beyond those that were asked for.
        progress: listener.

    Raises:
        CompressorError: what is wrong with all candidates, or the time limit; the heat at hand is given back, or if it
            was being written, kept or given back as a whole.
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
                if heat:
                    site.study.give(heat)
            except Late:
                site.study.drop()
                progress.say("the heat at hand was given up: what is left of --budget is for the release")
                break
            except BaseException:
                site.study.drop()
                raise
            if not heat:
                if site.study.is_exhausted:
                    progress.say("nothing is left to try: the next size is within a hundredth of one that was tried")
                break
            _tell(heat, progress)
            before, ended = len(heats_of(ended)), site.study.trials()
            step.advance(len(heats_of(ended)) - before, _note(site, ended))


def confirm(site: Site, *, progress: Progress = SILENT) -> None:
    """Attack what passed by the battery of the release too, until the smallest left holds: still on select images.

    Candidates are attacked by `quick`, which leaves more standing than the battery that will judge the winner.

    Raises:
        Undecided: the budget does not leave the time; the candidates are kept.
    """
    awaits = site.examiner.gate.needs_confirming
    while (trial := to_confirm(trials := site.study.trials(), awaits)) is not None:
        if not site.clock.allows_release(trials):
            _give_up_unconfirmed(site, trials)
            continue
        with progress.stage(f"confirm candidate {trial.number}", total=1, unit="candidate") as step:
            seen = site.examiner.confirm(trial, progress=Watching(progress, step, trial.number, site.study))
            site.study.amend(seen)
            step.advance(1, seen.why)
        if seen.standing is not Standing.PASSED:
            why = f"no larger than candidate {seen.number}, which the battery {site.examiner.gate.battery} refused"
            for each in outlived(trials, trial, awaits):
                if each.number != trial.number:
                    site.study.amend(replace(each, standing=Standing.DROPPED, why=why))


def _give_up_unconfirmed(site: Site, trials: Sequence[Trial]) -> None:
    """Fall back on the smallest that was confirmed, where no time is left to confirm another.

    Raises:
        Undecided: none was.
    """
    awaits = site.examiner.gate.needs_confirming
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
