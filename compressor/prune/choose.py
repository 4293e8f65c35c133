"""What would leave at a ratio: blocks first, then filters of what is left."""

from collections.abc import Sequence
from dataclasses import dataclass

from compressor.prune.blocks import Blocks
from compressor.prune.cost import Cost
from compressor.prune.named import check_named, is_kept
from compressor.prune.selectors import group_matches, ratio_of
from compressor.prune.survey import Ground, Survey
from compressor.prune.widths import choose_units, counts, global_ratios, isomorphic_ratios, lowest, next_width
from compressor.prune.wish import Wish, check_wish
from compressor.types import Scope, Structure


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


class Chooser:
    """Answers what would leave one network at any ratio."""

    def __init__(self, survey: Survey, wish: Wish) -> None:
        """Check the wish against the model.

        Args:
            survey: of the model; what it found for others is not looked for again.
            wish: how to choose.

        Raises:
            PruneError: an unknown criterion, a glob that matches or decides nothing, a bad ratio or step.
        """
        model = survey.checkpoint.model
        check_wish(wish, model)
        self._survey = survey
        self._wish = wish
        self._kinds = {name: type(module).__name__ for name, module in model.named_modules()}
        has_filters, has_blocks = wish.structure is not Structure.BLOCKS, wish.structure is not Structure.FILTERS
        found = survey.blocks if has_blocks else Blocks(found=(), left_out=())
        is_whole = {block.name: is_kept(block, model, wish.keep) for block in found.found}
        self.kept_blocks = tuple(name for name, kept in is_whole.items() if kept)
        self.removable = tuple(name for name, kept in is_whole.items() if not kept)
        """Blocks that may leave."""
        self.needed_blocks = found.left_out
        """Blocks that the model cannot do without."""
        if wish.keep or wish.ratio_for:
            graph = survey.graph if has_filters else None
            check_named(model, keep=wish.keep, ratio_for=wish.ratio_for, graph=graph, blocks=found)
        self.block_criterion = wish.block_criterion or ("cka" if survey.can_compare else "l1")

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
        return self._survey.ground(blocks, self._wish)

    def modules_of(self, blocks: Sequence[str]) -> tuple[str, ...]:
        """Return all modules that become the identity when these blocks leave."""
        return self._survey.modules_of(blocks)

    def first_blocks(self, num: int) -> tuple[str, ...]:
        """Return the `num` blocks that leave first, in that order."""
        return self._survey.first_blocks(
            num, among=self.removable, criterion=self.block_criterion, seed=self._wish.seed
        )
