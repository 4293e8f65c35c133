"""What may be tried on one network: structures, criteria, and how a cut is spread over its stages."""

import itertools
from dataclasses import dataclass

from torch import nn

from compressor.load.checkpoint import Checkpoint
from compressor.prune import CouplingGraph, count_cost, find_blocks, trace_coupling
from compressor.search.record import Profile, Trial, Way
from compressor.search.wanted import Wanted
from compressor.types import Structure

CRITERIA = ("l1", "l2", "bn-scale", "taylor")
"""Without long passes over images: seconds on any network, where the maps of `hrank` or `pls` take minutes."""

MANY_BLOCKS = 3
"""With fewer removable blocks, blocks alone give two or three sizes, which `both` gives too."""

LEAST, MOST = 0.02, 0.95
"""Of dense: below and above there is nothing to find."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Space:
    """What may be tried. The first of each is where the search begins."""

    structures: tuple[Structure, ...]
    criteria: tuple[str, ...]
    profiles: tuple[Profile, ...]
    stages: tuple[str, ...]
    """Modules in the order of the network that `early` and `late` tell apart; none where there are fewer than two."""
    counted: str
    """`macs` or `params`: what amounts are shares of."""
    whole: int
    """So many has the dense model."""
    most: float = MOST
    """Largest share of dense that is worth trying: what the policy allows, if that is less."""

    @property
    def ways(self) -> tuple[Way, ...]:
        """All ways of cutting."""
        return tuple(itertools.product(self.structures, self.criteria, self.profiles))

    @property
    def choices(self) -> dict[str, tuple[str, ...]]:
        """Return what a way is put together from, by name."""
        return {
            "structure": tuple(map(str, self.structures)),
            "criterion": self.criteria,
            "profile": tuple(map(str, self.profiles)),
        }

    def plain(self, number: int) -> tuple[Way, ...]:
        """Return the plain ways of a heat: by each criterion, spread the plain way, the structures in turn.

        Args:
            number: heats before it.
        """
        structure = self.structures[number % len(self.structures)]
        return tuple((structure, criterion, self.profiles[0]) for criterion in self.criteria)

    def share_of(self, trial: Trial) -> float:
        """Return what stays of what is counted: at most the amount of the candidate."""
        left = trial.macs if self.counted == "macs" else trial.params
        return trial.amount if left is None else left / self.whole


def space_of(dense: Checkpoint, wanted: Wanted, *, limit: int | None = None) -> Space:
    """Return what may be tried on a network, without what the user has fixed.

    Args:
        dense: the model to search in.
        wanted: what is fixed.
        limit: of what is counted, as the policy has it.

    Raises:
        PruneError: the forward pass cannot be followed.
    """
    num_blocks = len(find_blocks(dense.model, dense.input_shape))
    graph = trace_coupling(dense.model, dense.input_shape)
    structures = [Structure.FILTERS] if graph.groups else []
    structures += [Structure.BOTH] if graph.groups and num_blocks else []
    structures += [Structure.BLOCKS] if num_blocks >= MANY_BLOCKS or not structures else []
    stages = () if wanted.is_spread_fixed else stages_of(graph)
    profiles = [Profile.EVEN]
    if not wanted.is_spread_fixed:
        profiles += [Profile.EARLY, Profile.LATE] if stages else []
        profiles += [Profile.GLOBAL]
    has_norms = any(isinstance(module, nn.modules.batchnorm._BatchNorm) for module in dense.model.modules())
    cost = count_cost(dense.model, dense.input_shape)
    whole = cost.macs if wanted.counted == "macs" else cost.params
    criteria = tuple(name for name in CRITERIA if name != "bn-scale" or has_norms)
    return Space(
        structures=tuple(structures) if wanted.structure is None else (wanted.structure,),
        criteria=criteria if wanted.criterion is None else (wanted.criterion,),
        profiles=tuple(profiles),
        stages=stages,
        counted=wanted.counted,
        whole=whole,
        most=MOST if limit is None else min(MOST, limit / whole),
    )


def stages_of(graph: CouplingGraph) -> tuple[str, ...]:
    """Return the outermost modules that have groups of filters of their own; none where there are fewer than two."""
    owned = []
    for group in graph.groups:
        homes = {maker.module.split(".")[0] for maker in group.makers()}
        if len(homes) == 1:
            owned.append(homes.pop())
    stages = tuple(dict.fromkeys(owned))
    return stages if len(stages) > 1 else ()
