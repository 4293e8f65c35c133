"""Where training stands, in one file that is whole or not there, and fits only its own model, data and recipe."""

import io
import pickle
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from compressor.data.images import ImageSet, digest_of_images
from compressor.files import canonical_json, sha256_of_bytes, write_whole
from compressor.finetune.recipe import Recipe
from compressor.load.checkpoint import sha256_of_weights
from compressor.progress import Progress
from compressor.records import to_plain

SCHEMA = "compress.finetune-state/1"


def key_of(model: nn.Module, *, train: ImageSet, select: ImageSet, recipe: Recipe, teacher: nn.Module | None) -> str:
    """Return a digest of all that decides the outcome: weights, images, recipe, teacher."""
    parts = {
        "schema": SCHEMA,
        "model": sha256_of_weights(model.state_dict()),
        "train": digest_of_images(train),
        "select": digest_of_images(select),
        "recipe": to_plain(recipe),
        "teacher": None if teacher is None else sha256_of_weights(teacher.state_dict()),
    }
    return sha256_of_bytes(canonical_json(parts))


@dataclass(frozen=True, slots=True, kw_only=True)
class Keeper:
    """Keeps the state of one training in one file."""

    path: Path
    """Where; written whole or not at all."""
    key: str
    """Whose; see `key_of`."""

    def save(self, content: dict[str, Any]) -> None:
        """Write the state; a reader finds the one before or this one.

        Raises:
            OutputError: the place cannot be written.
        """
        buffer = io.BytesIO()
        torch.save({**content, "schema": SCHEMA, "key": self.key}, buffer)
        write_whole(self.path, buffer.getvalue())

    def load(self, *, device: torch.device, progress: Progress) -> dict[str, Any] | None:
        """Read the state back; None, and a word about it, where there is none of this model, data and recipe."""
        if not self.path.exists():
            return None
        try:
            content = torch.load(self.path, map_location=device, weights_only=True)
        except (OSError, RuntimeError, EOFError, ValueError, KeyError, pickle.UnpicklingError):
            content = None
        if not isinstance(content, dict):
            progress.say(f"{self.path} is not a readable training state; training starts anew")
            return None
        if content.get("key") != self.key:
            progress.say(f"{self.path} is of another model, data or recipe; training starts anew")
            return None
        return content
