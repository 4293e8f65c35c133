"""What is pruned, tuned and measured, in which order: the grids for CI, for a CPU and for a GPU.

The order is fixed, so that a larger budget only adds. Seeds come innermost, because a setting counts when it has all of
them; what tells most comes first.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from benchmarks.paper.claims import Structure
from benchmarks.paper.row import Cell
from compressor.files import canonical_json, sha256_of_bytes
from compressor.finetune.recipe import Recipe
from compressor.records import to_plain

FILTER_CRITERIA = ("l1", "pls", "expected-abs", "hrank", "kl")
LAYER_CRITERIA = ("cka", "l1")


@dataclass(frozen=True, slots=True, kw_only=True)
class Network:
    """A dense network, and where its weights come from."""

    name: str
    checkpoint: str | None = None
    """File below `checkpoints/` of the shared data, from which every seed begins; None: trained here, at each seed."""
    base: Recipe | None = None
    """How it is trained where there is no checkpoint; the seed is the cell's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Form:
    """One grid, and how much is done in each of its cells."""

    name: str
    data: Literal["digits", "cifar"]
    networks: tuple[Network, ...]
    filters: tuple[str, ...]
    """Criteria for filters."""
    layers: tuple[str, ...]
    """Criteria for layers."""
    shares: tuple[float, ...]
    """Of the multiply-adds, at most, that stay. Filters and layers are compared at the same share."""
    num_seeds: int
    recipe: Recipe
    """Of every slim network and every control; the seed is the cell's. Nothing is learnt from a teacher."""
    num_train: int | None
    """Training images, drawn anew by each seed; None: all."""
    num_select: int
    num_test: int
    """The same ones for every cell."""
    battery: Literal["quick", "standard"]

    def digest(self) -> str:
        """Return what rows must share to be compared: all but the list of cells."""
        plain = to_plain(self)
        kept = {key: plain[key] for key in ("data", "recipe", "num_train", "num_select", "num_test", "battery")}
        return sha256_of_bytes(canonical_json(kept))

    def network(self, name: str) -> Network:
        """Return a network by its name."""
        return next(each for each in self.networks if each.name == name)

    def cells(self) -> Iterator[Cell]:
        """Yield all cells in their order: for each share rounds of pairs, filters beside layers, network by network."""
        seen: set[str] = set()
        for share in self.shares:
            for turn in range(max(len(self.filters), len(self.layers))):
                for network in self.networks:
                    for seed in range(self.num_seeds):
                        yield from _once(seen, Cell(network=network.name, kind="control", seed=seed))
                    yield from _once(seen, Cell(network=network.name, kind="delivered", seed=0))
                    chosen: list[tuple[Structure, str]] = [("filters", name) for name in self.filters[turn : turn + 1]]
                    chosen += [("layers", name) for name in self.layers[turn : turn + 1]]
                    for kind, criterion in chosen:
                        for seed in range(self.num_seeds):
                            yield Cell(network=network.name, kind=kind, criterion=criterion, share=share, seed=seed)


def _once(seen: set[str], cell: Cell) -> Iterator[Cell]:
    if cell.name not in seen:
        seen.add(cell.name)
        yield cell


RESNET20 = Network(name="resnet20", checkpoint="resnet20-12fca82f.th")
SCRATCH = Recipe(epochs=30, lr=0.1, distill=False)

FORMS = {
    "digits": Form(
        name="digits",
        data="digits",
        networks=(Network(name="resnet8", base=Recipe(epochs=8, lr=0.1, distill=False)),),
        filters=("l1", "pls"),
        layers=("l1",),
        shares=(0.7,),
        num_seeds=2,
        recipe=Recipe(epochs=1, distill=False),
        num_train=None,
        num_select=100,
        num_test=100,
        battery="quick",
    ),
    "small": Form(
        name="small",
        data="cifar",
        networks=(RESNET20,),
        filters=("l1",),
        layers=("l1",),
        shares=(0.77,),
        num_seeds=3,
        recipe=Recipe(epochs=1, distill=False),
        num_train=1000,
        num_select=100,
        num_test=60,
        battery="quick",
    ),
    "cpu": Form(
        name="cpu",
        data="cifar",
        networks=(RESNET20,),
        filters=FILTER_CRITERIA[:2],
        layers=LAYER_CRITERIA,
        shares=(0.54, 0.77),
        num_seeds=3,
        recipe=Recipe(epochs=1, distill=False),
        num_train=3000,
        num_select=250,
        num_test=200,
        battery="standard",
    ),
    "gpu": Form(
        name="gpu",
        data="cifar",
        networks=tuple(
            Network(name=name, base=SCRATCH) for name in ("resnet56", "mobilenet_v2", "vgg16_bn", "resnet18")
        ),
        filters=FILTER_CRITERIA,
        layers=LAYER_CRITERIA,
        shares=(0.54, 0.77, 0.3),
        num_seeds=5,
        recipe=Recipe(epochs=10, distill=False),
        num_train=None,
        num_select=2000,
        num_test=1000,
        battery="standard",
    ),
}
"""By name. `digits` and `small` are for CI and for trying out; their rows are not committed."""
