"""Whether another heat can still end in time, and the release of the winner after it: by measured times so far."""

import time
from collections.abc import Sequence

from compressor.search.bracket import heats_of
from compressor.search.hopeless import FULL
from compressor.search.reckoning import FIRST_MODELS, Load, Reckoned, confirming_seconds, reckoned
from compressor.search.record import CONFIRM, Standing, Trial
from compressor.search.winner import best_of, winner_of

WRITING_SECONDS = 12.0
"""What a release takes besides tuning, attacks and timing: loading, exporting, comparing, the bundle."""

TIMING_SECONDS = 6.0
"""For each configuration that is timed."""

OVER = 1.05
"""Of a budget: what it is kept within."""

HOPED_FOR = 0.5
"""Of the time of a release that is reckoned from the first candidate alone: as long as nothing passed, and until a
winner is confirmed, which tells it better, nothing is lost by hoping for that."""

FEARED = 1.2
"""Of the time of a release, once a candidate passed: before another one takes time from it."""

GUESSED = 2.0
"""Of the time of tuning by the recipe, a heat takes so much where none was held."""

STANDING = 0.25
"""Of the passes of a battery, so many are taken where nothing was measured: most images fall to the first attacks, and
many share one chunk."""


class Late(Exception):
    """The heat at hand is given up: its time is over."""


class Clock:
    """Time spent, and time that would be needed."""

    def __init__(
        self, budget_seconds: float | None, load: Load, *, begun: float, per_pass: float, control: bool
    ) -> None:
        """Go on from the start.

        Args:
            budget_seconds: by the clock; None: any.
            load: of the release.
            begun: when the search began, in seconds since the epoch: processes share it.
            per_pass: seconds of one pass of one image of the dense model.
            control: whether the release tunes the dense model too.
        """
        self._begun = begun
        self._budget, self._load, self._per_pass, self._control = budget_seconds, load, per_pass, control

    @property
    def elapsed(self) -> float:
        """Seconds since the start."""
        return time.time() - self._begun

    def allows(self, trials: Sequence[Trial]) -> bool:
        """Say whether another heat and the release after it would end within the budget.

        The first heat measures how long things take, so it only has to fit in itself.
        """
        if self._budget is None:
            return True
        return self.elapsed + self._of_next(trials) <= self._budget

    def allows_release(self, trials: Sequence[Trial]) -> bool:
        """Say whether the release would end within the budget, or no more than a twentieth beyond it.

        Before the winner is confirmed, whether there is hope: what confirming takes tells.
        """
        if self._budget is None:
            return True
        share = HOPED_FOR if self._awaits_confirming(trials) else 1.0
        return self.elapsed + share * self.of_release(trials) <= OVER * self._budget

    def insist(self, trials: Sequence[Trial]) -> None:
        """Give up the heat at hand where it would take the time of what passed, or all time is over.

        Whether it fits in was reckoned before it began. On a machine that others use as well it may take longer.

        Raises:
            Late: it is.
        """
        if self._budget is None:
            return
        release = 0.0 if best_of(trials) is None else self.of_release(trials)
        if self.elapsed + release > OVER * self._budget:
            raise Late

    def left(self, trials: Sequence[Trial]) -> float | None:
        """Return the seconds until no heat is begun any more; None without a budget."""
        if self._budget is None:
            return None
        return max(0.0, self._budget - self.elapsed - self._of_next(trials))

    def of_heat(self, trials: Sequence[Trial]) -> float:
        """Return what the longest heat took; before a candidate had the full recipe, a guess from above."""
        whole = [heat for heat in heats_of(trials) if any(trial.rung(FULL) is not None for trial in heat)]
        took = [sum(trial.seconds - confirming_seconds(trial) for trial in heat) for heat in whole]
        return max(took, default=self._per_pass * self._load.num_tuning * GUESSED)

    def of_release(self, trials: Sequence[Trial]) -> float:
        """Return what the release would take, by how long attacks on candidates took and what stood; before, a guess.

        A guess from above would be ten times too long: images that are broken early cost next to nothing.
        """
        return self._of_releasing(trials) + (self._of_confirming(trials) if self._awaits_confirming(trials) else 0.0)

    def _awaits_confirming(self, trials: Sequence[Trial]) -> bool:
        """Say whether the winner, if there is one, would meet the battery of the release on select images first."""
        winner = winner_of(trials)
        if winner is not None and (winner.standing is not Standing.PASSED or winner.rung(CONFIRM) is not None):
            return False
        return any(attack.is_confirmed for attack in self._load.attacks)

    def _of_next(self, trials: Sequence[Trial]) -> float:
        """Return what one more heat and the release after it would take, which only measuring the first tells."""
        if not trials:
            return self.of_heat(trials)
        share = HOPED_FOR if best_of(trials) is None else FEARED
        return self.of_heat(trials) + share * (self._of_confirming(trials) + self._of_releasing(trials))

    def _of_releasing(self, trials: Sequence[Trial]) -> float:
        tuned = [rung.seconds for trial in trials if (rung := trial.rung(FULL)) is not None]
        tuning = max(tuned, default=self._per_pass * self._load.num_tuning) if self._control else 0.0
        attacks = self._reckoned(trials).releasing
        return attacks + tuning + WRITING_SECONDS + TIMING_SECONDS * self._load.num_timings

    def _of_confirming(self, trials: Sequence[Trial]) -> float:
        """Once one candidate was confirmed, the dense model is through."""
        num_models = 1 if any(trial.rung(CONFIRM) is not None for trial in trials) else FIRST_MODELS
        return num_models * self._reckoned(trials).confirming

    def _reckoned(self, trials: Sequence[Trial]) -> Reckoned:
        return reckoned(self._load, trials, guessed=self._per_pass * STANDING)
