"""The trials in a database that processes and machines share: Optuna's, which also proposes what to try.

A trial is taken by one process and by no other. What became of it is kept as a record, so that a later run goes on, and
any process can tell the whole search.

Source: Watanabe and Hutter, Tree-structured Parzen estimator with constraints, arXiv 2211.14411.
"""

import contextlib
import math
import os
import platform
import time
from collections.abc import Mapping
from typing import Any

from compressor.errors import OptionError
from compressor.files import canonical_json, sha256_of_bytes
from compressor.records import dump, parse
from compressor.search.alive import is_alive, is_here, sign_of
from compressor.search.bracket import first_amount, next_amount
from compressor.search.database import calmly, storage_at
from compressor.search.found import Found, record_of
from compressor.search.record import Candidate, Profile, Rung, Standing, Trial
from compressor.search.space import Space
from compressor.types import Structure

RECORD, BY, SEEN = "record", "by", "seen"
"""Attributes of a trial: its record; who examines it, and when they were last seen."""

WORK, AMENDED, HELD, TESTED = "work", "amended:", "held", "tested"
"""Attributes of a study: what it is about; what a later examination made of the candidate of a number; who confirms and
releases, and when they were last seen; which cuts met the test images, and what came of that."""

NUM_RANDOM = 6
"""So many trials come before the sampler learns from them."""

LOST_SECONDS = 3600.0
"""What another machine had taken and was not seen for so long is nobody's any more."""

