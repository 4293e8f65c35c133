"""What the release of a winner would compute, in passes of one image: what the clock of a search goes by.

A pass here is a forward and a backward one. An image that falls early costs a few of them, one that stands costs all
that a battery has, and how many stand is known from the candidates, for which the same images were attacked.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from compressor.asked import battery_of
from compressor.estimate import passes_of, training_passes
from compressor.gate.policy import Policy, threats_of
from compressor.search.judging import attacked_threats
from compressor.search.record import CONFIRM, Trial
from compressor.search.select_gate import BATTERY
from compressor.task import Task

FIRST_MODELS = 2
"""Whoever is attacked first has the dense model attacked too; the others take that from its state."""

LOOKED = 1.5
"""On select images one looks after every few, which leaves chunks part empty: they take so many times as long."""

BOTH_WAYS = 2
"""Records count forward and backward passes one by one."""

SHAKEN = 2.0
"""Corrupting all test images takes about so many times their attack by `quick`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Attack:
    """One threat of the policy."""

    threat: str
    num_passes: float
    """By the battery of the release, on an image that stands in the end."""
    is_confirmed: bool
    """Whether select images are attacked by that battery too, before the release."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """What a release would have to compute."""

    num_select: int
    """Images that candidates are judged on, at most."""
    num_test: int
    num_models: int
    """That are attacked on test images: dense, slim, control."""
    attacks: tuple[Attack, ...]
    num_quick: float
    """By `quick`, for each image of a candidate: about what an image costs that falls early, too."""
    num_besides: float
    """Of the audit and of corruptions, for all images together."""
    num_tuning: float
    """Of one training by the recipe, for all images together."""
    num_timings: int

    def num_released(self, standing: Mapping[str, float]) -> float:
        """Return the passes of the attacks on test images.

        Args:
            standing: threat to the share of images that stand, in [0, 1]; for one that is not in it, the largest.
        """
        return self.num_test * self.num_models * sum(self._of_image(attack, standing) for attack in self.attacks)

    def num_confirmed(self, standing: Mapping[str, float]) -> float:
        """Return the passes of the attacks on one model by the battery of the release, on select images."""
        return self.num_select * sum(self._of_image(attack, standing) for attack in self.attacks if attack.is_confirmed)

    @property
    def share_confirmed(self) -> float:
        """The share of the passes of all threats that those have which select images are attacked by."""
        return sum(each.num_passes for each in self.attacks if each.is_confirmed) / sum(
            each.num_passes for each in self.attacks
        )

    def _of_image(self, attack: Attack, standing: Mapping[str, float]) -> float:
        stands = standing.get(attack.threat, max(standing.values(), default=1.0))
        return stands * attack.num_passes + (1 - stands) * min(self.num_quick, attack.num_passes)


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
    threats, tried = threats_of(policy), attacked_threats(policy)
    battery = battery_of(task, policy)
    quick = float(sum(passes_of(BATTERY, threat, num_classes) for threat in tried))
    audited = sum(passes_of("full", threat, num_classes) for threat in threats) * min(task.audit, num_test)
    shaken = SHAKEN * max(quick, 1.0) * num_test if policy.corruptions.min is not None or task.corruptions else 0.0
    return Load(
        num_select=num_select,
        num_test=num_test,
        num_models=3 if task.control else 2,
        attacks=tuple(
            Attack(
                threat=str(threat),
                num_passes=passes_of(battery, threat, num_classes),
                is_confirmed=battery != BATTERY and threat in tried,
            )
            for threat in threats
        ),
        num_quick=quick,
        num_besides=audited + shaken,
        num_tuning=task.recipe.epochs * training_passes(task.recipe) * num_train,
        num_timings=num_timings,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Reckoned:
    """Seconds of attacks."""

    confirming: float
    """By the battery of the release on select images of one model."""
    releasing: float
    """On test images of all models, with the audit and corruptions."""


def reckoned(load: Load, trials: Sequence[Trial], *, guessed: float) -> Reckoned:
    """Return what attacks would take: as the one that confirmed a winner, else as `quick` on the first candidate.

    Args:
        load: of the release.
        trials: that ended.
        guessed: seconds of a pass, where nothing was attacked.
    """
    per_pass = _seconds_per_pass(trials, guessed)
    besides = load.num_besides * per_pass
    dearest = max(trials, key=confirming_seconds, default=None)
    if dearest is not None and dearest.num_images and (seconds := confirming_seconds(dearest)):
        of_image = seconds / FIRST_MODELS / dearest.num_images
        tested = of_image / LOOKED / load.share_confirmed * load.num_test * load.num_models
        return Reckoned(confirming=of_image * load.num_select, releasing=tested + besides)
    standing = _standing(trials)
    confirming = LOOKED * load.num_confirmed(standing) * per_pass
    return Reckoned(confirming=confirming, releasing=load.num_released(standing) * per_pass + besides)


def _seconds_per_pass(trials: Sequence[Trial], guessed: float) -> float:
    """Go by the first candidate, with which the dense model was attacked: the others are slim ones alone."""
    attacked = (rung for trial in trials if (rung := trial.rung("attack")) is not None and rung.num_passes)
    first = next(attacked, None)
    return guessed if first is None else BOTH_WAYS * first.seconds / (FIRST_MODELS * first.num_passes)


def _standing(trials: Sequence[Trial]) -> dict[str, float]:
    """Return how many images stand at each threat, as a share: the most of all models that were attacked."""
    found: dict[str, float] = {}
    for trial in trials:
        for threat, share in (*trial.robust.items(), *trial.dense_robust.items()):
            found[threat] = max(share, found.get(threat, 0.0))
    return found


def confirming_seconds(trial: Trial) -> float:
    """Return what the attack by the battery of the release took on select images; 0 where there was none."""
    confirmed = trial.rung(CONFIRM)
    return 0.0 if confirmed is None else confirmed.seconds
