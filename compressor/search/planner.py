"""From a candidate to its plan: exactly what would leave, before anything is cut."""

from dataclasses import replace

from compressor.data import Data
from compressor.errors import PruneError
from compressor.files import canonical_json, sha256_of_bytes
from compressor.load.checkpoint import Checkpoint
from compressor.prune import Cost, Plan
from compressor.prune.choose import Chooser
from compressor.prune.survey import Survey
from compressor.prune.wish import Wish
from compressor.search.record import Candidate, Profile
from compressor.search.space import Space
from compressor.shrink import choose
from compressor.task import Cut
from compressor.types import Scope

BLOCK_CRITERION = "l1"
"""Of blocks, unless the user says another: comparing outputs would take a pass for each block and candidate."""

STEEPNESS = 0.5
"""Where a cut is uneven, the ratio of the first and of the last stage are so much above and below the mean."""

MOST_RATIO = 0.97
NUM_HALVINGS = 14
"""Ratios are told apart to 2^-14: finer than a unit of most groups."""


class Planner:
    """Plans candidates of one network. What is dear, such as scores, is found once."""

    def __init__(self, dense: Checkpoint, data: Data, *, template: Cut, space: Space, counted: str, seed: int) -> None:
        """Get ready.

        Args:
            dense: the model to search in.
            data: training images, for criteria that need them; without test images.
            template: what is fixed for all candidates.
            space: what may be tried.
            counted: `macs` or `params`, which amounts are about.
            seed: of everything that is drawn.
        """
        self._dense = dense
        self._data = data
        self._template = replace(template, block_criterion=template.block_criterion or BLOCK_CRITERION)
        self._stages, self._whole = space.stages, space.whole
        self._counted = counted
        self._seed = seed
        self._survey = Survey(dense, train=data.train)

    def plan(self, candidate: Candidate) -> Plan:
        """Return what leaves: at most the candidate's amount stays. Same candidate, same plan.

        Raises:
            PruneError: no such cut can be made.
        """
        cut = replace(self._template, structure=candidate.structure, criterion=candidate.criterion)
        if candidate.profile in (Profile.EARLY, Profile.LATE):
            ratio = self._ratio(candidate)
            cut = replace(cut, ratio=ratio, ratio_for=self.ratios(ratio, candidate.profile))
        else:
            scope = Scope.GLOBAL if candidate.profile is Profile.GLOBAL else cut.scope
            is_macs = self._counted == "macs"
            cut = replace(
                cut,
                scope=scope,
                target_macs=candidate.amount if is_macs else None,
                target_params=None if is_macs else candidate.amount,
            )
        return choose(self._dense, cut=cut, data=self._data, seed=self._seed, survey=self._survey)

    def ratios(self, ratio: float, profile: Profile) -> dict[str, float]:
        """Return the ratio of each stage: from 1.5 times the mean to 0.5 times, in the order of the profile."""
        stages = self._stages if profile is Profile.EARLY else self._stages[::-1]
        steps = len(stages) - 1
        return {
            stage: min(MOST_RATIO, ratio * (1 + STEEPNESS * (1 - 2 * place / steps)))
            for place, stage in enumerate(stages)
        }

    def _ratio(self, candidate: Candidate) -> float:
        """Return the smallest mean ratio at which no more than the amount stays.

        Raises:
            PruneError: even the largest leaves more.
        """
        limit = candidate.amount * self._whole
        low, high = 0.0, MOST_RATIO
        smallest = self._count(self._left(candidate, high))
        if smallest > limit:
            raise PruneError(
                f"spread {candidate.profile}, at least {smallest:,} of {self._counted} stay, {int(limit):,} allowed",
                advice="allow more, or spread the cut otherwise",
            )
        for _ in range(NUM_HALVINGS):
            middle = (low + high) / 2
            if self._count(self._left(candidate, middle)) <= limit:
                high = middle
            else:
                low = middle
        return high

    def _left(self, candidate: Candidate, ratio: float) -> Cost:
        """Return what stays at a mean ratio in (0, 1)."""
        wish = Wish(
            structure=candidate.structure,
            criterion=candidate.criterion,
            block_criterion=self._template.block_criterion,
            scope=self._template.scope,
            round_to=self._template.round_to,
            keep=self._template.keep,
            ratio_for=self.ratios(ratio, candidate.profile),
            seed=self._seed,
        )
        return Chooser(self._survey, wish).choose(ratio).cost

    def _count(self, cost: Cost) -> int:
        return cost.macs if self._counted == "macs" else cost.params


def digest_of_cut(plan: Plan) -> str:
    """Return a digest of what leaves, equal for equal cuts whatever led to them."""
    leaving = {name: list(units) for name, units in plan.leaving().items()}
    return sha256_of_bytes(canonical_json([sorted(plan.removed_blocks), leaving]))[:32]
