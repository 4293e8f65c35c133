"""Where training stands, in a file of its own for each model, data and recipe, which is whole or not there."""

import io
import pickle
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from compressor.data.images import ImageSet, digest_of_images
from compressor.errors import FinetuneError
from compressor.files import canonical_json, sha256_of_bytes, write_whole
from compressor.finetune.recipe import Recipe
from compressor.load.checkpoint import sha256_of_weights
from compressor.progress import Progress
from compressor.records import to_plain

SCHEMA = "compress.finetune-state/2"


def parts_of(
    model: nn.Module, *, train: ImageSet, select: ImageSet, recipe: Recipe, teacher: nn.Module | None
) -> dict[str, Any]:
    """Return all that decides the outcome, by name: digests of weights and images, and the recipe."""
    return {
        "schema": SCHEMA,
        "model": sha256_of_weights(model.state_dict()),
        "training images": digest_of_images(train),
        "select images": digest_of_images(select),
        "recipe": to_plain(recipe),
        "teacher": None if teacher is None else sha256_of_weights(teacher.state_dict()),
    }


def key_of(parts: dict[str, Any]) -> str:
    """Return the digest of all that decides the outcome, 64 hex digits."""
    return sha256_of_bytes(canonical_json(parts))


@dataclass(frozen=True, slots=True, kw_only=True)
class Keeper:
    """Keeps the state of one training; another one has another file, so that none is ever overwritten by it."""

    folder: Path
    """Where states lie."""
    parts: dict[str, Any]
    """Whose; see `parts_of`."""

    @property
    def key(self) -> str:
        """See `key_of`."""
        return key_of(self.parts)

    @property
    def path(self) -> Path:
        """The file, named by the model and by everything."""
        return self.folder / f"{self.parts['model'][:16]}-{self.key[:16]}.pt"

    def save(self, content: dict[str, Any]) -> None:
        """Write the state; a reader finds the one before or this one.

        Raises:
            OutputError: the place cannot be written.
        """
        buffer = io.BytesIO()
        torch.save({**content, "schema": SCHEMA, "key": self.key, "parts": self.parts}, buffer)
        write_whole(self.path, buffer.getvalue())

    def load(self, *, progress: Progress) -> dict[str, Any] | None:
        """Read the state back, on the CPU; None where there is none, and a word about why.

        Raises:
            FinetuneError: the file says that it is of another training, which its name denies.
        """
        if not self.path.exists():
            self._tell_of_others(progress)
            return None
        content = _read(self.path)
        if content is None:
            progress.say(f"{self.path} is not a readable training state; training starts anew")
            return None
        if content.get("key") != self.key:
            raise FinetuneError(
                f"{self.path} is the state of another model, data or recipe, under the name of this one",
                advice="move it away, or use another --work-dir: it would be overwritten",
            )
        return content

    def _tell_of_others(self, progress: Progress) -> None:
        """Say where the last training of this model differs, so that nobody waits in vain for it to go on."""
        others = sorted(self.folder.glob(f"{self.parts['model'][:16]}-*.pt"), key=lambda path: path.stat().st_mtime)
        there = (_read(others[-1]) or {}).get("parts") if others else None
        if isinstance(there, dict):
            differing = ", ".join(_differing(there, self.parts))
            progress.say(f"{others[-1]} is of another training ({differing}); it stays, and this one starts anew")


def _differing(there: dict[str, Any], here: dict[str, Any]) -> list[str]:
    """Return what differs, in words; of a recipe value by value."""
    words = [f"other {name}" for name in here if name != "recipe" and there.get(name) != here[name]]
    recipe = there.get("recipe", {})
    return words + [
        f"{name} {recipe.get(name)} there, {value} here"
        for name, value in here["recipe"].items()
        if recipe.get(name) != value
    ]


def _read(path: Path) -> dict[str, Any] | None:
    """Return what a state file holds; None where it cannot be read."""
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except (OSError, RuntimeError, EOFError, ValueError, KeyError, pickle.UnpicklingError):
        return None
    return content if isinstance(content, dict) else None
