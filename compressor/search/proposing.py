"""Which way of cutting is tried next: Optuna's sampler proposes by what became of the others.

Source: Watanabe and Hutter, Tree-structured Parzen estimator with constraints, arXiv 2211.14411.
"""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from compressor.search.found import Found, record_of
from compressor.search.record import Candidate, Profile, Rung, Standing, Trial, Way
from compressor.search.space import Space
from compressor.types import Structure

NUM_RANDOM = 6
"""So many trials come before the sampler learns from them."""


def drawn(study: Any, space: Space, ways: Sequence[Way], *, draw: int) -> Way:
    """Return the way of cutting that the sampler proposes, or where it cannot be had, any that can.

    The sampler takes what promises most, so asked again it proposes the same: a heat has its favourite and others.

    Args:
        study: Optuna's.
        space: all that may be tried.
        ways: to take one of.
        draw: seed.
    """
    import optuna

    sampler = optuna.samplers.TPESampler(seed=draw, n_startup_trials=NUM_RANDOM, gamma=lambda num: math.ceil(num / 4))
    blank = optuna.trial.create_trial(state=optuna.trial.TrialState.WAITING)
    structure, criterion, profile = (
        sampler.sample_independent(study, blank, name, optuna.distributions.CategoricalDistribution(each))
        for name, each in space.choices.items()
    )
    way = Structure(structure), str(criterion), Profile(profile)
    return way if way in ways else ways[int(np.random.default_rng(draw).integers(len(ways)))]


def asked(study: Any, space: Space, candidate: Candidate) -> Any:
    """Return a new trial of Optuna's that stands for a candidate.

    Args:
        study: Optuna's.
        space: all that may be tried.
        candidate: to stand for.
    """
    import optuna

    structure, criterion, profile = candidate.way
    fixed = {"structure": str(structure), "criterion": criterion, "profile": str(profile), "amount": candidate.amount}
    study.sampler = optuna.samplers.PartialFixedSampler(fixed, optuna.samplers.RandomSampler())
    trial = study.ask()
    for name, each in space.choices.items():
        trial.suggest_categorical(name, each)
    trial.suggest_float("amount", candidate.amount, candidate.amount)
    return trial


def supposed(running: Any, *, heat: int) -> Trial | None:
    """Return the candidate that somebody examines as if it had failed; None where it is being drawn.

    Args:
        running: a trial of Optuna's.
        heat: number of the first candidate of its heat.
    """
    wanted = ("structure", "criterion", "profile", "amount")
    if not all(name in running.params for name in wanted):
        return None
    structure, criterion, profile, amount = (running.params[name] for name in wanted)
    candidate = Candidate(
        structure=Structure(structure), criterion=criterion, profile=Profile(profile), amount=float(amount)
    )
    found = Found(standing=Standing.FAILED, rungs=[_unmeasured(name) for name in ("cut", "one-shot")])
    return record_of(found, running.number + 1, candidate, heat=heat, worker="", why="", dense_p50_ms=None, seconds=0.0)


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
