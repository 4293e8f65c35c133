"""Which timm networks have which parameter names and shapes: asked only when torchvision and `cifar:*` do not fit.

The table `timm_table.json` is written by `python -m compressor.load.timm_table` from the installed timm, networks with
equal names and shapes in one row; those that cannot be built without memory are left out. Looking up needs the table
only; the one network that is found is then built, which needs timm.
"""

import functools
import json
import sys
import warnings
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from pydantic import TypeAdapter
from torch import nn

from compressor.files import write_whole
from compressor.load.families import import_timm
from compressor.load.fingerprints import digest_of_names, digest_of_shapes
from compressor.load.fit import Shape, shapes_of

TABLE = Path(__file__).with_name("timm_table.json")
OTHER_CLASSES = 7
"""Tells which tensors depend on the number of classes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TimmNetwork:
    """Networks of timm that share all names and shapes."""

    names: str
    """Digest over parameter names."""
    shapes: str
    """Digest over names and shapes, with free dimensions."""
    heads: tuple[str, ...]
    """Tensors whose first dimension is the number of classes."""
    stem: str
    """Weight whose second dimension is the number of image channels; empty where there is none."""
    models: tuple[str, ...]
    """Their names in timm, the shortest first."""

    def free(self, shapes: Mapping[str, Shape]) -> dict[str, Shape]:
        """Return the shapes with -1 in every free dimension."""
        return _freed(shapes, self.heads, self.stem)


def timm_models(shapes: Mapping[str, Shape]) -> tuple[str, ...]:
    """Return the timm networks that have exactly these names and shapes, the shortest name first; mostly none."""
    names = digest_of_names(shapes)
    for each in table().get(names, ()):
        if each.shapes == digest_of_shapes(each.free(shapes)):
            return each.models
    return ()


@functools.cache
def table() -> dict[str, tuple[TimmNetwork, ...]]:
    """Return the committed table by digest of names."""
    found: dict[str, list[TimmNetwork]] = defaultdict(list)
    for each in TypeAdapter(tuple[TimmNetwork, ...]).validate_json(TABLE.read_bytes()):
        found[each.names].append(each)
    return {names: tuple(rows) for names, rows in found.items()}


def network_of(name: str) -> TimmNetwork:
    """Compute the row of one network of the installed timm, without memory.

    Raises:
        Exception: whatever the network raises when its tensors have no values.
    """
    model = _build(name)
    shapes, other = shapes_of(model), shapes_of(_build(name, num_classes=OTHER_CLASSES))
    heads = tuple(sorted(each for each in shapes if shapes[each] != other[each]))
    stem = next((f"{place}.weight" for place, each in model.named_modules() if isinstance(each, nn.Conv2d)), "")
    freed = _freed(shapes, heads, stem)
    return TimmNetwork(
        names=digest_of_names(shapes), shapes=digest_of_shapes(freed), heads=heads, stem=stem, models=(name,)
    )


def _build(name: str, **arguments: int) -> nn.Module:
    with torch.device("meta"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model: nn.Module = import_timm().create_model(name, pretrained=False, **arguments)
    return model


def _freed(shapes: Mapping[str, Shape], heads: tuple[str, ...], stem: str) -> dict[str, Shape]:
    freed = dict(shapes)
    for name in heads:
        if freed.get(name):
            freed[name] = (-1, *freed[name][1:])
    if len(freed.get(stem, ())) > 1:
        freed[stem] = (freed[stem][0], -1, *freed[stem][2:])
    return freed


def write_table() -> None:
    """Write the committed table anew from the installed timm."""
    rows: dict[tuple[str, str], list[str]] = defaultdict(list)
    kept: dict[tuple[str, str], TimmNetwork] = {}
    for name in import_timm().list_models():
        try:
            found = network_of(name)
        except Exception as error:  # noqa: BLE001 - foreign code; such a network is simply not in the table
            sys.stderr.write(f"{name} is left out: {type(error).__name__}\n")
            continue
        if found.heads:  # without, it is no classifier
            rows[found.names, found.shapes].append(name)
            kept[found.names, found.shapes] = found
    lines = []
    for key, models in sorted(rows.items(), key=lambda item: min(item[1])):
        each = kept[key]
        row = {
            "names": each.names,
            "shapes": each.shapes,
            "heads": each.heads,
            "stem": each.stem,
            "models": sorted(models, key=lambda name: (len(name), name)),
        }
        lines.append(json.dumps(row))
    write_whole(TABLE, ("[\n" + ",\n".join(lines) + "\n]\n").encode())


if __name__ == "__main__":
    write_table()
