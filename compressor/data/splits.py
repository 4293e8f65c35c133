"""What every form of `--data` is asked for, and what it hands back: the sets as stored, before they get their roles."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from compressor.data.images import ImageSet
from compressor.data.preprocess import Preprocess
from compressor.errors import OptionError
from compressor.progress import SILENT, Progress

Split = Literal["train", "val", "select", "test"]
"""What a stored set is called. `select` is said outright; `val` becomes select or test."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What the caller asked for."""

    spec: str
    """The `--data` text, for messages."""

    preprocess: Preprocess | None = None
    """How images of another size are brought to the input size; None: short side and centre crop."""

    input_size: tuple[int, int] | None = None
    """(H, W) that the model takes; None: the crop of `preprocess`, or the size that all images have."""

    channels: int | None = None
    """Channels that the model takes; None: what the first image has."""

    cache: Path | None = None
    """Where resized training images and the index of their files are kept; None: nowhere."""

    progress: Progress = SILENT
    """Who wants to know."""

    @property
    def size(self) -> tuple[int, int] | None:
        """(H, W) that images must come to, as far as it is said.

        Raises:
            OptionError: the input size, the crop and the resize contradict each other.
        """
        crop = self.preprocess.crop if self.preprocess else None
        resize = self.preprocess.resize if self.preprocess else None
        size = self.input_size or ((crop, crop) if crop else (resize, resize) if resize else None)
        if size is None:
            return None
        text = f"{size[0]}x{size[1]}"
        if crop is not None and size != (crop, crop):
            raise OptionError(
                f"--preprocess crops to {crop}x{crop}, but the input size is {text}",
                advice="give the same size in --preprocess and --input-size, or leave crop out",
            )
        if resize is not None and resize < max(size):
            raise OptionError(
                f"--preprocess resizes the short side to {resize}, but the input size is {text}",
                advice="the input is cut out of the resized image: make resize at least as large",
            )
        return size


@dataclass(frozen=True, slots=True, kw_only=True)
class Splits:
    """The sets that a source holds."""

    class_names: tuple[str, ...]
    """K names, in the order of the labels."""

    train: ImageSet | None = None
    """Training images."""

    val: ImageSet | None = None
    """Validation images: select when there are test images too, otherwise test."""

    select: ImageSet | None = None
    """Images that the source itself declares to be for selection."""

    test: ImageSet | None = None
    """Test images."""

    notes: tuple[str, ...] = ()
    """Sentences a person should read."""
