"""What an untrusted file may claim: nothing that costs many times its own size in memory or time.

A few bytes can name a tensor of a terabyte, a memo of a billion places or a name of a million parts. Each such claim
is found by looking, before anything is allocated for it.
"""

import pickletools
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import IO

from torch import Tensor

from compressor.errors import LoadError

MAX_NAME = 1000
"""Characters of one name; the longest of torchvision has under 100."""
MAX_PARTS = 64
"""Parts of one name, between dots."""
MAX_GROWTH = 8
"""Weights may take so many times the bytes of their file: half precision doubles, shared weights are written once."""
MAX_INFLATION = 16
"""An archive may unpack to so many times its size: torch.save stores without compression."""
ALLOWANCE = 2**20
"""Bytes that any file may claim."""
ARCHIVE = b"PK\x03\x04"
"""How a zip archive begins."""
NUM_LEGACY_PICKLES = 5
"""A file of torch before 1.6 is a row of pickles: mark, version, machine, content, keys; then the numbers."""
MEMO_OPCODES = ("PUT", "BINPUT", "LONG_BINPUT")
ADVICE = "no training script writes such a file; do not trust where it comes from"


def check_archive(path: Path) -> list[str]:
    """Return the names in a zip archive, without their folders.

    Raises:
        LoadError: damaged, or it would unpack to many times its size.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            entries = archive.infolist()
    except (zipfile.BadZipFile, ValueError, NotImplementedError, OSError) as error:
        raise LoadError(f"{path} is truncated or damaged", advice="copy or download the file again") from error
    total, size = sum(entry.file_size for entry in entries), path.stat().st_size
    if total > MAX_INFLATION * size + ALLOWANCE:
        raise LoadError(f"{path} has {size:,} bytes and would unpack to {total:,}", advice=ADVICE)
    return [entry.filename.rpartition("/")[2] for entry in entries]


def check_pickle(path: Path) -> None:
    """Look at a pickle, alone or in an archive, without running it.

    Raises:
        LoadError: it claims a memo that is larger than itself.
        Exception: it is damaged, in any of the ways that zipfile and pickletools have.
    """
    with path.open("rb") as file:
        if file.read(4) != ARCHIVE:
            file.seek(0)
            for _ in range(NUM_LEGACY_PICKLES):
                _check_opcodes(path, file, path.stat().st_size)
            return
    with zipfile.ZipFile(path) as archive:
        for entry in archive.infolist():
            if entry.filename.rpartition("/")[2] == "data.pkl":
                with archive.open(entry) as file:
                    _check_opcodes(path, file, entry.file_size)


def _check_opcodes(path: Path, file: IO[bytes], limit: int) -> None:
    """Read one pickle to its end. Filling a place of the memo takes two bytes of it, so none is above its length."""
    for opcode, argument, _ in pickletools.genops(file):
        if opcode.name in MEMO_OPCODES and isinstance(argument, int) and argument > limit:
            raise LoadError(f"{path} claims a memory of {argument:,} objects", advice=ADVICE)


def check_claims(weights: Mapping[str, Tensor], path: Path) -> None:
    """Refuse names and sizes that no network has.

    Raises:
        LoadError: a name too long, or weights that are many times larger than their file.
    """
    for name in weights:
        if len(name) > MAX_NAME or name.count(".") >= MAX_PARTS:
            raise LoadError(f"{path} has a name of {len(name):,} characters: {name[:40]}...", advice=ADVICE)
    total, size = sum(tensor.numel() * tensor.element_size() for tensor in weights.values()), path.stat().st_size
    if total > MAX_GROWTH * size + ALLOWANCE:
        raise LoadError(f"{path} has {size:,} bytes and claims {total:,} bytes of weights", advice=ADVICE)
