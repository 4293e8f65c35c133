"""The dense network on training images, whole and without blocks: what block criteria measure on."""

from collections.abc import Callable, Iterator, Sequence
from functools import cached_property, partial

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from compressor.data.images import ImageSet, stratified
from compressor.prune.block_criteria.replay import Replay
from compressor.prune.blocks import Block, same_weights
from compressor.prune.cost import CONVOLUTIONS
from compressor.prune.criteria import Material

BATCH_SIZE = 16
"""For images up to 96 x 96; larger ones come in smaller batches."""
MAX_PIXELS = BATCH_SIZE * 96 * 96
"""The answers of all modules are remembered for one batch, so its size bounds the memory."""


class Probe:
    """Runs the network of the material on training images with the class shares of the whole set.

    Args:
        material: the dense model; with training images and the classifier, unless `num_images` is 0.
        blocks: all that may leave.
        num_images: how many images.
    """

    advance: Callable[[int, str], None] = staticmethod(lambda _, __: None)
    """Called after every run on a batch, with a note."""

    def __init__(self, material: Material, blocks: Sequence[Block], *, num_images: int) -> None:
        self.material = material
        self._blocks = tuple(blocks)
        self._num_images = num_images
        self._entered: list[Tensor] = []

    @cached_property
    def full(self) -> Tensor:
        """What enters the last linear layer of the dense network, (N, D) float32; its logits where there is none."""
        network = self._copy(())
        with torch.inference_mode():
            return torch.cat([self._features(network, batch)[0] for batch in self._batches()])

    @property
    def labels(self) -> NDArray[np.int64]:
        """(N,) int64."""
        return self._images.labels

    @property
    def num_batches(self) -> int:
        """How many runs one pass over the images takes."""
        return -(-len(self._images) // self._batch_size)

    def without(self, gone: Sequence[Block], left: Sequence[Block]) -> list[Tensor]:
        """Return the features, as `full`, when all the gone and one of the left are missing, for each of the left."""
        network = self._copy(gone)
        places = [[self._prefix + name for name in block.modules] for block in left]
        replay = Replay(network, [name for own in places for name in own])
        parts: list[list[Tensor]] = [[] for _ in left]
        for batch in self._batches():
            whole, _ = self._features(replay.record, batch)
            for block, own, found in zip(left, places, parts, strict=True):
                features, is_reached = self._features(partial(replay.run_without, places=own), batch)
                # A last layer that did not run again stands before the block: the block does not change its input.
                found.append(features if is_reached or self._head is None else whole)
                self.advance(1, block.name)
            replay.forget()
        return [torch.cat(found) for found in parts]

    def contributions(self, gone: Sequence[Block], left: Sequence[Block]) -> list[NDArray[np.float64]]:
        """Return what each of the left adds to its input, averaged over positions, (N, channels) float64."""
        network = self._copy(gone)
        entered: dict[str, Tensor] = {}
        found: dict[str, list[Tensor]] = {block.name: [] for block in left}
        for block in left:
            first, last = (network.get_submodule(self._prefix + name) for name in (block.modules[0], block.modules[-1]))

            def enter(_: nn.Module, args: tuple[Tensor, ...], name: str = block.name) -> None:
                # A copy: a block may write to its input.
                entered[name] = args[0].clone()

            def leave(
                _: nn.Module, __: tuple[Tensor, ...], output: Tensor, name: str = block.name, first: nn.Module = first
            ) -> None:
                found[name].append(_per_channel(first, output - entered.pop(name)))

            first.register_forward_pre_hook(enter)
            last.register_forward_hook(leave)
        for batch in self._batches():
            with torch.inference_mode():
                network(batch)
            self.advance(1, f"{len(left)} blocks at once")
        return [torch.cat(found[block.name]).to(torch.float64).numpy() for block in left]

    @cached_property
    def _images(self) -> ImageSet:
        assert self.material.train is not None
        return stratified(self.material.train, self._num_images, seed=self.material.seed)

    @cached_property
    def _batch_size(self) -> int:
        _, height, width = self._images.shape
        return max(1, min(BATCH_SIZE, MAX_PIXELS // (height * width)))

    @cached_property
    def _pixels(self) -> Tensor:
        return self._images.read(range(len(self._images)))

    def _batches(self) -> Iterator[Tensor]:
        yield from torch.split(self._pixels, self._batch_size)

    @cached_property
    def _classifier(self) -> nn.Module:
        assert self.material.classifier is not None
        return self.material.classifier

    @cached_property
    def _prefix(self) -> str:
        """The classifier holds the model somewhere inside; block names are those of the model."""
        (name,) = (name for name, module in self._classifier.named_modules() if module is self.material.model)
        return f"{name}." if name else ""

    @cached_property
    def _head(self) -> str | None:
        """The linear layer that runs last and cannot leave."""
        network = same_weights(self._classifier).eval()
        ran: list[str] = []
        blocks = tuple(f"{self._prefix}{name}" for block in self._blocks for name in block.modules)
        for name, module in network.named_modules():
            if isinstance(module, nn.Linear):
                module.register_forward_hook(lambda _, __, ___, name=name: ran.append(name))
        with torch.inference_mode():
            network(self._pixels[:1])
        last = ran[-1] if ran else None
        is_inside = any(last == block or str(last).startswith(f"{block}.") for block in blocks)
        return None if is_inside else last

    def _copy(self, gone: Sequence[Block]) -> nn.Module:
        """Return the classifier without blocks, in eval mode, with its head watched."""
        network = same_weights(self._classifier, [self._prefix + name for block in gone for name in block.modules])
        if self._head is not None:
            network.get_submodule(self._head).register_forward_pre_hook(
                lambda _, args: self._entered.append(args[0].flatten(1))
            )
        return network.eval()

    def _features(self, run: Callable[[Tensor], Tensor], batch: Tensor) -> tuple[Tensor, bool]:
        """Return the features of a batch, and whether they are what entered the head."""
        self._entered.clear()
        logits = run(batch)
        return (self._entered[-1], True) if self._entered else (logits.flatten(1), False)


def _per_channel(block: nn.Module, features: Tensor) -> Tensor:
    """Return the mean over all positions, (N, channels): of images, of tokens, or of maps with channels behind."""
    axis = features.ndim - 1
    if any(isinstance(module, CONVOLUTIONS) for module in block.modules()):
        axis = 1
    else:
        widths = {module.in_features for module in block.modules() if isinstance(module, nn.Linear)}
        axis = next((dim for dim in range(features.ndim - 1, 0, -1) if features.shape[dim] in widths), axis)
    positions = [dim for dim in range(1, features.ndim) if dim != axis]
    return features.mean(dim=positions) if positions else features
