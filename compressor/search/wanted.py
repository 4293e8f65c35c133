"""What a search is asked for, besides what every release is."""

from dataclasses import dataclass

from compressor.errors import OptionError
from compressor.types import Minimise, Structure, word_of

DEFAULT_TRIALS = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """How to search. The cut of the task says what else is fixed: what is kept, ratios of single modules, rounding."""

    minimise: Minimise
    num_trials: int | None = None
    """Heats of the whole study, however many processes and runs share it; None: as many as the budget allows."""
    budget_seconds: float | None = None
    """Of this run by the clock, the release of the winner included; None: the number of trials is what ends it."""
    workers: int = 1
    """Processes on this machine."""
    storage: str | None = None
    """URL of a database that several processes or machines share; None: a file in the state folder."""
    structure: Structure | None = None
    """None: searched for."""
    criterion: str | None = None
    """None: searched for."""
    is_spread_fixed: bool = False
    """The cut's scope and ratios say how it is spread; otherwise that is searched for."""

    def __post_init__(self) -> None:
        """Refuse what cannot be, and take plain strings of a caller as the words that they stand for.

        Raises:
            OptionError: two ends, or none that can be reached, or an unknown word.
        """
        object.__setattr__(self, "minimise", word_of(Minimise, self.minimise))
        if self.structure is not None:
            object.__setattr__(self, "structure", word_of(Structure, self.structure))
        if self.num_trials is not None and self.budget_seconds is not None:
            raise OptionError(
                "--budget and --trials were given together", advice="give one: either of them ends the search"
            )
        if self.num_trials is not None and self.num_trials < 1:
            raise OptionError(f"--trials {self.num_trials} tries nothing", advice="give 1 or more")
        if self.workers < 1:
            raise OptionError(f"--workers {self.workers} cannot search", advice="give 1 or more")

    @property
    def most_trials(self) -> float:
        """The number of heats that ends the search."""
        if self.num_trials is not None:
            return self.num_trials
        return DEFAULT_TRIALS if self.budget_seconds is None else float("inf")

    @property
    def counted(self) -> str:
        """What is counted of the dense model: the others follow it, and are measured."""
        return "params" if self.minimise in (Minimise.PARAMS, Minimise.BYTES) else "macs"
