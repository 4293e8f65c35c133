"""Where results go: one file or one folder, checked before the work begins, written whole at its end."""

import json
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cli.identical import ADVICE, is_same_run, refuse_other
from compressor.errors import OptionError, OutputError
from compressor.files import write_all
from compressor.records import now, to_plain, tool_version


def destination(
    output: Path | None, name: str, suffixes: tuple[str, ...], *, schema: str | None = None, force: bool = False
) -> Path:
    """Return the file to write: `output` itself when it ends like one, else `name` in that folder.

    The place is tried before any work: hours later is too late to learn that it is read-only. An ending that is none
    of `suffixes` is a mistake, and the name of a folder only where that folder exists. With a schema, so is a file
    that is no such record, unless it may be overwritten.

    Raises:
        OptionError: it ends like a file that is not written here.
        OutputError: nothing can be written there, or something else lies there.
    """
    if output is not None and output.suffix and output.suffix not in suffixes and not output.is_dir():
        raise OptionError(
            f"--output {output} ends in {output.suffix}, which is not written here",
            advice=f"end it in {' or '.join(suffixes)}, or make the folder {output} first",
        )
    path = Path(name) if output is None else output if output.suffix in suffixes else output / name
    check_folder(path.parent)
    if path.is_dir():
        raise OutputError(f"{path} is a folder", advice="give a file name, or remove the folder")
    if schema is not None:
        refuse_other(path, schema, {}, force=force)
    return path


def check_folder(folder: Path, *, option: str = "--output") -> Path:
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
            f"cannot write in {folder}: {error.strerror or error}", advice=f"choose another place with {option}"
        ) from error


def write_output(path: Path, content: bytes, *, force: bool) -> None:
    """Write a result, unless something else lies there.

    Raises:
        OutputError: the file exists and is not of an identical run, or cannot be written.
    """
    write_outputs({path: content}, force=force)


def write_outputs(contents: Mapping[Path, bytes], *, force: bool) -> None:
    """Write results that belong together, all of them or none, unless something else lies at one of the places.

    Raises:
        OutputError: a file exists and is not of an identical run, or cannot be written.
    """
    for path, content in contents.items():
        if path.is_dir():
            raise OutputError(f"{path} is a folder", advice="give a file name, or remove the folder")
        if path.exists() and not force and not is_same_run(path.read_bytes(), content):
            raise OutputError(f"{path} exists already and differs", advice=ADVICE)
    write_all(contents)


def history_beside(checkpoint: Path) -> Path:
    """Return where the history of a tuned checkpoint goes: several checkpoints in one folder each keep their own."""
    return checkpoint.with_suffix(".history.json")


def outcomes_beside(certificate: Path) -> Path:
    """Return where the outcomes of a certificate go: several certificates in one folder each keep their own."""
    stem = "" if certificate.name == "certificate.json" else f"{certificate.stem}-"
    return certificate.with_name(f"{stem}outcomes.npz")


def as_json(name: str, **fields: Any) -> str:
    """Return a record `compress.NAME/1` of these fields as JSON text."""
    head = {"schema": f"compress.{name}/1", "created": now(), "tool_version": tool_version()}
    return json.dumps(head | {key: to_plain(value) for key, value in fields.items()}, indent=2, allow_nan=False)
