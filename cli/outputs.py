"""Where results go: one file or one folder, checked before the work begins, written whole at its end."""

import json
import tempfile
from pathlib import Path
from typing import Any

from compressor.errors import OutputError
from compressor.files import refuse_overwrite, write_whole
from compressor.records import now, to_plain, tool_version


def destination(output: Path | None, name: str, suffixes: tuple[str, ...]) -> Path:
    """Return the file to write: `output` itself when it ends like one, else `name` in that folder.

    The place is tried before any work: hours later is too late to learn that it is read-only.

    Raises:
        OutputError: nothing can be written there.
    """
    path = Path(name) if output is None else output if output.suffix in suffixes else output / name
    check_folder(path.parent)
    if path.is_dir():
        raise OutputError(f"{path} is a folder", advice="give a file name, or remove the folder")
    return path


def check_folder(folder: Path) -> Path:
    """Make sure that files can be written in `folder`, which is created later if it is absent.

    Raises:
        OutputError: nothing can be written there.
    """
    there = folder
    while not there.exists() and there != there.parent:
        there = there.parent
    try:
        with tempfile.TemporaryFile(dir=there):
            return folder
    except OSError as error:
        raise OutputError(
            f"cannot write in {folder}: {error.strerror or error}", advice="choose another place with --output"
        ) from error


def write_output(path: Path, content: bytes, *, force: bool) -> None:
    """Write a result, unless something else lies there.

    Raises:
        OutputError: the file exists and differs, or cannot be written.
    """
    refuse_overwrite(path, content, force=force)
    write_whole(path, content)


def as_json(name: str, **fields: Any) -> str:
    """Return a record `compress.NAME/1` of these fields as JSON text."""
    head = {"schema": f"compress.{name}/1", "created": now(), "tool_version": tool_version()}
    return json.dumps(head | {key: to_plain(value) for key, value in fields.items()}, indent=2, allow_nan=False)
