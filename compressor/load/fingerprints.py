"""What tells torchvision's classifiers apart: a small table of digests over parameter names and shapes.

No two of the 80 share names and shapes, so both together identify them. Dimensions that a user may change without
changing the network (classes, image channels, position embeddings of other image sizes) are left free.

The table `fingerprints.json` is written by `python -m compressor.load.fingerprints`; a test compares it with the
installed torchvision. Recognising a file needs the table only; nothing is built.
"""

import functools
import hashlib
import json
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from pydantic import TypeAdapter
from torch import nn

from compressor.files import write_whole
from compressor.load.architectures import construct
from compressor.load.checkpoint import Arguments
from compressor.load.families import torchvision_names
from compressor.load.fit import Shape, is_counter, shapes_of

TABLE = Path(__file__).with_name("fingerprints.json")
SKETCH_SIZE = 24
"""Enough to rank candidates: the estimate of a similarity has a standard error of at most 0.1."""
WITHOUT_AUX = ("googlenet", "inception_v3")
"""Networks that are also used without their auxiliary heads."""
POSITIONS = "encoder.pos_embedding"
"""Position embeddings of torchvision's vision transformers: one row per patch and one for the class."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fingerprint:
    """One architecture of the table."""

    name: str
    """As `torchvision.models.get_model` takes it."""
    arguments: Arguments
    """Arguments that change names: aux_logits."""
    names: str
    """Digest over the names."""
    shapes: str
    """Digest over names and shapes with free dimensions."""
    heads: tuple[str, ...]
    """Weights and biases whose first dimension is the number of classes."""
    stem: str
    """Weight whose second dimension is the number of image channels."""
    sketch: tuple[int, ...]
    """The smallest hashes of names."""
    shape_sketch: tuple[int, ...]
    """The smallest hashes of names with shapes."""

    def free(self, shapes: Mapping[str, Shape]) -> dict[str, Shape]:
        """Return the shapes with -1 in every free dimension."""
        freed = dict(shapes)
        for name in self.heads:
            if name in freed:
                freed[name] = (-1, *freed[name][1:])
        if len(freed.get(self.stem, ())) > 1:
            freed[self.stem] = (freed[self.stem][0], -1, *freed[self.stem][2:])
        if len(freed.get(POSITIONS, ())) == 3:
            freed[POSITIONS] = (1, -1, freed[POSITIONS][2])
        return freed


def digest_of_names(names: Iterable[str]) -> str:
    """Return a digest over a set of names, without counters."""
    text = "\n".join(sorted(name for name in names if not is_counter(name)))
    return hashlib.sha256(text.encode(errors="replace")).hexdigest()[:16]


def digest_of_shapes(shapes: Mapping[str, Shape]) -> str:
    """Return a digest over names and shapes, without counters."""
    text = "\n".join(_entries(shapes))
    return hashlib.sha256(text.encode(errors="replace")).hexdigest()[:16]


def sketch_of(texts: Iterable[str]) -> tuple[int, ...]:
    """Return the smallest hashes of a set: two sketches estimate how much two sets share.

    Source: Broder, "On the resemblance and containment of documents", 1997.
    """
    return tuple(sorted({zlib.crc32(text.encode(errors="replace")) for text in texts})[:SKETCH_SIZE])


def similarity(one: tuple[int, ...], other: tuple[int, ...]) -> float:
    """Estimate the share of common elements among all elements of two sets, in [0, 1]."""
    both = sorted({*one, *other})[:SKETCH_SIZE]
    return len(set(both) & set(one) & set(other)) / max(len(both), 1)


def resemblance(fingerprint: Fingerprint, shapes: Mapping[str, Shape]) -> float:
    """Estimate how near a file is to an architecture: names and shapes, in [0, 2]."""
    names = similarity(fingerprint.sketch, sketch_of(name for name in shapes if not is_counter(name)))
    return names + similarity(fingerprint.shape_sketch, sketch_of(_entries(fingerprint.free(shapes))))


@functools.cache
def table() -> tuple[Fingerprint, ...]:
    """Return the committed table."""
    return TypeAdapter(tuple[Fingerprint, ...]).validate_json(TABLE.read_bytes())


def fingerprint_of(name: str, arguments: Arguments) -> Fingerprint:
    """Compute the fingerprint of one classifier of the installed torchvision."""
    model = construct(f"torchvision:{name}", arguments, initialise=False)
    shapes = shapes_of(model)
    other = shapes_of(construct(f"torchvision:{name}", {**arguments, "num_classes": 7}, initialise=False))
    stem = next(name for name, module in model.named_modules() if isinstance(module, nn.Conv2d))
    found = Fingerprint(
        name=name,
        arguments=arguments,
        names=digest_of_names(shapes),
        shapes="",
        heads=tuple(sorted(each for each in shapes if shapes[each] != other[each])),
        stem=f"{stem}.weight",
        sketch=sketch_of(shapes),
        shape_sketch=(),
    )
    freed = found.free(shapes)
    return Fingerprint(
        name=name,
        arguments=arguments,
        names=found.names,
        shapes=digest_of_shapes(freed),
        heads=found.heads,
        stem=found.stem,
        sketch=found.sketch,
        shape_sketch=sketch_of(_entries(freed)),
    )


def compute_table() -> tuple[Fingerprint, ...]:
    """Compute the table anew from the installed torchvision."""
    variants: list[tuple[str, Arguments]] = [(name, {}) for name in torchvision_names()]
    variants += [(name, {"aux_logits": 0}) for name in WITHOUT_AUX]
    return tuple(fingerprint_of(name, arguments) for name, arguments in variants)


def _entries(shapes: Mapping[str, Shape]) -> list[str]:
    return sorted(f"{name} {tuple(shape)}" for name, shape in shapes.items() if not is_counter(name))


def write_table() -> None:
    """Write the committed table anew, one architecture a line."""
    rows = [
        {key: getattr(each, key) for key in Fingerprint.__dataclass_fields__} for each in compute_table()
    ]  # fmt: skip
    write_whole(TABLE, ("[\n" + ",\n".join(json.dumps(row) for row in rows) + "\n]\n").encode())


if __name__ == "__main__":
    write_table()
