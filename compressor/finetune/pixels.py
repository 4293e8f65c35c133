"""The training images, and batches of them augmented where the model is: from memory as bytes, or streamed.

Legend: N images in the set, n in a batch, C channels, H x W pixels.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from compressor.data.images import MEMORY_LIMIT_BYTES, READ_AT_ONCE, ImageSet
from compressor.errors import DataError, FinetuneError
from compressor.finetune.augmentation import Augmentation, as_floats
from compressor.finetune.stream import Stream
from compressor.progress import Progress


class Pixels:
    """Training images by index, decoded once where they fit into memory. Sources finer than 8 bits are rounded.

    All are decoded before training, also where they do not fit: one that cannot be read is left out from the beginning,
    so that order and augmentation are the same however images are held.
    """

    def __init__(self, images: ImageSet, *, device: torch.device, progress: Progress) -> None:
        """Decode all images now.

        Args:
            images: the training images; never others.
            device: where batches are wanted.
            progress: told about decoding.

        Raises:
            FinetuneError: fewer than two images can be read.
        """
        channels, height, width = images.shape
        fits = len(images) * channels * height * width <= MEMORY_LIMIT_BYTES
        if not fits:
            progress.say(f"{len(images)} training images do not fit into memory; they are read ahead batch by batch")
        stored = torch.empty((len(images) if fits else 0, channels, height, width), dtype=torch.uint8)
        unreadable: dict[int, str] = {}
        with progress.stage("decode training images", total=len(images), unit="image") as step:
            for start in range(0, len(images), READ_AT_ONCE):
                wanted = range(start, min(start + READ_AT_ONCE, len(images)))
                num_before = start - len(unreadable)
                raw = _decoded(images, wanted if fits else _unknown(images, wanted), unreadable)
                if fits:
                    stored[num_before : num_before + len(raw)] = raw
                step.advance(len(wanted))
        if unreadable:
            images = _without(images, unreadable, progress)
        self.images = images
        """Those that can be read."""
        self.skipped = tuple(unreadable.values())
        """A sentence about each of the others."""
        self.device = device
        self.labels = torch.as_tensor(images.labels, dtype=torch.int64).to(device)
        self.stored = stored[: len(images)].to(device) if fits else None
        self.stream = None if fits else Stream(images, device=device)

    def expect(self, batches: Sequence[Tensor]) -> None:
        """Say which batches will be asked for next, in their order, so that they can be read ahead."""
        if self.stream is not None:
            self.stream.announce(batches)

    def batch(self, indices: Tensor, augmentation: Augmentation | None) -> Tensor:
        """Return images in [0, 1]: (n, C, H, W) float32, channels last in memory.

        Args:
            indices: (n,) int64 on the CPU.
            augmentation: of this epoch; None: the images as they are.

        Raises:
            DataError: an image that could be read before training cannot any more.
        """
        if self.stored is not None:
            raw = self.stored[indices.to(self.device)]
        else:
            assert self.stream is not None
            raw = self.stream.read(indices).to(self.device, non_blocking=True)
        return as_floats(raw) if augmentation is None else augmentation(raw, indices)


def _unknown(images: ImageSet, wanted: Sequence[int]) -> Sequence[int]:
    """Return those of the images that were not decoded before and kept."""
    knower = images.knower
    return wanted if knower is None else [index for index in wanted if not knower(index)]


def _decoded(images: ImageSet, wanted: Sequence[int], unreadable: dict[int, str]) -> Tensor:
    """Return the images (n, C, H, W) uint8 that can be read; why the others cannot is added to `unreadable`."""
    try:
        return images.read_uint8(wanted)
    except DataError:  # one of them; which, is found out one by one
        found = [torch.empty((0, *images.shape), dtype=torch.uint8)]
    for index in wanted:
        try:
            found.append(images.read_uint8([index]))
        except DataError as error:
            unreadable[index] = error.message
    return torch.cat(found)


def _without(images: ImageSet, unreadable: dict[int, str], progress: Progress) -> ImageSet:
    """Return the images that can be read, and tell how many cannot."""
    left = [index for index in range(len(images)) if index not in unreadable]
    first = next(iter(unreadable.values()))
    told = f"{len(unreadable)} of {len(images)} training images cannot be read; the first: {first}"
    if len(left) < 2:
        raise FinetuneError(told, advice="look at the files: they may have been copied only in part")
    progress.say(f"skipped: {told}")
    return images.take(left)
