"""Run a network many times without one block each, computing only what comes after the block.

Everything that ran before the block answers what it answered the first time: the numbers are those of a whole run, bit
for bit. What code wrote to in place since then is computed again.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from compressor.prune.skeleton import tensors_in


@dataclass(slots=True)
class _Call:
    """What one module answered in the recorded run."""

    module: nn.Module
    output: Any
    versions: list[int]
    """How often each tensor of the output had been written to."""

    def is_fresh(self) -> bool:
        """Whether nothing was written to the output since."""
        return self.versions == _versions(self.output)


class Replay:
    """A network whose modules remember their answers on one batch.

    Args:
        network: a copy for this purpose, in eval mode; its forward functions are wrapped.
        places: names of modules that can be left out; each runs once, on one tensor.
    """

    def __init__(self, network: nn.Module, places: Sequence[str]) -> None:
        self._network = network
        self._calls: list[_Call] = []
        self._position = 0
        self._is_recording = False
        self._is_live = True
        self._is_inside = False
        for unit in _units(network, {network.get_submodule(name) for name in places}):
            unit.forward = self._wrapped(unit, unit.forward)

    def record(self, images: Tensor) -> Any:
        """Run the whole network, remember what its modules answer, and return its answer."""
        self._calls, self._is_recording, self._is_live = [], True, True
        return self._run(images)

    def run_without(self, images: Tensor, places: Iterable[str]) -> Any:
        """Return the answer on the recorded images without some places, as if they were the identity."""
        self._is_recording, self._is_live = False, False
        with self._gaps(places):
            return self._run(images)

    def forget(self) -> None:
        """Free the memory."""
        self._calls = []

    def _run(self, images: Tensor) -> Any:
        self._position = 0
        # Tensors made in inference mode do not count how often they are written to.
        with torch.no_grad():
            return self._network(images.clone())

    @contextmanager
    def _gaps(self, places: Iterable[str]) -> Iterator[None]:
        """Put gaps in place of modules, so that their hooks are gone too."""
        was = []
        for name in places:
            parent, _, child = name.rpartition(".")
            modules = self._network.get_submodule(parent)._modules
            was.append((modules, child, modules[child]))
            modules[child] = _Gap(self._go_live)
        try:
            yield
        finally:
            for modules, child, module in was:
                modules[child] = module

    def _go_live(self) -> None:
        self._is_live = True

    def _wrapped(self, unit: nn.Module, forward: Callable[..., Any]) -> Callable[..., Any]:
        def wrapped(*args: Any, **kwargs: Any) -> Any:
            if self._is_inside:
                return forward(*args, **kwargs)
            if not self._is_live:
                call = self._calls[self._position]
                assert call.module is unit
                self._position += 1
                if call.is_fresh():
                    return call.output
            self._is_inside = True
            try:
                output = forward(*args, **kwargs)
            finally:
                self._is_inside = False
            if self._is_recording:
                self._calls.append(_Call(unit, output, _versions(output)))
            return output

        return wrapped


class _Gap(nn.Module):
    """The identity in place of a block; from here on everything is computed."""

    def __init__(self, reached: Callable[[], None]) -> None:
        super().__init__()
        self._reached = reached

    def forward(self, features: Tensor) -> Tensor:
        """Return what comes in."""
        self._reached()
        return features


def _units(network: nn.Module, places: set[nn.Module]) -> set[nn.Module]:
    """Return the largest modules that are a place or hold none."""
    if network in places or not places & set(network.modules()):
        return {network}
    return {unit for child in network.children() for unit in _units(child, places)}


def _versions(output: Any) -> list[int]:
    return [tensor._version for tensor in tensors_in(output)]
