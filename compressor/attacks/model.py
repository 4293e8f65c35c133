"""A classifier as attacks see it: logits and input gradients, counted, and never touched otherwise."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from types import TracebackType
from typing import Protocol

import torch
from torch import Tensor, nn

from compressor.attacks.chunks import Chunks
from compressor.attacks.losses import Loss
from compressor.evaluate import chunk_size, exact, forward

MOST_SLOTS = 16
"""An image keeps its slot while others fall, so chunks run half empty; measured, 16 waste less than 32."""

CUDA_CHUNKS = 16
"""On a GPU, where chunks are packed densely, so many of them are computed at once."""


def num_slots(shape: tuple[int, int, int]) -> int:
    """Return how many images of (C, H, W) a chunk holds on the CPU; seeds that differ by it share a slot."""
    return min(chunk_size(shape), MOST_SLOTS)


class Answering(Protocol):
    """Something that answers images: all that an attack without gradients needs."""

    num_forward: int
    """Images answered so far."""

    def logits(self, images: Tensor, seeds: Tensor | None = None) -> Tensor:
        """Answer images (n, C, H, W) float32 in [0, 1] with logits (n, K) on the same device."""


class AttackedModel:
    """A classifier under attack, used as a context.

        with AttackedModel(classifier, shape=(3, 32, 32)) as model:
            logits = model.logits(images, seeds)

    Inside, every module is in eval mode, no parameter needs a gradient, and torch computes each operator on one thread;
    afterwards everything is as it was. An image's numbers depend on the image, its seed and nothing else; see `Chunks`.
    `num_forward` and `num_backward` count images, not padding.
    """

    def __init__(
        self,
        classifier: nn.Module,
        *,
        shape: tuple[int, int, int],
        device: torch.device | str = "cpu",
        threads: int | None = None,
    ) -> None:
        """Remember the classifier.

        Args:
            classifier: images (n, C, H, W) float32 in [0, 1] to logits (n, K).
            shape: (C, H, W) of one image.
            device: where to compute.
            threads: chunks computed at the same time; None: as many threads as torch uses. Changes no result.
        """
        self.classifier = classifier
        self.shape = shape
        self.device = torch.device(device)
        size = num_slots(shape) if self.device.type == "cpu" else CUDA_CHUNKS * chunk_size(shape)
        self.chunks = Chunks(size, device=self.device, threads=threads)
        self.num_forward = 0
        self.num_backward = 0
        self._is_searching_in_bf16 = False
        self._modes: list[tuple[nn.Module, bool]] = []
        self._needs: list[tuple[nn.Parameter, bool]] = []
        self._home: torch.device | None = None

    def __enter__(self) -> "AttackedModel":
        self._modes = [(module, module.training) for module in self.classifier.modules()]
        self._needs = [(parameter, parameter.requires_grad) for parameter in self.classifier.parameters()]
        self._home = next((parameter.device for parameter, _ in self._needs), None)
        self.classifier.to(self.device).eval().requires_grad_(False)  # noqa: FBT003 - torch's own signature
        self.chunks.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.chunks.__exit__(kind, error, trace)
        for module, training in self._modes:
            module.training = training
        for parameter, needed in self._needs:
            parameter.requires_grad_(needed)
        if self._home is not None:
            self.classifier.to(self._home)

    @contextmanager
    def searching_in_bf16(self) -> Iterator[None]:
        """Compute gradients in bfloat16 inside, which is faster where the device has units for it.

        No image is broken by fewer bits: whatever bfloat16 answers wrong is answered again in float32, and that counts.
        """
        self._is_searching_in_bf16 = True
        try:
            yield
        finally:
            self._is_searching_in_bf16 = False

    def logits(self, images: Tensor, seeds: Tensor | None = None) -> Tensor:
        """Answer images.

        Args:
            images: (n, C, H, W) float32 in [0, 1], n >= 1.
            seeds: (n,) int64; None: 0 to n - 1.

        Returns:
            (n, K) float32 on the model's device.

        Raises:
            CertifyError: the classifier does not answer with logits (n, K).
        """
        self.num_forward += len(images)
        (logits,) = self.chunks.run(self._forward, images.to(self.device), _seeds(images, seeds))
        return logits

    def loss_and_gradient(
        self, images: Tensor, loss: Loss, *given: Tensor, seeds: Tensor | None = None
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Answer images, and say which way each image's loss grows.

        Args:
            images: (n, C, H, W) float32 in [0, 1], n >= 1.
            loss: (logits, *given) to one value per image.
            given: tensors of n rows for the loss: labels first, then target classes where it is targeted.
            seeds: (n,) int64; None: 0 to n - 1.

        Returns:
            Logits (n, K), losses (n,), gradients (n, C, H, W); a gradient that does not exist is zero.

        Raises:
            CertifyError: the classifier does not answer with logits (n, K).
        """
        self.num_forward += len(images)
        self.num_backward += len(images)

        def compute(chunk: Tensor, *given: Tensor) -> tuple[Tensor, ...]:
            return self._backward(chunk, loss, *given)

        given = tuple(values.to(self.device) for values in given)
        seeds = _seeds(images, seeds)
        logits, losses, gradients = self.chunks.run(compute, images.to(self.device), seeds, *given)
        if self._is_searching_in_bf16:
            is_wrong = logits.argmax(1) != given[0]
            if is_wrong.any():
                logits[is_wrong] = self.logits(images.to(self.device)[is_wrong], seeds.to(self.device)[is_wrong])
        return logits, losses, gradients

    def relieve(self) -> bool:
        """Make less memory suffice, after it ran out; say whether that was possible.

        On a GPU fewer images are computed at once from now on. On the CPU the chunk is part of what a number means, and
        one chunk is small.
        """
        if self.device.type != "cuda":
            return False
        torch.cuda.empty_cache()
        is_possible = self.chunks.size > 1
        self.chunks.size = max(self.chunks.size // 2, 1)
        return is_possible

    def _forward(self, chunk: Tensor) -> tuple[Tensor]:
        with torch.no_grad(), exact(self.device):
            return (self._answer(chunk),)

    def _backward(self, chunk: Tensor, loss: Loss, *given: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        with torch.enable_grad(), exact(self.device), self._searching():
            chunk = chunk.detach().requires_grad_()
            logits = self._answer(chunk)
            losses = loss(logits, *given)
            gradient = None
            if losses.requires_grad:
                (gradient,) = torch.autograd.grad(losses.sum(), chunk, allow_unused=True)
        gradient = torch.zeros_like(chunk) if gradient is None else gradient.nan_to_num(0.0, 0.0, 0.0)
        return logits.detach(), losses.detach(), gradient

    def _answer(self, chunk: Tensor) -> Tensor:
        return forward(self.classifier, chunk).float()

    def _searching(self) -> AbstractContextManager[object]:
        """Return what a pass with a gradient runs in; autocast belongs to a thread, so it is entered in each."""
        return torch.autocast(self.device.type, dtype=torch.bfloat16, enabled=self._is_searching_in_bf16)


def _seeds(images: Tensor, seeds: Tensor | None) -> Tensor:
    return torch.arange(len(images)) if seeds is None else seeds
