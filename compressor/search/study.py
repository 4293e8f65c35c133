"""The candidates in a database that processes and machines share: Optuna's, which also proposes what to try.

Candidates are taken in heats of one size, each by one process and by no other. What became of them is kept as records,
so that a later run goes on, and any process can tell the whole search.
"""

import contextlib
import os
import platform
import time
from collections.abc import Mapping, Sequence
from typing import Any

from compressor.errors import OptionError
from compressor.files import canonical_json, sha256_of_bytes
from compressor.records import dump, parse
from compressor.search.alive import is_alive, is_here, sign_of
from compressor.search.bracket import heats_of, next_size
from compressor.search.claims import BY, SEEN, SIGNING_SECONDS, Claims
from compressor.search.database import calmly, storage_at
from compressor.search.proposing import asked, drawn, supposed
from compressor.search.record import Candidate, Trial
from compressor.search.space import Space

RECORD, HEAT, GIVEN = "record", "heat", "given"
"""Attributes of a trial besides who examines it: its record, and the first trial of its heat, which also has whether
the records of all are there."""

WORK, AMENDED, TESTED = "work", "amended:", "tested"
"""Attributes of a study: what it is about; what a later examination made of the candidate of a number; which cuts met
the test images, and what came of that."""

LOST_SECONDS = 3600.0
"""What another machine had taken and was not seen for so long is nobody's any more."""

NOTE_SECONDS = 60.0
"""A sign of life is written so often: each is a transaction."""

DROPPED = 1.0
"""Constraint of candidates that ended before they were judged: worse than any that was."""


def name_of(work: Mapping[str, Any]) -> str:
    """Return the name of a study: a digest of all that decides about its trials."""
    return f"compress-{sha256_of_bytes(canonical_json(work))[:24]}"


