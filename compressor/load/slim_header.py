"""What a slim checkpoint says about itself: one JSON text, which is untrusted input.

Everything is checked against limits here, before anything is built or allocated.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field
from safetensors import safe_open

from compressor.errors import CompressorError, EvidenceError, LoadError
from compressor.load.fit import Shape
from compressor.load.manifest import MAX_SIZE, Manifest
from compressor.load.pickles import read_pickle
from compressor.records import parse, strict

SCHEMA = "compress.slim/1"
KEY = "compress"
"""The one metadata key of the safetensors file, and the key of the text in a `.pt` file."""
WEIGHTS = "state_dict"
"""The key of the weights in a `.pt` file."""
MAX_HEADER_BYTES = 16 * 2**20

Size = Annotated[int, Field(strict=True, ge=0, le=MAX_SIZE)]
Side = Annotated[int, Field(strict=True, ge=1, le=16384)]
Name = Annotated[str, Field(max_length=500)]
Line = Annotated[str, Field(max_length=10_000)]
Digest = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


@strict
@dataclass(frozen=True, slots=True, kw_only=True)
class SlimHeader:
    """The JSON inside a slim checkpoint."""

    schema: Name
    tool_version: Name
    architecture: Name
    """Of the dense network."""
    arguments: Annotated[dict[Name, Size | Name], Field(max_length=16)]
    """What the dense network is built with."""
    removed_blocks: Annotated[tuple[Name, ...], Field(max_length=10_000)]
    """Modules that become `nn.Identity`."""
    manifest: Annotated[Manifest, Field(max_length=100_000)]
    """Module -> the integers that differ from the dense network."""
    input_shape: tuple[Side, Side, Side]
    """(C, H, W) of one image."""
    input_known: bool
    """False when nobody said H and W."""
    num_classes: Annotated[int, Field(strict=True, ge=1, le=MAX_SIZE)]
    preprocess: Line | None
    """As `--preprocess` takes it."""
    labels: Annotated[tuple[Name, ...], Field(max_length=MAX_SIZE)] | None
    history: Annotated[tuple[Line, ...], Field(max_length=10_000)]
    parents: Annotated[tuple[Digest, ...], Field(max_length=10_000)]


def parse_header(text: str, *, source: str) -> SlimHeader:
    """Read the JSON of a slim checkpoint.

    Args:
        text: JSON.
        source: what to call it in an error.

    Raises:
        LoadError: not a slim header, or a value outside the limits.
    """
    advice = "write the slim checkpoint anew with compress prune"
    content = text.encode(errors="replace")
    if len(content) > MAX_HEADER_BYTES:
        raise LoadError(f"{source} has a header of {len(content):,} bytes, which no slim model needs", advice=advice)
    try:
        header = parse(content, SlimHeader, source=source)
    except EvidenceError as error:
        raise LoadError(error.message.replace("SlimHeader record", "slim checkpoint"), advice=advice) from error
    except (CompressorError, ValueError, RecursionError) as error:
        raise LoadError(f"{source} is not a slim checkpoint: {error}", advice=advice) from error
    if header.schema != SCHEMA:
        raise LoadError(
            f"{source} is a slim checkpoint of schema {header.schema!r}; this version reads {SCHEMA!r}",
            advice="install the version of compress that wrote it",
        )
    if header.architecture.startswith(("slim:", "memory:")):
        raise LoadError(f"{source} names {header.architecture!r}, which no slim checkpoint can be of", advice=advice)
    if header.labels is not None and len(header.labels) != header.num_classes:
        raise LoadError(f"{source} names {len(header.labels)} classes but has {header.num_classes}", advice=advice)
    return header


def read_structure(path: Path) -> tuple[SlimHeader, dict[str, Shape]]:
    """Read what a slim checkpoint file, `.safetensors` or `.pt`, says about itself, and the shapes of its weights.

    Raises:
        LoadError: it is not a slim checkpoint.
    """
    try:
        if is_safetensors(path):
            with safe_open(path, framework="pt") as opened:
                text = (opened.metadata() or {}).get(KEY)
                shapes = {name: tuple(opened.get_slice(name).get_shape()) for name in opened.keys()}  # noqa: SIM118
        else:
            held: Any = read_pickle(path, trust_pickle=False)
            text = held[KEY]
            shapes = {name: tuple(tensor.shape) for name, tensor in held[WEIGHTS].items()}
    except OSError as error:
        raise LoadError(f"cannot read {path}: {error.strerror or error}", advice="check the path") from error
    except Exception as error:
        raise LoadError(f"{path} is not a slim checkpoint", advice="slim:FILE needs one that compress wrote") from error
    if not isinstance(text, str):
        raise LoadError(f"{path} is not a slim checkpoint", advice="slim:FILE needs one that compress wrote")
    return parse_header(text, source=str(path)), shapes


def is_safetensors(path: Path) -> bool:
    """Say whether a file begins as safetensors files do: eight bytes of length, then JSON."""
    with path.open("rb") as file:
        return file.read(9)[8:] == b"{"
