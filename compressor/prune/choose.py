"""What would leave at a ratio: blocks first, then filters of what is left."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from torch import nn

from compressor.data.images import ImageSet
from compressor.errors import PruneError
from compressor.load.checkpoint import Checkpoint
from compressor.progress import SILENT, Progress
from compressor.prune.block_order import BLOCK_CRITERIA, order_blocks
from compressor.prune.blocks import find_blocks, same_weights
from compressor.prune.breaking import breaking_groups
from compressor.prune.cost import Cost, Prediction, count_cost
from compressor.prune.coupling import Group, LeftOut, trace_coupling
from compressor.prune.criteria import CRITERIA, Material, Scores
from compressor.prune.selectors import check_globs, check_ratio, group_matches, matches, ratio_of
from compressor.prune.skeleton import skeleton
from compressor.prune.widths import choose_units, counts, global_ratios
from compressor.types import Skipped, Structure

BY_REQUEST = "is kept by request"


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """How to choose, apart from how much."""

    structure: Structure = Structure.FILTERS
    criterion: str = "l1"
    block_criterion: str | None = None
    """None: cka where there are training images, else l1."""
    global_scope: bool = False
    round_to: int | None = None
    keep: tuple[str, ...] = ()
    ratio_for: Mapping[str, float] = field(default_factory=dict)
    seed: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """What would leave, and what would be left."""

    blocks: tuple[str, ...]
    leaving: dict[str, tuple[int, ...]]
    """Group to units."""
    cost: Cost


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


class Chooser:
    """Answers what would leave at any ratio; what is expensive is found once."""

    def __init__(
        self, checkpoint: Checkpoint, wish: Wish, *, train: ImageSet | None = None, progress: Progress = SILENT
    ) -> None:
        """Check the wish against the model.

        Raises:
            PruneError: an unknown criterion, a glob that matches nothing, a bad ratio or step.
        """
        _check(wish, checkpoint.model)
        self._checkpoint = checkpoint
        self._wish = wish
        self._train = train
        self._progress = progress
        self._grounds: dict[tuple[str, ...], Ground] = {}
        self._order: tuple[str, ...] = ()
        self.removable: tuple[str, ...] = ()
        """Blocks that may leave."""
        self.kept_blocks: tuple[str, ...] = ()
        if wish.structure is not Structure.FILTERS:
            found = find_blocks(checkpoint.model, checkpoint.input_shape)
            self.kept_blocks = tuple(name for name in found if matches(name, wish.keep))
            self.removable = tuple(name for name in found if name not in self.kept_blocks)
        can_compare = train is not None and checkpoint.preprocess is not None
        self.block_criterion = wish.block_criterion or ("cka" if can_compare else "l1")

    def choose(self, ratio: float) -> Choice:
        """Return what would leave at a ratio in (0, 1)."""
        wish = self._wish
        blocks = self._blocks(int(ratio * len(self.removable) + 0.5))
        ground = self.ground(blocks)
        scored = list(zip(ground.groups, ground.scores, strict=True))
        ratios = [ratio_of(group, ratio, wish.ratio_for) for group in ground.groups]
        if wish.global_scope:
            together = [pair for pair in scored if not group_matches(pair[0], wish.ratio_for)]
            shares = dict(global_ratios(together, ratio))
            ratios = [shares.get(group.name, value) for group, value in zip(ground.groups, ratios, strict=True)]
        return self.priced(blocks, choose_units(scored, ratios, round_to=wish.round_to))

    def priced(self, blocks: tuple[str, ...], leaving: dict[str, tuple[int, ...]]) -> Choice:
        """Return the choice with its exact cost."""
        ground = self.ground(blocks)
        cost = ground.cost if ground.prediction is None else ground.prediction.after(counts(leaving))
        return Choice(blocks=blocks, leaving=leaving, cost=cost)

    def ground(self, blocks: tuple[str, ...]) -> Ground:
        """Return what can be chosen from when these blocks are gone."""
        if blocks not in self._grounds:
            self._grounds[blocks] = self._survey(blocks)
        return self._grounds[blocks]

    def _blocks(self, num: int) -> tuple[str, ...]:
        if num > len(self._order):
            material = self._material(self._checkpoint.model)
            self._order = order_blocks(
                self.removable, material, criterion=self.block_criterion, num=num, progress=self._progress
            )
        return self._order[:num]

    def _material(self, model: nn.Module) -> Material:
        here = replace(self._checkpoint, model=model)
        classifier = here.classifier() if self._train is not None and here.preprocess is not None else None
        return Material(
            model=model, classifier=classifier, train=self._train, seed=self._wish.seed, progress=self._progress
        )

    def _survey(self, blocks: tuple[str, ...]) -> Ground:
        wish, shape = self._wish, self._checkpoint.input_shape
        model = same_weights(self._checkpoint.model, blocks)
        cost = count_cost(model, shape)
        if wish.structure is Structure.BLOCKS:
            return Ground(
                all_groups=(), groups=(), scores=(), left_out=(), prediction=None, cost=cost, source="own tracing"
            )
        graph = trace_coupling(model, shape)
        empty = skeleton(model)
        broken = breaking_groups(empty, graph, shape)
        reasons = {group.name: BY_REQUEST for group in graph.groups if group_matches(group, wish.keep)} | broken
        open_groups = [group for group in graph.groups if group.name not in reasons]
        groups, scores = [], []
        for group, found in zip(open_groups, self._score(open_groups, model), strict=True):
            if isinstance(found, Skipped):
                reasons[group.name] = found.reason
            else:
                groups.append(group)
                scores.append(found)
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
            prediction=Prediction(empty, graph, cost),
            cost=cost,
            source=graph.source,
        )

    def _score(self, groups: list[Group], model: nn.Module) -> tuple[Scores | Skipped, ...]:
        return CRITERIA[self._wish.criterion].score(groups, self._material(model)) if groups else ()


def _check(wish: Wish, model: nn.Module) -> None:
    if wish.criterion not in CRITERIA:
        raise PruneError(
            f"criterion {wish.criterion!r} is not known", advice=f"take one of {', '.join(sorted(CRITERIA))}"
        )
    if wish.block_criterion is not None and wish.block_criterion not in BLOCK_CRITERIA:
        raise PruneError(
            f"block criterion {wish.block_criterion!r} is not known", advice=f"take one of {', '.join(BLOCK_CRITERIA)}"
        )
    if wish.round_to is not None and wish.round_to < 1:
        raise PruneError(
            f"--round-to {wish.round_to} is not a number of channels", advice="give 8 or 16, or leave it out"
        )
    check_globs(wish.keep, model, "--keep")
    check_globs(wish.ratio_for, model, "--ratio-for")
    for glob, value in wish.ratio_for.items():
        check_ratio(value, f"ratio of {glob!r}")
