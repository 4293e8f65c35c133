"""One operation of the forward pass, and the two rules that most operations share."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from compressor.prune.coupling.labels import Channels
from compressor.prune.coupling.trail import Trail
from compressor.prune.skeleton import tensors_in

CONSTANT = "meets values that the code makes for this width"


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One operation that ran."""

    name: str
    args: tuple[Any, ...]
    output: Any

    def arg(self, number: int, default: Any = None) -> Any:
        """Return a positional argument, or what it defaults to."""
        return self.args[number] if len(self.args) > number else default

    def outputs(self) -> list[Tensor]:
        """Return the tensors that came out."""
        return tensors_in(self.output)


Rule = Callable[[Trail, Call], None]
"""Says what an operation did to the labels, after it ran."""


def unknown(trail: Trail, call: Call) -> None:
    """Keep everything that enters an operation nobody wrote a rule for."""
    for tensor in tensors_in(list(call.args)):
        for channels in trail.dims(tensor):
            trail.labels.fix(channels, f"goes through {call.name}, which is not followed")


def pointwise(trail: Trail, call: Call) -> None:
    """Match the axes of all operands from the right, as broadcasting does."""
    operands = tensors_in(list(call.args))
    for output in call.outputs():
        dims: list[Channels | None] = []
        for back in range(output.ndim, 0, -1):
            size = output.shape[-back]
            met = [trail.dims(one)[-back] for one in operands if one.ndim >= back and one.shape[-back] == size > 1]
            found = next((channels for channels in met if channels is not None), None)
            if found is not None:
                # Together with a constant they stay, and are channels of this axis no longer.
                matched = [trail.labels.meet(found, channels, CONSTANT) for channels in met]
                found = found if all(channels is not None for channels in matched) else None
            dims.append(found)
        trail.put(output, dims)
