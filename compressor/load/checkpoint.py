"""The record that every later stage starts from: a model and what is known about it."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor, nn

from compressor.data.preprocess import Normalised, Preprocess
from compressor.errors import LoadError
from compressor.files import canonical_json

Arguments = dict[str, int | str]
"""What an architecture is built with, besides its name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """A trained classifier with everything that is known about it."""

    model: nn.Module
    """Takes normalised images (N, C, H, W) float32, answers logits (N, K). In eval mode, on the CPU, float32."""
    architecture: str
    """How it is rebuilt: `cifar:resnet20`, `torchvision:resnet18`, ...; `memory:ClassName` when it cannot be."""
    arguments: Arguments = field(default_factory=dict)
    """Constructor arguments: num_classes, in_channels, ..."""
    input_shape: tuple[int, int, int]
    """(C, H, W) of one image."""
    input_known: bool = True
    """False when H and W are the default of the architecture and nobody said them."""
    num_classes: int
    preprocess: Preprocess | None = None
    """None: nobody said."""
    labels: tuple[str, ...] | None = None
    """Name of each class; None: nobody said."""
    removed_blocks: tuple[str, ...] = ()
    """Modules of the architecture that became `nn.Identity`."""
    history: tuple[str, ...] = ()
    """What was done to it by compress, one line each. Empty: as delivered."""
    parents: tuple[str, ...] = ()
    """sha256 of the checkpoints it was made from, oldest first."""
    sha256: str
    """Of the file; of the weights (`sha256_of_weights`) for a model in memory."""
    source: str = "<memory>"
    """Path, or `<memory>`."""
    notes: tuple[str, ...] = ()
    """What was recognised, and keys that were left over."""

    def classifier(self) -> nn.Module:
        """Return the model with its normalisation in front: images in [0, 1] -> logits.

        Raises:
            LoadError: no preprocessing is known, or it does not fit the channels.
        """
        if self.preprocess is None:
            raise LoadError(
                f"{self.source} does not say how images are normalised",
                advice="say it with --preprocess: none, imagenet, cifar10 or mean=a,b,c;std=d,e,f",
            )
        self.preprocess.check_channels(self.input_shape[0])
        return Normalised(self.model, self.preprocess)

    def followed_by(
        self, model: nn.Module, what: str, *, removed_blocks: tuple[str, ...] | None = None
    ) -> "Checkpoint":
        """Return the checkpoint that `what` made out of this one: same facts, new weights, one line more of history.

        Args:
            model: the new model, in eval mode on the CPU.
            what: one line for a person, with the numbers that matter.
            removed_blocks: None: as here.
        """
        return replace(
            self,
            model=model,
            history=(*self.history, what),
            parents=(*self.parents, self.sha256),
            sha256=sha256_of_weights(model.state_dict()),
            removed_blocks=self.removed_blocks if removed_blocks is None else removed_blocks,
            notes=(),
        )


def sha256_of_weights(state: Mapping[str, Tensor]) -> str:
    """Return one digest over names, types, shapes and values, independent of the order of names."""
    digest = hashlib.sha256()
    for name in sorted(state):
        tensor = state[name].detach().cpu().contiguous()
        head = canonical_json([name, str(tensor.dtype), list(tensor.shape)])
        digest.update(len(head).to_bytes(8, "little") + head)
        digest.update(tensor.reshape(-1).view(torch.uint8).numpy().tobytes() if tensor.numel() else b"")
    return digest.hexdigest()