SIGNING_SECONDS = 10.0
"""A trial that nobody has signed for so long is nobody's."""

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
        self._open: Any = None  # the trial that was taken last
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
            self._forget_the_dead()

    def trials(self) -> tuple[Trial, ...]:
        """Return what became of every candidate that ended, in their order."""
        return tuple(record for _, record in self._ended())

    def take(self, most: float) -> tuple[int, Candidate] | None:
        """Take up a candidate that nobody else has; None when the study has `most` of them.

        The proposal depends on the seed and on what became of the others, so that a search that was killed proposes
        the same again. Those that are examined at this moment count as if they failed: the next one is larger, and no
        two processes examine the same.
        """
        with calmly():
            ended, others = self.trials(), self._examined()
            if len(ended) + len(others) >= most:
                return None
            draw = f"{self._seed}:{len(ended)}:{len(others)}:{self._index}"
            sampler = self._optuna.samplers.TPESampler(
                seed=int(sha256_of_bytes(draw.encode())[:8], 16),
                n_startup_trials=NUM_RANDOM,
                gamma=lambda num: math.ceil(num / 4),
            )
            known = (*ended, *(each for other in others if (each := _supposed(other)) is not None))
            plain_amount = first_amount(known, self._space)
            plain = {} if plain_amount is None else self._space.plain(len(known))
            self._study.sampler = self._optuna.samplers.PartialFixedSampler(plain, sampler) if plain else sampler
            trial = self._study.ask()
            trial.set_user_attr(BY, sign_of(self.worker))
            trial.set_user_attr(SEEN, time.time())
            if self._rank(trial.number) >= most:
                self._study.tell(trial, state=self._optuna.trial.TrialState.FAIL)
                return None
            structure = Structure(trial.suggest_categorical("structure", [str(x) for x in self._space.structures]))
            criterion = trial.suggest_categorical("criterion", list(self._space.criteria))
            profile = Profile(trial.suggest_categorical("profile", [str(x) for x in self._space.profiles]))
            amount = plain_amount or next_amount(
                known, self._space, structure=structure, criterion=criterion, profile=profile
            )
            trial.suggest_float("amount", amount, amount)
            candidate = Candidate(structure=structure, criterion=criterion, profile=profile, amount=amount)
            self._open = trial
            return int(trial.number), candidate

    def give(self, record: Trial) -> None:
        """Keep what became of the candidate that was taken last."""
        states = self._optuna.trial.TrialState
        with calmly():
            trial = self._open
            trial.set_user_attr(RECORD, dump(record).decode())
            missing = record.shortfall if record.is_judged else DROPPED
            trial.set_constraint("missing", missing or 0.0)
            if record.is_judged and record.cost is not None:
                self._study.tell(trial, record.cost)
            else:
                self._study.tell(trial, state=states.PRUNED)

    def amend(self, record: Trial) -> None:
        """Keep what a later examination made of a candidate that had ended; it takes the place of its record."""
        with calmly():
            self._study.set_user_attr(f"{AMENDED}{record.number}", dump(record).decode())

    def drop(self) -> None:
        """Give the candidate that was taken last back: it was not examined to its end."""
        with calmly(), contextlib.suppress(Exception):
            self._study.tell(self._open, state=self._optuna.trial.TrialState.FAIL, skip_if_finished=True)

    def seen(self) -> None:
        """Note, now and then, that the candidate that was taken last is still examined."""
        if time.monotonic() - self._noted < NOTE_SECONDS:
            return
        self._noted = time.monotonic()
        with calmly():
            held = self._study.user_attrs.get(HELD, {})
            if held.get(BY) == sign_of(self.worker):
                self._study.set_user_attr(HELD, {**held, SEEN: time.time()})
            else:
                self._open.set_user_attr(SEEN, time.time())

    def num_running(self) -> int:
        """Return how many candidates are examined at this moment by anybody, or confirmed and released by others."""
        with calmly():
            return len(self._examined()) + (not self._is_ours())

    def hold(self) -> bool:
        """Say that this process confirms and releases; return whether nobody else does so already."""
        with calmly():
            if not self._is_ours():
                return False
            self._study.set_user_attr(HELD, {BY: sign_of(self.worker), SEEN: time.time()})
            return self._is_ours()  # of two at once, the one that wrote last

    def let_go(self) -> None:
        """Say that this process no longer does."""
        with calmly(), contextlib.suppress(Exception):
            if self._study.user_attrs.get(HELD, {}).get(BY) == sign_of(self.worker):
                self._study.set_user_attr(HELD, {})

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

    def _is_ours(self) -> bool:
        """Say whether nobody else confirms and releases at this moment."""
        held = self._study.user_attrs.get(HELD, {})
        return not held or held[BY] == sign_of(self.worker) or self._is_dead(held)

    def _examined(self) -> list[Any]:
        """Return what living processes have taken."""
        return [each for each in self._running() if not self._is_dead(each.user_attrs)]

    def _rank(self, number: int) -> int:
        """Return how many trials that count were taken before one."""
        running: int = sum(each.number < number for each in self._examined())
        return running + sum(other < number for other, _ in self._ended())

    def _forget_the_dead(self) -> None:
        """Give back what processes of this machine had taken that are no more."""
        for each in self._running():
            is_signed = BY in each.user_attrs
            age = time.time() - each.datetime_start.timestamp()
            if self._is_dead(each.user_attrs) and (is_signed or age > SIGNING_SECONDS):
                self._study.tell(each.number, state=self._optuna.trial.TrialState.FAIL, skip_if_finished=True)

    def _is_dead(self, attributes: Mapping[str, Any]) -> bool:
        if BY not in attributes:  # taken by somebody who signs it within milliseconds, or was killed before
            return True
        sign = str(attributes[BY])
        if is_here(sign):
            return not is_alive(sign)
        # Where nobody else has the database, another machine's name is that of a container which is no more.
        return not self._is_shared or time.time() - float(attributes.get(SEEN, time.time())) > LOST_SECONDS


def _supposed(running: Any) -> Trial | None:
    """Return the candidate that somebody examines as if it had failed; None where it is being drawn."""
    wanted = ("structure", "criterion", "profile", "amount")
    if not all(name in running.params for name in wanted):
        return None
    structure, criterion, profile, amount = (running.params[name] for name in wanted)
    candidate = Candidate(
        structure=Structure(structure), criterion=criterion, profile=Profile(profile), amount=float(amount)
    )
    found = Found(standing=Standing.FAILED, rungs=[_unmeasured(name) for name in ("cut", "one-shot")])
    return record_of(found, running.number + 1, candidate, worker="", why="", dense_p50_ms=None, seconds=0.0)


def _unmeasured(name: str) -> Rung:
    return Rung(
        name=name,
        accuracy=None,
        robust_accuracy=None,
        num_images_trained=0,
        num_passes=0,
        seconds=0.0,
        cpu_seconds=0.0,
    )
