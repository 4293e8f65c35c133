"""Who confirms and releases: one process of a search at a time, also where two ask at the same moment.

A claim is a trial in a study of its own. The database gives each a number, and the oldest of a living process holds.
"""

import contextlib
import time
from collections.abc import Callable, Mapping
from typing import Any

BY, SEEN = "by", "seen"
"""Attributes of a trial: who took it, and when they were last seen."""

SIGNING_SECONDS = 10.0
"""A trial that nobody has signed for so long is nobody's."""


class Claims:
    """The claims of all processes on one search."""

    def __init__(self, study: Any, *, given_back: Any, is_dead: Callable[[Mapping[str, Any]], bool]) -> None:
        """Look at the claims, and make none.

        Args:
            study: Optuna's, for claims alone.
            given_back: Optuna's state of a trial that nobody holds any more.
            is_dead: tells by a trial's attributes whether who signed it is no more.
        """
        self._study, self._given_back, self._is_dead = study, given_back, is_dead
        self._own: Any = None

    def hold(self, sign: str) -> bool:
        """Claim to confirm and release, and return whether nobody older does."""
        if self._own is None:
            claim = self._study.ask()
            claim.set_user_attr(SEEN, time.time())
            claim.set_user_attr(BY, sign)
            self._own = claim
        if self.is_held_by_another():
            self.let_go()
            return False
        return True

    def is_held_by_another(self) -> bool:
        """Say whether another living process holds: its claim is older, or there is none here."""
        running = [each for each in self._study.get_trials(deepcopy=False) if not each.state.is_finished()]
        older = [each for each in running if self._own is None or each.number < self._own.number]
        return any(self._is_alive(each) for each in older)

    def seen(self) -> None:
        """Note that this process still holds, if it does."""
        if self._own is not None:
            self._own.set_user_attr(SEEN, time.time())

    def let_go(self) -> None:
        """Say that this process no longer does."""
        if self._own is not None:
            with contextlib.suppress(Exception):
                self._study.tell(self._own, state=self._given_back, skip_if_finished=True)
            self._own = None

    def _is_alive(self, claim: Any) -> bool:
        if BY in claim.user_attrs:
            return not self._is_dead(claim.user_attrs)
        return bool(time.time() - claim.datetime_start.timestamp() <= SIGNING_SECONDS)
