"""Files that people give by mistake, each with a sentence of its own: told by name and first bytes, before anything
is read.
"""

import re
from pathlib import Path

from compressor.errors import LoadError

OTHER_KINDS = {
    ".onnx": "an ONNX model",
    ".pt2": "a program of torch.export",
    ".h5": "a Keras model",
    ".keras": "a Keras model",
    ".tflite": "a TFLite model",
    ".pb": "a TensorFlow model",
    ".npz": "an archive of numpy arrays",
    ".npy": "a numpy array",
}
ADVICE = "give a file of torch.save (.pt, .pth) or .safetensors that holds a state dict"
AGAIN = "copy or download the file again"
SHARD = re.compile(r"-(\d{5})-of-(\d{5})\.(safetensors|bin|pt|pth)")
"""How one part of a model that was stored in several files is called."""
BEGINNINGS = (
    (b"version https://git-lfs", "is a pointer of Git LFS, not the file itself", "fetch the file with: git lfs pull"),
    (b"<!doctype", "is a web page, not a checkpoint", "download the file itself, not the page that shows it"),
    (b"<html", "is a web page, not a checkpoint", "download the file itself, not the page that shows it"),
)


def refuse_other_kinds(path: Path) -> None:
    """Let a file pass that may be a checkpoint.

    Raises:
        LoadError: missing, a folder, empty, one part of several, or a file of another kind.
    """
    if path.is_dir():
        raise LoadError(f"{path} is a folder", advice="give the checkpoint file inside it")
    try:
        if path.exists() and not path.is_file():
            raise LoadError(f"{path} is a device or a pipe, not a file", advice="write the checkpoint to a file first")
        with path.open("rb") as file:
            head = file.read(64)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise LoadError(f"cannot read {path}: {reason}", advice="check the path") from error
    if not head:
        raise LoadError(f"{path} is empty", advice=AGAIN)
    for beginning, what, advice in BEGINNINGS:
        if head.lower().startswith(beginning):
            raise LoadError(f"{path} {what}", advice=advice)
    _refuse_parts(path)
    if path.suffix.lower() in OTHER_KINDS and head[8:9] != b"{":
        raise LoadError(
            f"{path} is {OTHER_KINDS[path.suffix.lower()]}, which cannot be pruned",
            advice="save the state dict of the model that it was made from: torch.save(model.state_dict(), 'x.pt')",
        )


def _refuse_parts(path: Path) -> None:
    """Refuse one part of a model that was stored in several files, and the list of its parts."""
    advice = "put the parts together: load each with safetensors.torch.load_file, and save one dict of all tensors"
    if path.name.endswith(".index.json"):
        raise LoadError(f"{path} lists the parts of a model that is stored in several files", advice=advice)
    part = SHARD.search(path.name)
    if part and int(part[2]) > 1:
        raise LoadError(f"{path} is part {int(part[1])} of {int(part[2])} of a model", advice=advice)
