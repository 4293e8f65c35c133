"""What can leave a network, and what it is worth. All that is dear is found once, whoever asks and however often."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from torch import nn

from compressor.data.images import ImageSet
from compressor.load.checkpoint import Checkpoint
from compressor.progress import SILENT, Progress
from compressor.prune.block_order import order_blocks
from compressor.prune.blocks import Blocks, same_weights, search_blocks
from compressor.prune.breaking import breaking_groups
from compressor.prune.cost import Cost, Prediction, count_cost
from compressor.prune.coupling import CouplingGraph, Group, LeftOut, trace_coupling
from compressor.prune.coupling.find import OWN_SOURCE
from compressor.prune.criteria import CRITERIA, Material, Scores
from compressor.prune.selectors import group_matches
from compressor.prune.skeleton import skeleton
from compressor.prune.wish import Wish
from compressor.types import Skipped, Structure

BY_REQUEST = "is kept by request"


@dataclass(frozen=True, slots=True, kw_only=True)
class Ground:
    """The model after some blocks left: what can be chosen from."""

    all_groups: tuple[Group, ...]
    groups: tuple[Group, ...]
    """Those that may lose units."""
    scores: tuple[Scores, ...]
    left_out: tuple[LeftOut, ...]
    prediction: Prediction | None
    """None where no filters are wanted."""
    cost: Cost
    source: str
    graph: CouplingGraph | None = None
    """What `cut_units` needs; None where no filters are wanted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Coupled:
    """What is the same for all criteria once some blocks left."""

    model: nn.Module
    graph: CouplingGraph
    broken: dict[str, str]
    """Groups that cannot lose units, with the reason."""
    prediction: Prediction


class Survey:
    """Looks at one network for all choosers of it."""

    def __init__(self, checkpoint: Checkpoint, *, train: ImageSet | None = None, progress: Progress = SILENT) -> None:
        """Get ready; nothing is looked at yet.

        Args:
            checkpoint: the dense model; it must not change from now on.
            train: training images for criteria that need them.
            progress: told when blocks are tried.
        """
        self.checkpoint = checkpoint
        self._train = train
        self._progress = progress
        self._costs: dict[tuple[str, ...], Cost] = {}
        self._coupled: dict[tuple[str, ...], _Coupled] = {}
        self._grounds: dict[tuple[object, ...], Ground] = {}
        self._orders: dict[tuple[object, ...], tuple[str, ...]] = {}

    @property
    def can_compare(self) -> bool:
        """Whether there are images to compare outputs on."""
        return self._train is not None and self.checkpoint.preprocess is not None

    @cached_property
    def blocks(self) -> Blocks:
        """What can leave as a whole."""
        return search_blocks(self.checkpoint.model, self.checkpoint.input_shape)

    @property
    def graph(self) -> CouplingGraph:
        """What is coupled in the whole model."""
        return self._couple(()).graph

    def modules_of(self, blocks: Sequence[str]) -> tuple[str, ...]:
        """Return all modules that become the identity when these blocks leave."""
        modules = {block.name: block.modules for block in self.blocks.found} if blocks else {}
        return tuple(module for name in blocks for module in modules[name])

    def first_blocks(self, num: int, *, among: Sequence[str], criterion: str, seed: int) -> tuple[str, ...]:
        """Return the `num` blocks that leave first, in that order.

        Args:
            num: at most as many as there are.
            among: blocks that may leave.
            criterion: a name in `BLOCK_CRITERIA`.
            seed: of what it draws.
        """
        key = (tuple(among), criterion, seed)
        if num > len(self._orders.get(key, ())):
            blocks = [block for block in self.blocks.found if block.name in among]
            material = self._material(self.checkpoint.model, seed)
            order = order_blocks(blocks, material, criterion=criterion, num=num, progress=self._progress)
            self._orders[key] = tuple(block.name for block in order)
        return self._orders.get(key, ())[:num]

    def ground(self, blocks: tuple[str, ...], wish: Wish) -> Ground:
        """Return what can be chosen from when these blocks are gone: the same for all spreads and amounts."""
        if wish.structure is Structure.BLOCKS:
            return Ground(
                all_groups=(),
                groups=(),
                scores=(),
                left_out=(),
                prediction=None,
                cost=self._cost(blocks),
                source=OWN_SOURCE,
            )
        key = (blocks, wish.criterion, wish.keep, wish.seed)
        if key not in self._grounds:
            self._grounds[key] = self._scored(blocks, wish)
        return self._grounds[key]

    def _cost(self, blocks: tuple[str, ...]) -> Cost:
        if blocks not in self._costs:
            model = same_weights(self.checkpoint.model, self.modules_of(blocks))
            self._costs[blocks] = count_cost(model, self.checkpoint.input_shape)
        return self._costs[blocks]

    def _couple(self, blocks: tuple[str, ...]) -> _Coupled:
        if blocks not in self._coupled:
            shape, cost = self.checkpoint.input_shape, self._cost(blocks)
            model = same_weights(self.checkpoint.model, self.modules_of(blocks))
            graph, empty = trace_coupling(model, shape), skeleton(model)
            self._coupled[blocks] = _Coupled(
                model=model,
                graph=graph,
                broken=breaking_groups(empty, graph, shape),
                prediction=Prediction(empty, graph, cost),
            )
        return self._coupled[blocks]

    def _scored(self, blocks: tuple[str, ...], wish: Wish) -> Ground:
        coupled, cost = self._couple(blocks), self._cost(blocks)
        graph = coupled.graph
        kept = {group.name: BY_REQUEST for group in graph.groups if group_matches(group, wish.keep)}
        reasons = kept | coupled.broken
        open_groups = [group for group in graph.groups if group.name not in reasons]
        criterion, material = CRITERIA[wish.criterion], self._material(coupled.model, wish.seed)
        groups, scores = [], []
        found = criterion.score(open_groups, material) if open_groups else ()
        for group, score in zip(open_groups, found, strict=True):
            if isinstance(score, Skipped):
                reasons[group.name] = score.reason
            else:
                groups.append(group)
                scores.append(score)
        stays = [
            LeftOut(name=group.name, num_units=group.num_units, reason=reasons[group.name])
            for group in graph.groups
            if group.name in reasons
        ]
        return Ground(
            all_groups=graph.groups,
            groups=tuple(groups),
            scores=tuple(scores),
            left_out=(*graph.left_out, *stays),
            prediction=coupled.prediction,
            cost=cost,
            source=graph.source,
            graph=graph,
        )

    def _material(self, model: nn.Module, seed: int) -> Material:
        here = replace(self.checkpoint, model=model)
        classifier = here.classifier() if self.can_compare else None
        return Material(model=model, classifier=classifier, train=self._train, seed=seed, progress=self._progress)
