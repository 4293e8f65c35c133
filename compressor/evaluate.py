"""The one loop from a model and images to logits.

Measured on the CPU: the last bits of an image's logits depend on the shape of its batch; on its place in it (the rows
of a matrix of odd width, as pruned linear layers have it, start at other alignments); and, behind 1x1 convolutions, on
the number of threads. They do not depend on the other images of the batch. So every batch here is one chunk of a
fixed shape, padded with black images, and every operator runs on one thread; several chunks run side by side instead.
"""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from compressor.data.images import ImageSet
from compressor.errors import CertifyError, first_line, is_out_of_memory
from compressor.progress import SILENT, Progress

LARGEST_CHUNK = 32
LARGEST_PIXELS = 64 * 64
"""Up to this many pixels an image is small."""

CHUNKS_AT_ONCE = 16
"""So many chunks are read together: enough for all threads, and never more than 100 MB of common image sizes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answers:
    """What a model answers to images."""

    logits: NDArray[np.float32]
    """(N, K) float32."""

    labels: NDArray[np.int64]
    """(N,) int64, the right answers."""

    @property
    def predictions(self) -> NDArray[np.int64]:
        """(N,) int64, the class of the largest logit (the first of equal ones)."""
        largest: NDArray[np.int64] = self.logits.argmax(axis=1)
        return largest

    @property
    def right(self) -> NDArray[np.bool_]:
        """(N,) bool, whether the prediction is the label."""
        equal: NDArray[np.bool_] = self.predictions == self.labels
        return equal

    @property
    def accuracy(self) -> float:
        """Share of right answers, in [0, 1]."""
        return float(self.right.mean())


def chunk_size(shape: tuple[int, int, int]) -> int:
    """Return how many images one forward pass takes, by the image's height and width alone.

    32 up to 64 x 64 pixels, 16 up to four times as many, then 8, 4, 2, 1. Measured on one CPU thread: small networks
    win at most a fifth by larger chunks, and with few images left over padding costs more than that.
    """
    size, pixels = LARGEST_CHUNK, shape[1] * shape[2]
    while size > 1 and pixels > LARGEST_PIXELS:
        size, pixels = size // 2, -(-pixels // 4)
    return size


def logits_of(model: nn.Module, batch: Tensor, *, device: torch.device) -> Tensor:
    """Answer a batch of any size, in chunks of one fixed shape.

    The logits of image i depend, to the last bit, on the image, the model, the device and i modulo the chunk size:
    not on the other images, the size of the batch or the number of threads.

    Args:
        model: images (n, C, H, W) float32 in [0, 1] to logits (n, K); left in the mode and place it was found in. Its
            forward may run in several threads at once.
        batch: (N, C, H, W) float32 in [0, 1], N >= 1.
        device: where to compute.

    Returns:
        (N, K) float32 on the CPU.

    Raises:
        CertifyError: the model cannot take such images, answers something else than logits, or NaN or infinity.
    """
    with _ready(model, device) as pool:
        return _answer(model, batch, device=device, pool=pool, names=None)


def evaluate(
    model: nn.Module, images: ImageSet, *, device: torch.device | str = "cpu", progress: Progress = SILENT
) -> Answers:
    """Answer all images, in their order.

    Args:
        model: images (n, C, H, W) float32 in [0, 1] to logits (n, K); left in the mode and place it was found in.
        images: at least one.
        device: where to compute.
        progress: told after each group of images.

    Raises:
        CertifyError: the model cannot take such images, answers something else than logits, or NaN or infinity.
        DataError: an image cannot be read.
    """
    place = torch.device(device)
    at_once = CHUNKS_AT_ONCE * chunk_size(images.shape)
    parts = []
    with (
        _ready(model, place) as pool,
        progress.stage(f"answer {images.role} images", total=len(images), unit="image") as step,
    ):
        for start in range(0, len(images), at_once):
            stop = min(start + at_once, len(images))
            batch = images.read(range(start, stop))
            parts.append(_answer(model, batch, device=place, pool=pool, names=images.names[start:stop]))
            step.advance(stop - start)
    return Answers(logits=torch.cat(parts).numpy(), labels=images.labels)


@contextmanager
def _ready(model: nn.Module, device: torch.device) -> Iterator[ThreadPoolExecutor | None]:
    """Put the model in eval mode on the device, torch on one thread per operator; undo both afterwards."""
    modes = [(module, module.training) for module in model.modules()]
    home = next((tensor.device for tensor in (*model.parameters(), *model.buffers())), device)
    threads = torch.get_num_threads()
    pool = None
    try:
        model.eval().to(device)
        if device.type == "cpu":
            torch.set_num_threads(1)
            # Its threads are new, so that they begin with the one thread per operator that was just set.
            pool = ThreadPoolExecutor(threads) if threads > 1 else None
        yield pool
    finally:
        if pool is not None:
            pool.shutdown(cancel_futures=True)
        torch.set_num_threads(threads)
        for module, training in modes:
            module.training = training
        model.to(home)


def _answer(
    model: nn.Module,
    batch: Tensor,
    *,
    device: torch.device,
    pool: ThreadPoolExecutor | None,
    names: Sequence[str] | None,
) -> Tensor:
    shape = (int(batch.shape[1]), int(batch.shape[2]), int(batch.shape[3]))
    size = chunk_size(shape)

    def one(start: int) -> Tensor:
        part = batch[start : start + size]
        # A fresh chunk even where nothing is padded: a slice of the batch may start at another alignment.
        chunk = torch.zeros((size, *shape))
        chunk[: len(part)] = part
        with torch.inference_mode(), exact(device):
            return forward(model, chunk.to(device))[: len(part)].float().cpu()

    starts = range(0, len(batch), size)
    logits = torch.cat(list(pool.map(one, starts) if pool and len(starts) > 1 else map(one, starts)))
    wrong = (~torch.isfinite(logits)).any(dim=1).nonzero()
    if len(wrong):
        first = int(wrong[0])
        raise CertifyError(
            f"the model answers NaN or infinity for image {names[first] if names else first}",
            advice="its weights are damaged or its training diverged: check the checkpoint, or train with a lower --lr",
        )
    return logits


def exact(device: torch.device) -> AbstractContextManager[None]:
    """Keep cuDNN to float32 and to repeatable kernels; its flags are global, so on the CPU they are left alone."""
    if device.type != "cuda":
        return nullcontext()
    return torch.backends.cudnn.flags(enabled=True, benchmark=False, deterministic=True, allow_tf32=False)


def forward(model: nn.Module, chunk: Tensor) -> Tensor:
    """Return what a model answers (n, K) to a chunk of images (n, C, H, W).

    Raises:
        CertifyError: it cannot take them, or answers something else than logits.
    """
    size = "x".join(str(extent) for extent in chunk.shape[1:])
    try:
        logits = model(chunk)
    except Exception as error:
        if is_out_of_memory(error):
            raise
        raise CertifyError(
            f"the model cannot take images of {size} (channels, height, width): {first_line(error)}",
            advice="check --input-size and --arch against what the model was trained on",
        ) from error
    if not isinstance(logits, Tensor) or logits.ndim != 2 or len(logits) != len(chunk):
        got = f"a tensor of shape {tuple(logits.shape)}" if isinstance(logits, Tensor) else f"a {type(logits).__name__}"
        raise CertifyError(
            f"the model answers {len(chunk)} images of {size} with {got}, not with logits ({len(chunk)}, classes)",
            advice="wrap it so that its forward returns one row of logits per image",
        )
    return logits
