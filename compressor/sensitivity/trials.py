"""Which cuts are tried: every group at every ratio, and every removable block, each with all else left whole."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from torch import nn

from compressor.errors import PruneError
from compressor.files import canonical_json, sha256_of_bytes
from compressor.load.checkpoint import Checkpoint
from compressor.prune import Cost, CouplingGraph, LeftOut, count_cost
from compressor.prune.blocks import same_weights
from compressor.prune.choose import Chooser
from compressor.prune.cut import cut_units
from compressor.prune.widths import choose_units, counts
from compressor.types import Structure

WHOLE_BLOCK = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """One cut."""

    structure: Structure
    name: str
    """Of the group or block."""
    layers: tuple[str, ...]
    num_units: int
    units: tuple[int, ...] = ()
    """Those that leave the group."""
    modules: tuple[str, ...] = ()
    """Those that become the identity with the block."""
    ratio: float
    """As asked."""
    after: Cost
    """Of the whole model."""

    @property
    def key(self) -> str:
        """The same for equal cuts, whatever ratio or criterion led to them."""
        return sha256_of_bytes(canonical_json([self.structure, self.name, self.units, self.modules]))[:32]

    def cut(self, model: nn.Module, graph: CouplingGraph | None) -> nn.Module:
        """Return the model after this cut; it shares all other tensors with the model, which stays as it is."""
        if self.structure is Structure.BLOCKS:
            return same_weights(model, self.modules)
        assert graph is not None
        made = same_weights(model)
        cut_units(made, graph, {self.name: self.units})
        return made


def find_trials(
    checkpoint: Checkpoint, chooser: Chooser, ratios: Sequence[float]
) -> tuple[tuple[Trial, ...], tuple[LeftOut, ...]]:
    """Return all cuts in the order of the network, and what cannot be tried.

    The units are those that `plan` takes out of the same group at the same ratio, with the same rounding of widths.

    Args:
        checkpoint: the dense model.
        chooser: of this checkpoint, for filters and blocks.
        ratios: ascending, each in (0, 1).

    Raises:
        PruneError: nothing can leave this model at these ratios.
    """
    left_out = [*chooser.ground(()).left_out, *chooser.needed_blocks]
    trials = [*_groups(chooser, ratios, left_out), *_blocks(checkpoint, chooser)]
    if not trials:
        reasons = "; ".join(f"{left.name}: {left.reason}" for left in left_out[:3]) or "it has no layers to prune"
        raise PruneError(
            f"no layer of this model can be pruned alone ({reasons})",
            advice="see compress inspect without --sensitivity",
        )
    return tuple(trials), tuple(left_out)


def _groups(chooser: Chooser, ratios: Sequence[float], left_out: list[LeftOut]) -> Iterator[Trial]:
    ground = chooser.ground(())
    assert ground.prediction is not None
    for pair in zip(ground.groups, ground.scores, strict=True):
        group = pair[0]
        for ratio in ratios:
            leaving = choose_units([pair], [ratio], round_to=None)
            if not leaving:
                reason = f"rounding keeps all of its units at ratio {ratio:g}"
                left_out.append(LeftOut(name=group.name, num_units=group.num_units, reason=reason))
                continue
            yield Trial(
                structure=Structure.FILTERS,
                name=group.name,
                layers=tuple(dict.fromkeys(maker.module for maker in group.makers())),
                num_units=group.num_units,
                units=leaving[group.name],
                ratio=ratio,
                after=ground.prediction.after(counts(leaving)),
            )


def _blocks(checkpoint: Checkpoint, chooser: Chooser) -> Iterator[Trial]:
    for name in chooser.removable:
        modules = chooser.modules_of([name])
        layers = [
            f"{module}.{place}".rstrip(".")
            for module in modules
            for place, layer in checkpoint.model.get_submodule(module).named_modules()
            if any(parameter.ndim > 1 for parameter in layer.parameters(recurse=False))
        ]
        yield Trial(
            structure=Structure.BLOCKS,
            name=name,
            layers=tuple(layers),
            num_units=1,
            modules=modules,
            ratio=WHOLE_BLOCK,
            after=count_cost(same_weights(checkpoint.model, modules), checkpoint.input_shape),
        )
