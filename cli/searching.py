"""`compress search`: from its options to what the library takes, and to what is shown at the end."""

from typing import Any, NoReturn

from cli import choices, outputs, verdicts
from cli.screen import parse_duration
from cli.values import parse_ratio_for
from compressor.errors import OptionError, Rejected, Undecided
from compressor.prune import BLOCK_CRITERIA, CRITERIA
from compressor.records import dump
from compressor.report.searched import table_of
from compressor.report.stored import search_facts
from compressor.report.text import paragraph, table_text
from compressor.search import Found, Wanted
from compressor.search.record import Standing
from compressor.task import Cut, Task
from compressor.types import Decision, Scope


def search_of(params: choices.Params, *, commands: tuple[str, ...] = ()) -> tuple[Task, Wanted]:
    """Return what the winner's release is asked for, and how to search.

    Args:
        params: of the command.
        commands: as it was typed.

    Raises:
        OptionError: options that contradict each other, or an unknown criterion.
    """
    for option, known in (("criterion", CRITERIA), ("block_criterion", BLOCK_CRITERIA)):
        if params[option] is not None and params[option] not in known:
            name = option.replace("_", "-")
            raise OptionError(f"--{name} {params[option]!r} is not known", advice=f"take one of {', '.join(known)}")
    scope, ratio_for = choices.scope_of(params), parse_ratio_for(params["ratio_for"])
    wanted = Wanted(
        minimise=params["minimise"],
        num_trials=params["trials"],
        budget_seconds=None if params["budget"] is None else parse_duration(params["budget"], "--budget"),
        workers=params["workers"],
        storage=params["storage"],
        structure=params["structure"],
        criterion=params["criterion"],
        is_spread_fixed=scope is not Scope.LOCAL or bool(ratio_for),
    )
    fixed = Cut(
        block_criterion=params["block_criterion"],
        scope=scope,
        round_to=params["round_to"],
        keep=tuple(params["keep"] or ()),
        ratio_for=ratio_for,
    )
    return choices.release_of(params, cut=fixed, commands=commands), wanted


def found_json(found: Found) -> str:
    """Return everything as one record."""
    released = found.released
    told: dict[str, Any] = (
        {"bundle": None, "verdict": None}
        if released is None
        else {
            "bundle": released.bundle,
            "verdict": released.verdict,
        }
    )
    return outputs.as_json("searched", **told, reason=found.reason, kept=found.kept, trials=found.trials)


def found_text(found: Found) -> str:
    """Return the frontier, and the release of the winner, or why there is none."""
    if found.released is None:
        facts = search_facts(dump(found.trials))
        kept = "" if found.kept is None else f"trials: {found.kept}"
        return "\n".join([table_text(table_of(facts)), "", *paragraph(found.reason, ""), *([kept] if kept else [])])
    ended = found.released
    text = verdicts.released_text(ended.summary, ended.verdict, ended.bundle, ended.summary.commands)
    if ended.verdict.decision is Decision.PASSED:
        return text
    words = (
        "The winner of the search does not pass on test images. No other candidate is tried: it would be chosen by the "
        "test images, which are there to judge it."
    )
    return "\n".join([text, *paragraph(words, "")])


def without_winner(found: Found) -> NoReturn:
    """Say why nothing was released.

    Raises:
        Rejected: nothing passed.
        Undecided: the budget ended it, or other processes are not done.
    """
    if not found.is_over:
        raise Undecided(found.reason, advice="run the same command again: it goes on, and tells how the search ended")
    if any(each.standing is Standing.PASSED for each in found.trials.trials):
        raise Rejected(found.reason, advice="search anew with other test images")
    raise Rejected(
        found.reason,
        advice="give more --trials or --budget: the same command goes on with others. Or ask less of the model in the "
        "policy, or tune longer: --epochs, --recipe full",
    )
