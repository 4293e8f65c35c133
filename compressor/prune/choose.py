"""What would leave at a ratio: blocks first, then filters of what is left."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from torch import nn

from compressor.data.images import ImageSet
from compressor.errors import PruneError
from compressor.load.checkpoint import Checkpoint
from compressor.progress import SILENT, Progress
from compressor.prune.block_criteria import BLOCK_CRITERIA
from compressor.prune.block_order import order_blocks
from compressor.prune.blocks import Blocks, same_weights, search_blocks
from compressor.prune.breaking import breaking_groups
from compressor.prune.cost import Cost, Prediction, count_cost
from compressor.prune.coupling import CouplingGraph, Group, LeftOut, trace_coupling
from compressor.prune.criteria import CRITERIA, Material, Scores
from compressor.prune.named import check_named, is_kept
from compressor.prune.selectors import check_globs, check_ratio, group_matches, ratio_of
from compressor.prune.skeleton import skeleton
from compressor.prune.widths import choose_units, counts, global_ratios, isomorphic_ratios, lowest, next_width
from compressor.types import Scope, Skipped, Structure

BY_REQUEST = "is kept by request"


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """How to choose, apart from how much."""

    structure: Structure = Structure.FILTERS
    criterion: str = "l1"
    block_criterion: str | None = None
    """None: cka where there are training images, else l1."""
    scope: Scope = Scope.LOCAL
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

    @property
    def is_empty(self) -> bool:
        """Whether nothing would leave."""
        return not self.blocks and not self.leaving


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


class Chooser:
    """Answers what would leave at any ratio; what is expensive is found once."""

    def __init__(
        self, checkpoint: Checkpoint, wish: Wish, *, train: ImageSet | None = None, progress: Progress = SILENT
    ) -> None:
        """Check the wish against the model.

        Raises:
            PruneError: an unknown criterion, a glob that matches or decides nothing, a bad ratio or step.
        """
        _check(wish, checkpoint.model)
        self._checkpoint = checkpoint
        self._wish = wish
        self._train = train
        self._progress = progress
        self._grounds: dict[tuple[str, ...], Ground] = {}
        self._order: tuple[str, ...] = ()
        self._kinds = {name: type(module).__name__ for name, module in checkpoint.model.named_modules()}
        self._found = Blocks(found=(), left_out=())
        self.removable: tuple[str, ...] = ()
        """Blocks that may leave."""
        self.kept_blocks: tuple[str, ...] = ()
        if wish.structure is not Structure.FILTERS:
            found = self._found = search_blocks(checkpoint.model, checkpoint.input_shape)
            is_whole = {block.name: is_kept(block, checkpoint.model, wish.keep) for block in found.found}
            self.kept_blocks = tuple(name for name, kept in is_whole.items() if kept)
            self.removable = tuple(name for name, kept in is_whole.items() if not kept)
        if wish.keep or wish.ratio_for:
            filters = wish.structure is not Structure.BLOCKS
            graph = trace_coupling(checkpoint.model, checkpoint.input_shape) if filters else None
            check_named(checkpoint.model, keep=wish.keep, ratio_for=wish.ratio_for, graph=graph, blocks=self._found)
        can_compare = train is not None and checkpoint.preprocess is not None
        self.block_criterion = wish.block_criterion or ("cka" if can_compare else "l1")

    def choose(self, ratio: float, *, blocks: tuple[str, ...] | None = None) -> Choice:
        """Return what would leave at a ratio in (0, 1).

        Args:
            ratio: of filters, and of removable blocks.
            blocks: the blocks that leave; None: as many as the ratio says.
        """
        wish = self._wish
        if blocks is None:
            blocks = self.first_blocks(int(ratio * len(self.removable) + 0.5))
        ground = self.ground(blocks)
        scored = list(zip(ground.groups, ground.scores, strict=True))
        ratios = [ratio_of(group, ratio, wish.ratio_for) for group in ground.groups]
        if wish.scope is not Scope.LOCAL:
            free = [pair for pair in scored if not group_matches(pair[0], wish.ratio_for)]
            shares = (
                global_ratios(free, ratio)
                if wish.scope is Scope.GLOBAL
                else isomorphic_ratios(free, self._kinds, ratio)
            )
            ratios = [shares.get(group.name, value) for group, value in zip(ground.groups, ratios, strict=True)]
        return self.priced(blocks, choose_units(scored, ratios, round_to=wish.round_to))

    def parts(self, choice: Choice) -> tuple[str, ...]:
        """Return what could be given back: groups that lost units, or, where no filters leave, blocks.

        Groups with a ratio of their own stay as they are.
        """
        if not choice.leaving:
            return choice.blocks
        free = (group for group in self.ground(choice.blocks).groups if not group_matches(group, self._wish.ratio_for))
        return tuple(group.name for group in free if group.name in choice.leaving)

    def enlarged(self, choice: Choice, part: str) -> Choice:
        """Return the smallest larger choice that gives back some of one part: a group's next width, or a block."""
        if not choice.leaving:
            return self.priced(tuple(name for name in choice.blocks if name != part), {})
        ground = self.ground(choice.blocks)
        ((group, scores),) = (pair for pair in zip(ground.groups, ground.scores, strict=True) if pair[0].name == part)
        leaving = {name: units for name, units in choice.leaving.items() if name != part}
        width = next_width(group, group.num_units - len(choice.leaving[part]), round_to=self._wish.round_to)
        if width < group.num_units:
            leaving[part] = lowest(scores, group.num_units - width)
        return self.priced(choice.blocks, leaving)

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

    def modules_of(self, blocks: Iterable[str]) -> tuple[str, ...]:
        """Return all modules that become the identity when these blocks leave."""
        modules = {block.name: block.modules for block in self._found.found}
        return tuple(module for name in blocks for module in modules[name])

    def first_blocks(self, num: int) -> tuple[str, ...]:
        """Return the `num` blocks that leave first, in that order."""
        if num > len(self._order):
            material = self._material(self._checkpoint.model)
            blocks = [block for block in self._found.found if block.name in self.removable]
            order = order_blocks(blocks, material, criterion=self.block_criterion, num=num, progress=self._progress)
            self._order = tuple(block.name for block in order)
        return self._order[:num]

    def _material(self, model: nn.Module) -> Material:
        here = replace(self._checkpoint, model=model)
        classifier = here.classifier() if self._train is not None and here.preprocess is not None else None
        return Material(
            model=model, classifier=classifier, train=self._train, seed=self._wish.seed, progress=self._progress
        )

    def _survey(self, blocks: tuple[str, ...]) -> Ground:
        wish, shape = self._wish, self._checkpoint.input_shape
        model = same_weights(self._checkpoint.model, self.modules_of(blocks))
        cost = count_cost(model, shape)
        if wish.structure is Structure.BLOCKS:
            stay = self._found.left_out
            return Ground(
                all_groups=(), groups=(), scores=(), left_out=stay, prediction=None, cost=cost, source="own tracing"
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
            left_out=(*graph.left_out, *stays, *self._found.left_out),
            prediction=Prediction(empty, graph, cost),
            cost=cost,
            source=graph.source,
            graph=graph,
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
