"""The training images in memory as bytes, and batches of them augmented where the model is.

Legend: N images in the set, n in a batch, C channels, H x W pixels.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from compressor.data.images import MEMORY_LIMIT_BYTES, READ_AT_ONCE, ImageSet
from compressor.finetune.augmentation import Augmentation, as_floats
from compressor.progress import Progress


class Pixels:
    """Training images by index, decoded once where they fit into memory. Sources finer than 8 bits are rounded."""

    def __init__(self, images: ImageSet, *, device: torch.device, progress: Progress) -> None:
        """Decode all images now when they fit.

        Args:
            images: the training images; never others.
            device: where batches are wanted.
            progress: told about decoding.
        """
        channels, height, width = images.shape
        self.images = images
        self.device = device
        self.labels = torch.as_tensor(images.labels, dtype=torch.int64).to(device)
        self.stored: Tensor | None = None
        if len(images) * channels * height * width > MEMORY_LIMIT_BYTES:
            progress.say(f"{len(images)} training images do not fit into memory; they are read batch by batch")
            return
        stored = torch.empty((len(images), channels, height, width), dtype=torch.uint8)
        with progress.stage("decode training images", total=len(images), unit="image") as step:
            for start in range(0, len(images), READ_AT_ONCE):
                indices = range(start, min(start + READ_AT_ONCE, len(images)))
                stored[start : indices.stop] = images.read_uint8(indices)
                step.advance(len(indices))
        self.stored = stored.to(device)

    def batch(self, indices: Tensor, augmentation: Augmentation | None) -> Tensor:
        """Return images in [0, 1]: (n, C, H, W) float32, channels last in memory.

        Args:
            indices: (n,) int64 on the CPU.
            augmentation: of this epoch; None: the images as they are.
        """
        if self.stored is not None:
            raw = self.stored[indices.to(self.device)]
        else:
            listed: Sequence[int] = indices.tolist()
            raw = self.images.read_uint8(listed).to(self.device)
        return as_floats(raw) if augmentation is None else augmentation(raw, indices)


def split_evenly(indices: Tensor, size: int) -> tuple[Tensor, ...]:
    """Split into parts of at least `size` (or one part), whose lengths differ by at most one: none is left over."""
    return torch.tensor_split(indices, max(1, len(indices) // size))
