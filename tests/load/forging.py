"""Files of compress, changed as an attacker or a bad disk would."""

import json
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path


def change_outer(content: bytes, edit: Callable[[dict], None]) -> bytes:
    """Return a safetensors file whose list of tensors was edited."""
    (length,) = struct.unpack("<Q", content[:8])
    outer = json.loads(content[8 : 8 + length])
    edit(outer)
    text = json.dumps(outer).encode()
    return struct.pack("<Q", len(text)) + text + content[8 + length :]


def change_header(content: bytes, edit: Callable[[dict], None]) -> bytes:
    """Return a slim checkpoint whose own header was edited."""

    def inner(outer: dict) -> None:
        header = json.loads(outer["__metadata__"]["compress"])
        edit(header)
        outer["__metadata__"]["compress"] = json.dumps(header)

    return change_outer(content, inner)


def change_pickle(path: Path, change: Callable[[bytes], bytes]) -> None:
    """Rewrite the pickle inside a file of torch.save, with a sum that fits."""
    with zipfile.ZipFile(path) as archive:
        members = [(entry.filename, archive.read(entry)) for entry in archive.infolist()]
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members:
            archive.writestr(name, change(content) if name.endswith("data.pkl") else content)
