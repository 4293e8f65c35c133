"""The training images in memory as bytes, and batches of them augmented where the model is.

Legend: N images in the set, n in a batch, C channels, H x W pixels.
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from compressor.data.images import MEMORY_LIMIT_BYTES, READ_AT_ONCE, ImageSet
from compressor.finetune.randomness import Draws
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

    def batch(self, indices: Tensor, draws: Draws | None) -> Tensor:
        """Return images in [0, 1]: (n, C, H, W) float32, channels last in memory.

        Args:
            indices: (n,) int64 on the CPU.
            draws: how each image of the set is augmented; None: not at all.
        """
        if self.stored is not None:
            raw = self.stored[indices.to(self.device)]
        else:
            listed: Sequence[int] = indices.tolist()
            raw = self.images.read_uint8(listed).to(self.device)
        if draws is not None:
            down, right, mirrored = (
                part[indices].to(self.device) for part in (draws.down, draws.right, draws.mirrored)
            )
            raw = shift_and_mirror(raw, down=down, right=right, mirrored=mirrored, padding=draws.padding)
        return raw.to(torch.float32, memory_format=torch.channels_last).div_(255.0)


def shift_and_mirror(images: Tensor, *, down: Tensor, right: Tensor, mirrored: Tensor, padding: int) -> Tensor:
    """Crop each image at its own place of its black-padded self, mirrored or not, in one gather.

    Args:
        images: (n, C, H, W), any dtype.
        down: (n,) int64 in [0, 2 * padding], the first row.
        right: (n,) int64 in [0, 2 * padding], the first column.
        mirrored: (n,) bool, left and right swapped after cropping.
        padding: pixels.

    Returns:
        (n, C, H, W), the same dtype, channels last in memory.
    """
    num, _, height, width = images.shape
    padded = F.pad(images, (padding, padding, padding, padding)).permute(0, 2, 3, 1)
    ascending = torch.arange(width, device=images.device)
    columns = torch.where(mirrored[:, None], width - 1 - ascending, ascending) + right[:, None]
    rows = torch.arange(height, device=images.device) + down[:, None]
    which = torch.arange(num, device=images.device)
    return padded[which[:, None, None], rows[:, :, None], columns[:, None, :]].permute(0, 3, 1, 2)
