"""Whether another candidate can still end in time, and the release of the winner after it: by measured times so far."""

import time
from collections.abc import Sequence
from dataclasses import dataclass

from compressor.estimate import passes_of, training_passes
from compressor.gate.policy import Policy, threats_of
from compressor.search.examiner import BATTERY
from compressor.search.hopeless import FULL
from compressor.search.judging import attacked_threats
from compressor.search.record import Trial
from compressor.search.winner import winner_of
from compressor.task import Task

WRITING_SECONDS = 12.0
"""What a release takes besides tuning, attacks and timing: loading, exporting, comparing, the bundle."""

TIMING_SECONDS = 6.0
"""For each configuration that is timed."""

OVER = 1.05
"""Of a budget: what it is kept within."""

STANDING = 0.25
"""Of the passes of a battery, so many are taken where nothing was measured: most images fall to the first attacks, and
many share one chunk."""

CONFIRMED_MODELS = 3
"""Dense, and one or two candidates, that the battery of the release attacks on select images before it."""

FIRST_MODELS = 2
"""The first candidate that is attacked has the dense model attacked too; the others take that from its state."""

SHAKEN = 2.0
"""Corrupting all test images takes about so many times their attack by `quick`."""


class Late(Exception):
    """The candidate at hand is given up: its time is over."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """What a release would have to compute, in passes of one image."""

    num_attack: float
    """By the battery of the policy: on select images of the smallest that passed, on test images of all models."""
    num_quick: float
    """By `quick`, for each image of a candidate."""
    num_tuning: float
    """Of one training by the recipe."""
    num_timings: int


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
        """Say whether another candidate and the release after it would end within the budget.

        The first candidate measures how long things take, so it only has to fit in itself.
        """
        if self._budget is None:
            return True
        release = self.of_release(trials) if trials else 0.0
        return self.elapsed + self.of_trial(trials) + release <= self._budget

    def allows_release(self, trials: Sequence[Trial]) -> bool:
        """Say whether the release would end within the budget, or no more than a twentieth beyond it."""
        return self._budget is None or self.elapsed + self.of_release(trials) <= OVER * self._budget

    def insist(self, trials: Sequence[Trial]) -> None:
        """Give up the candidate at hand where it would take the time of the release, or all time is over.

        Whether it fits in was reckoned before it began. On a machine that others use as well it may take longer.

        Raises:
            Late: it is.
        """
        if self._budget is None:
            return
        release = 0.0 if winner_of(trials) is None else self.of_release(trials)
        if self.elapsed + release > OVER * self._budget:
            raise Late

    def left(self, trials: Sequence[Trial]) -> float | None:
        """Return the seconds until no candidate is begun any more; None without a budget."""
        if self._budget is None:
            return None
        return max(0.0, self._budget - self.elapsed - self.of_trial(trials) - self.of_release(trials))

    def of_trial(self, trials: Sequence[Trial]) -> float:
        """Return what the longest candidate took; before one had the full recipe, a guess from above."""
        whole = [trial.seconds for trial in trials if trial.rung(FULL) is not None]
        return max(whole, default=self._per_pass * self._load.num_tuning * 1.5)

    def of_release(self, trials: Sequence[Trial]) -> float:
        """Return what the release would take, by how long the attacks on candidates took; before, a guess.

        A guess from above would be ten times too long: images that are broken early cost next to nothing.
        """
        attacked = [(trial.rung("attack"), trial.num_images) for trial in trials]
        known = [rung.seconds / num for rung, num in attacked if rung is not None and num]
        known = known[1:] or [each / FIRST_MODELS for each in known]
        per_quick = sum(known) / len(known) if known else self._per_pass * self._load.num_quick * STANDING
        attacks = per_quick * self._load.num_attack / max(1.0, self._load.num_quick)
        tuned = [rung.seconds for trial in trials if (rung := trial.rung(FULL)) is not None]
        tuning = max(tuned, default=self._per_pass * self._load.num_tuning) if self._control else 0.0
        return attacks + tuning + WRITING_SECONDS + TIMING_SECONDS * self._load.num_timings


def load_of(
    task: Task,
    policy: Policy,
    *,
    num_train: int,
    num_select: int,
    num_test: int,
    num_classes: int,
    num_timings: int,
) -> Load:
    """Return what the release of a winner would compute.

    Args:
        task: what the release is asked for.
        policy: read.
        num_train: training images.
        num_select: select images that candidates are judged on, at most.
        num_test: images that the test certificate will have.
        num_classes: of the model.
        num_timings: configurations that are timed.
    """
    threats = threats_of(policy)
    battery = task.battery or policy.evidence.battery or "standard"
    num_models = 3 if task.control else 2
    tried = attacked_threats(policy)
    quick = float(sum(passes_of(BATTERY, threat, num_classes) for threat in tried))
    confirmed = sum(passes_of(battery, threat, num_classes) for threat in tried) * num_select * CONFIRMED_MODELS
    attack = float(sum(passes_of(battery, threat, num_classes) for threat in threats)) * num_test * num_models
    attack += confirmed if battery != BATTERY else 0.0
    audited = sum(passes_of("full", threat, num_classes) for threat in threats) * min(task.audit, num_test)
    shaken = SHAKEN * max(quick, 1.0) * num_test if policy.corruptions.min is not None or task.corruptions else 0.0
    return Load(
        num_attack=attack + audited + shaken,
        num_quick=quick,
        num_tuning=task.recipe.epochs * training_passes(task.recipe) * num_train,
        num_timings=num_timings,
    )
