"""What stands behind a path: a checkpoint, an ONNX file with its torch twin beside it, or a bundle."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from compressor.bundle.names import CHECKPOINT, MODEL
from compressor.errors import BundleError, CertifyError
from compressor.export.onnx import CHECKPOINT_KEY, export_onnx, fits_one_file
from compressor.files import sha256_of_file
from compressor.load import Checkpoint, load
from compressor.runtime.session import open_session
from compressor.types import Skipped

TOO_LARGE = "the model to compare with is over 2 GiB, and no ONNX file holds it"


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """A model to attack or to time."""

    checkpoint: Checkpoint
    """The torch model; for an ONNX file, its twin."""
    onnx: bytes | None
    """The ONNX file that ships; None when the path is a checkpoint."""


def open_subject(path: Path, **how: Any) -> Subject:
    """Open a checkpoint, an .onnx file or a bundle for an attack, which needs gradients and so the torch twin.

    Args:
        path: what the command line was given.
        **how: passed on to `load`.

    Raises:
        BundleError: a folder without model.onnx.
        CertifyError: the twin is not beside the ONNX file, or is not the one that the file was made from.
        LoadError: the checkpoint cannot be loaded.
    """
    onnx = onnx_file(path)
    if onnx is None:
        return Subject(checkpoint=load(path, **how), onnx=None)
    twin = onnx.with_name(CHECKPOINT)
    if not twin.is_file():
        raise CertifyError(
            f"{onnx} has no {CHECKPOINT} beside it, and attacks need gradients",
            advice=f"put the slim checkpoint beside it as {CHECKPOINT}, or name a bundle",
        )
    content = onnx.read_bytes()
    named = open_session(content).metadata.get(CHECKPOINT_KEY)
    if named != sha256_of_file(twin):
        raise CertifyError(
            f"{twin} is not the checkpoint that {onnx.name} was exported from",
            advice="export the checkpoint again with compress export, and certify that bundle",
        )
    return Subject(checkpoint=load(twin, **how), onnx=content)


def onnx_of(path: Path, **how: Any) -> bytes:
    """Return the ONNX file behind a path; a checkpoint is exported on the fly.

    Raises:
        BundleError: a folder without model.onnx.
        LoadError: the checkpoint cannot be loaded.
        ExportError: it cannot be written as ONNX.
    """
    onnx = onnx_file(path)
    return export_onnx(load(path, **how)) if onnx is None else onnx.read_bytes()


def onnx_to_compare_with(path: Path, **how: Any) -> bytes | Skipped:
    """Return the ONNX file to compare with, or why there can be none: a dense model may be too large for one file.

    Raises:
        BundleError: a folder without model.onnx.
        LoadError: the checkpoint cannot be loaded.
        ExportError: it cannot be written as ONNX.
    """
    onnx = onnx_file(path)
    if onnx is not None:
        return onnx.read_bytes()
    checkpoint = load(path, **how)
    return export_onnx(checkpoint) if fits_one_file(checkpoint) else Skipped(reason=TOO_LARGE)


def onnx_file(path: Path) -> Path | None:
    """Return the ONNX file that a path is or holds, or None for a checkpoint.

    Raises:
        BundleError: a folder without model.onnx.
    """
    if path.is_dir():
        if not (path / MODEL).is_file():
            raise BundleError(
                f"{path} is a folder without {MODEL}", advice="name a bundle, an .onnx file or a checkpoint"
            )
        return path / MODEL
    return path if path.suffix == ".onnx" and path.is_file() else None
