"""The model that is attacked and the file that ships, answering side by side: wrong on either is wrong."""

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from types import TracebackType

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from compressor.attacks.chunks import Chunks
from compressor.attacks.losses import margin
from compressor.attacks.model import AttackedModel
from compressor.errors import CertifyError
from compressor.load.checkpoint import Checkpoint
from compressor.runtime.session import Session, open_session
from compressor.types import Precision


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Reply:
    """What the twins answer to n images."""

    twin: NDArray[np.float32]
    """Logits of the torch model (n, K)."""
    shipped: NDArray[np.float32]
    """Logits of the ONNX file (n, K); the torch model's again where there is no file."""

    def right(self, labels: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Return where both answer right: (n,). An answer with NaN or infinity is wrong."""
        twin, shipped = np.equal(self.twin.argmax(1), labels), np.equal(self.shipped.argmax(1), labels)
        return np.asarray(twin & shipped & self.is_finite, dtype=np.bool_)

    @property
    def is_finite(self) -> NDArray[np.bool_]:
        """Where both answers are numbers: (n,)."""
        finite = np.isfinite(self.twin).all(1) & np.isfinite(self.shipped).all(1)
        return np.asarray(finite, dtype=np.bool_)

    def nearness(self, labels: NDArray[np.int64]) -> NDArray[np.float32]:
        """Return how near to wrong the torch model is: the best wrong logit minus the right one (n,)."""
        return margin(torch.from_numpy(self.twin), torch.from_numpy(labels)).numpy()


class Shipped:
    """The ONNX file as attacks without gradients see it: logits, counted."""

    def __init__(self, session: Session, chunks: Chunks) -> None:
        self.session = session
        self.num_forward = 0
        self._chunks = chunks

    def logits(self, images: Tensor, seeds: Tensor | None = None) -> Tensor:
        """Answer images on the CPU, in the chunks and slots that give an image the same numbers in any company.

        Args:
            images: (n, C, H, W) float32 in [0, 1], n >= 1.
            seeds: (n,) int64; None: 0 to n - 1.

        Returns:
            (n, K) float32, on the images' device.
        """
        self.num_forward += len(images)
        rows = torch.arange(len(images)) if seeds is None else seeds
        (logits,) = self._chunks.run(self._compute, images.cpu(), rows.cpu())
        return logits.to(images.device)

    def _compute(self, chunk: Tensor) -> tuple[Tensor]:
        return (torch.from_numpy(np.asarray(self.session.answer(chunk.numpy()), dtype=np.float32)),)


class Twins:
    """A checkpoint opened for attack, and the ONNX file made from it. A context; `model` is the torch twin."""

    def __init__(
        self, checkpoint: Checkpoint, artefact: bytes | None, *, device: str = "cpu", threads: int | None = None
    ) -> None:
        """Open both.

        Args:
            checkpoint: the torch model; gradients come from it.
            artefact: the ONNX file, or None.
            device: where torch computes; the file is answered on the CPU, which every target can repeat.
            threads: chunks computed at the same time; changes no result.

        Raises:
            CertifyError: the file takes other images or gives other classes than the model.
            LoadError: the model has no preprocessing, or the file is not an ONNX classifier.
        """
        self.name = checkpoint.architecture
        self.num_classes = checkpoint.num_classes
        self.model = AttackedModel(
            checkpoint.classifier(), shape=checkpoint.input_shape, device=device, threads=threads
        )
        self.session = None if artefact is None else _opened(artefact, checkpoint)
        self.file = None if self.session is None else Shipped(self.session, self.model.chunks)
        self._stack = ExitStack()

    @property
    def rounding(self) -> str | None:
        """Why a bound about the float32 network says nothing about the file; None where it is float32 itself."""
        if self.session is None:
            return None
        if self.session.precision is not Precision.FP32:
            return f"the file computes in {self.session.precision}, and bounds are about the float32 network"
        if self.session.takes_frames:
            return "the file sees images rounded to bytes, and bounds are about images as they are"
        return None

    def __enter__(self) -> "Twins":
        self._stack.enter_context(self.model)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def answer(self, images: Tensor, seeds: NDArray[np.int64]) -> Reply:
        """Answer images with both.

        Args:
            images: (n, C, H, W) float32 in [0, 1], n >= 1.
            seeds: (n,).

        Raises:
            CertifyError: the number of classes is not what the checkpoint says.
        """
        twin = self.model.logits(images, torch.from_numpy(seeds)).cpu().numpy()
        if twin.shape[1] != self.num_classes:
            raise CertifyError(
                f"{self.name} answers with {twin.shape[1]} classes, its checkpoint says {self.num_classes}",
                advice="give the right --num-classes",
            )
        return Reply(twin=twin, shipped=twin if self.file is None else self._shipped(self.file, images, seeds))

    def _shipped(self, file: Shipped, images: Tensor, seeds: NDArray[np.int64]) -> NDArray[np.float32]:
        answers: NDArray[np.float32] = file.logits(images.cpu(), torch.from_numpy(seeds)).numpy()
        if answers.shape[1] != self.num_classes:
            raise CertifyError(
                f"the ONNX file answers with {answers.shape[1]} classes, {self.name} has {self.num_classes}",
                advice="export the checkpoint again with compress export",
            )
        return answers


def _opened(artefact: bytes, checkpoint: Checkpoint) -> Session:
    session = open_session(artefact, provider="cpu", threads=1)
    if session.image_shape != tuple(checkpoint.input_shape):
        raise CertifyError(
            f"the ONNX file takes images {session.image_shape}, the model {tuple(checkpoint.input_shape)}",
            advice="export the checkpoint again with compress export",
        )
    return session


def check_labels(labels: Sequence[int] | NDArray[np.int64], checkpoint: Checkpoint) -> None:
    """Refuse labels that the model cannot answer with.

    Raises:
        CertifyError: there is no image, or a label is outside the model's classes.
    """
    if len(labels) == 0:
        raise CertifyError("there are no images to certify on", advice="give a data set with test images")
    low, high = int(np.min(labels)), int(np.max(labels))
    if low < 0 or high >= checkpoint.num_classes:
        raise CertifyError(
            f"label {high if high >= checkpoint.num_classes else low} is outside the model's "
            f"{checkpoint.num_classes} classes",
            advice="use data of the same classes, or give the right --num-classes",
        )
    if checkpoint.num_classes < 2:
        raise CertifyError("a model with one class has no wrong answer", advice="give the right --num-classes")