class Study:
    """One search, as far as it came in any process."""

    def __init__(
        self, storage: str, work: Mapping[str, Any], *, space: Space, seed: int, index: int = 0, is_shared: bool = True
    ) -> None:
        """Open a study, or begin it.

        Args:
            storage: URL of a database, as SQLAlchemy takes it.
            work: everything that decides about its trials, ready for JSON.
            space: what may be tried.
            seed: of the proposals.
            index: of this process among those that one command started.
            is_shared: whether other machines may work on it too.

        Raises:
            OptionError: the database cannot be opened, or holds something else under this name.
        """
        self.name, self._space, self._seed, self._index = name_of(work), space, seed, index
        self.worker = f"{platform.node()}:{os.getpid()}"
        self._is_shared = is_shared
        self.is_exhausted = False
        """Whether nothing was left to try when a candidate was wanted."""
        self._open: dict[int, tuple[Any, Candidate]] = {}  # by Optuna's number: a heat, as far as it was taken
        self._basis: tuple[Trial, ...] = ()  # what that heat is proposed by: what had ended, and what others examined
        self._noted = time.monotonic()
        self._known: dict[int, Trial] = {}  # by Optuna's number: what has ended stays as it is
        self._storage = storage_at(storage)
        digest = sha256_of_bytes(canonical_json(work))
        with calmly(storage):
            import optuna

            self._optuna: Any = optuna
            self._study: Any = optuna.create_study(
                storage=self._storage, study_name=self.name, direction="minimize", load_if_exists=True
            )
            there = self._study.user_attrs.get(WORK, digest)
            if there != digest:
                raise OptionError(
                    f"--storage holds another search under the name {self.name}", advice="give another database"
                )
            self._study.set_user_attr(WORK, digest)
            claims = optuna.create_study(storage=self._storage, study_name=f"{self.name}-claims", load_if_exists=True)
            self._claims = Claims(claims, given_back=optuna.trial.TrialState.FAIL, is_dead=self._is_dead)
            self._forget_the_dead()

    def trials(self) -> tuple[Trial, ...]:
        """Return what became of every candidate that ended, in their order."""
        return tuple(record for _, record in self._ended())

    def take(self, most: float) -> tuple[int, Candidate] | None:
        """Take up a candidate of a new heat, or another one of the heat that was begun; a heat is given as a whole.

        The proposal depends on the seed and on what became of earlier heats, so that a search that was killed proposes
        the same again. What others examine at this moment counts as if it had failed: the next heat is of a larger
        size, and no two processes examine the same.

        Args:
            most: heats of the study.

        Returns:
            Its number and the candidate; None where the heat has all that it can have, the study has `most` of them,
            or nothing is left to try.
        """
        with calmly():
            if not self._open:
                ended, others = self.trials(), self._examined()
                if len(heats_of(ended)) + len({_heat_of(each) for each in others}) >= most:
                    return None
                imagined = (supposed(each, heat=_heat_of(each) + 1) for each in others)
                self._basis = (*ended, *(each for each in imagined if each is not None))
            amount, ways = next_size(self._basis, self._space)
            taken = {candidate.way for _, candidate in self._open.values()}
            left = [way for way in ways if way not in taken]
            self.is_exhausted = amount is None
            if amount is None or not left:
                return None
            draw = f"{self._seed}:{len(self._basis)}:{self._index}:{len(self._open)}"
            way = drawn(self._study, self._space, left, draw=int(sha256_of_bytes(draw.encode())[:8], 16))
            candidate = Candidate(structure=way[0], criterion=way[1], profile=way[2], amount=amount)
            trial = asked(self._study, self._space, candidate)
            first = next(iter(self._open), trial.number)
            trial.set_user_attr(HEAT, first)
            trial.set_user_attr(BY, sign_of(self.worker))
            trial.set_user_attr(SEEN, time.time())
            if first == trial.number and self._rank(first) >= most:
                self._study.tell(trial, state=self._optuna.trial.TrialState.FAIL)
                return None
            self._open[trial.number] = trial, candidate
            return int(trial.number) + 1, candidate

    def give(self, heat: Sequence[Trial]) -> None:
        """Keep what became of the candidates of the heat that was taken: of all, also if the process is killed here."""
        with calmly():
            for record in heat:
                trial, _ = self._open[record.number - 1]
                trial.set_user_attr(RECORD, dump(record).decode())
                missing = record.shortfall if record.is_judged else DROPPED
                trial.set_constraint("missing", missing or 0.0)
            first, _ = self._open[heat[0].number - 1]
            first.set_user_attr(GIVEN, "whole")
            for record in heat:
                self._end(record)
            self._open.clear()

    def amend(self, record: Trial) -> None:
        """Keep what a later examination made of a candidate that had ended; it takes the place of its record."""
        with calmly():
            self._study.set_user_attr(f"{AMENDED}{record.number}", dump(record).decode())

    def drop(self) -> None:
        """Give the heat that was taken back, unless it was examined to its end and all of it was kept."""
        with calmly(), contextlib.suppress(Exception):
            self._settle([each for each in self._running() if each.number in self._open])
        self._open.clear()

    def seen(self) -> None:
        """Note, now and then, that what was taken is still examined."""
        if time.monotonic() - self._noted < NOTE_SECONDS:
            return
        self._noted = time.monotonic()
        with calmly():
            self._claims.seen()
            for trial, _ in self._open.values():
                trial.set_user_attr(SEEN, time.time())

    def num_running(self) -> int:
        """Return how many candidates are examined at this moment by anybody, or confirmed and released by others."""
        with calmly():
            return len(self._examined()) + self._claims.is_held_by_another()

    def hold(self) -> bool:
        """Say that this process confirms and releases; return whether nobody else does so already."""
        with calmly():
            return self._claims.hold(sign_of(self.worker))

    def let_go(self) -> None:
        """Say that this process no longer does."""
        with calmly():
            self._claims.let_go()

    def tested(self) -> dict[str, str]:
        """Return the digests of the cuts that met the test images, and what the gate said of each."""
        with calmly():
            return dict(self._study.user_attrs.get(TESTED, {}))

    def note_tested(self, cut_sha256: str, decision: str) -> None:
        """Keep that a cut met the test images: whoever searches on has to say so."""
        with calmly():
            self._study.set_user_attr(TESTED, {**self.tested(), cut_sha256: decision})

    def close(self) -> None:
        """Let the database go."""
        with contextlib.suppress(Exception):
            self._storage.remove_session()
            self._storage.engine.dispose()

    def _end(self, record: Trial) -> None:
        """Tell Optuna what became of a candidate."""
        if record.is_judged and record.cost is not None:
            self._study.tell(record.number - 1, record.cost)
        else:
            self._study.tell(record.number - 1, state=self._optuna.trial.TrialState.PRUNED)

    def _ended(self) -> list[tuple[int, Trial]]:
        states = self._optuna.trial.TrialState
        with calmly():
            found = self._study.get_trials(deepcopy=False, states=(states.COMPLETE, states.PRUNED))
            later = self._study.user_attrs
        for each in found:
            text = each.user_attrs.get(RECORD)
            if each.number not in self._known and text is not None:
                self._known[each.number] = parse(text.encode(), Trial, source=f"trial {each.number} of {self.name}")
        amended = {
            number: parse(text.encode(), Trial, source=f"trial {number} of {self.name}")
            for number in self._known
            if (text := later.get(f"{AMENDED}{number + 1}")) is not None
        }
        return sorted({**self._known, **amended}.items())

    def _running(self) -> list[Any]:
        return list(self._study.get_trials(deepcopy=False, states=(self._optuna.trial.TrialState.RUNNING,)))

    def _examined(self) -> list[Any]:
        """Return what living processes have taken."""
        return [each for each in self._running() if not self._is_dead(each.user_attrs)]

    def _rank(self, first: int) -> int:
        """Return how many heats that count were begun before one."""
        running = {_heat_of(each) for each in self._examined()}
        ended = {trial.heat - 1 for trial in self.trials()}
        return sum(number < first for number in running | ended)

    def _forget_the_dead(self) -> None:
        """Settle what processes of this machine had taken that are no more."""
        now = time.time()
        self._settle(
            [
                each
                for each in self._running()
                if self._is_dead(each.user_attrs)
                and (BY in each.user_attrs or now - each.datetime_start.timestamp() > SIGNING_SECONDS)
            ]
        )

    def _settle(self, running: Sequence[Any]) -> None:
        """Give back what nobody examines any more, and end what had been given."""
        given = {each.number for each in self._study.get_trials(deepcopy=False) if GIVEN in each.user_attrs}
        for each in running:
            text = each.user_attrs.get(RECORD)
            if text is not None and _heat_of(each) in given:
                self._end(parse(text.encode(), Trial, source=f"trial {each.number} of {self.name}"))
            else:
                self._study.tell(each.number, state=self._optuna.trial.TrialState.FAIL, skip_if_finished=True)

    def _is_dead(self, attributes: Mapping[str, Any]) -> bool:
        if BY not in attributes:  # taken by somebody who signs it within milliseconds, or was killed before
            return True
        sign = str(attributes[BY])
        if is_here(sign):
            return not is_alive(sign)
        # Where nobody else has the database, another machine's name is that of a container which is no more.
        return not self._is_shared or time.time() - float(attributes.get(SEEN, time.time())) > LOST_SECONDS


def _heat_of(running: Any) -> int:
    """Return Optuna's number of the first trial of a heat that somebody examines."""
    return int(running.user_attrs.get(HEAT, running.number))
