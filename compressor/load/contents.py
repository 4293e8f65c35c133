"""What is in a checkpoint file: weights, or a whole module, or a slim checkpoint; and what stands beside them."""

import zipfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import safe_open
from torch import Tensor, nn

from compressor.errors import LoadError, UntrustedPickle
from compressor.load.fit import modern_names
from compressor.load.pickles import Inert, read_pickle, read_torchscript
from compressor.load.slim_header import KEY, SlimHeader, is_safetensors, parse_header

WEIGHT_KEYS = (
    "state_dict", "model_state_dict", "model", "net", "network", "weights",
    "ema", "model_ema", "ema_state_dict", "state_dict_ema",
)  # fmt: skip
"""Where training scripts keep the weights, the plain ones before the averaged ones."""
LABEL_KEYS = ("labels", "classes", "class_names", "class_to_idx")
HINT_KEYS = ("arch", "architecture", "model_name")
OTHER_KINDS = {
    ".onnx": "an ONNX model",
    ".pt2": "a program of torch.export",
    ".h5": "a Keras model",
    ".keras": "a Keras model",
    ".tflite": "a TFLite model",
    ".pb": "a TensorFlow model",
}
ADVICE = "give a file of torch.save (.pt, .pth) or .safetensors that holds a state dict"


@dataclass(frozen=True, slots=True, kw_only=True)
class Contents:
    """One file, read."""

    weights: dict[str, Tensor] | None = None
    """Under the names that today's classes use; None: it holds a whole module."""
    module: nn.Module | None = None
    """A whole module that was trusted."""
    header: SlimHeader | None = None
    """Of a slim checkpoint."""
    labels: tuple[str, ...] | None = None
    hint: str | None = None
    """A model name that the file mentions."""
    notes: tuple[str, ...] = ()
    """What a person should know, one sentence each."""


def read_contents(path: Path, *, trust_pickle: bool = False) -> Contents:
    """Read a checkpoint file of any kind.

    Args:
        path: the file.
        trust_pickle: let whole pickled modules and TorchScript run their code.

    Raises:
        UntrustedPickle: it needs that, and nobody said so.
        LoadError: missing, a folder, empty, damaged, or no checkpoint.
    """
    if path.is_dir():
        raise LoadError(f"{path} is a folder", advice="give the checkpoint file inside it")
    try:
        with path.open("rb") as file:
            head = file.read(16)
        if is_safetensors(path):
            return _from_safetensors(path)
    except OSError as error:
        raise LoadError(f"cannot read {path}: {error.strerror or error}", advice="check the path") from error
    if not head:
        raise LoadError(f"{path} is empty", advice="copy or download the file again")
    if path.suffix.lower() in OTHER_KINDS:
        raise LoadError(f"{path} is {OTHER_KINDS[path.suffix.lower()]}, which cannot be pruned", advice=ADVICE)
    if head[:4] == b"PK\x03\x04":
        return _from_zip(path, trust_pickle=trust_pickle)
    if head[:1] != b"\x80":
        raise LoadError(f"{path} is neither a file of torch.save nor safetensors", advice=ADVICE)
    return _unpack(read_pickle(path, trust_pickle=trust_pickle), str(path))


def _from_safetensors(path: Path) -> Contents:
    try:
        with safe_open(path, framework="pt") as opened:
            text = (opened.metadata() or {}).get(KEY)
            weights = {name: opened.get_tensor(name) for name in opened.keys()}  # noqa: SIM118 - not a dict
    except OSError:
        raise
    except Exception as error:
        raise LoadError(f"{path} is truncated or damaged: {error}", advice="copy or download the file again") from error
    if text is not None:
        return Contents(weights=_dense(weights, str(path)), header=parse_header(text, source=str(path)))
    return Contents(weights=modern_names(_dense(weights, str(path))))


def _from_zip(path: Path, *, trust_pickle: bool) -> Contents:
    try:
        with zipfile.ZipFile(path) as archive:
            names = [name.rpartition("/")[2] for name in archive.namelist()]
    except (zipfile.BadZipFile, ValueError, NotImplementedError) as error:
        raise LoadError(f"{path} is truncated or damaged", advice="copy or download the file again") from error
    if "archive_format" in names or "serialized_exported_program.json" in names:
        raise LoadError(f"{path} is a program of torch.export, which cannot be pruned", advice=ADVICE)
    if "constants.pkl" in names:
        weights = read_torchscript(path, trust_pickle=trust_pickle)
        return Contents(weights=modern_names(weights), notes=("the weights were taken out of TorchScript",))
    if "data.pkl" not in names:
        raise LoadError(f"{path} is a zip archive without weights", advice=ADVICE)
    return _unpack(read_pickle(path, trust_pickle=trust_pickle), str(path))


def _unpack(found: object, source: str) -> Contents:
    """Find the weights in what was read."""
    labels: tuple[str, ...] | None = None
    hint: str | None = None
    notes: list[str] = []
    for _ in range(4):
        if isinstance(found, nn.Module):
            return Contents(module=found, labels=labels, notes=tuple(notes))
        mapping = _as_mapping(found)
        if mapping is None:
            break
        text = mapping.get(KEY)
        if isinstance(text, str):
            weights = _dense(_tensors(_as_mapping(mapping.get("state_dict")) or {}), source)
            return Contents(weights=weights, header=parse_header(text, source=source))
        labels, hint = labels or _labels(mapping), hint or _hint(mapping)
        held = [key for key in WEIGHT_KEYS if _holds_weights(mapping.get(key))]
        if not held:
            tensors = _tensors(mapping)
            if tensors:
                others = [str(key) for key in mapping if key not in tensors]
                notes += [f"not tensors, left out: {', '.join(others[:5])}"] if others else []
                return Contents(
                    weights=modern_names(_dense(tensors, source)), labels=labels, hint=hint, notes=tuple(notes)
                )
            held = [key for key, value in mapping.items() if isinstance(key, str) and _holds_weights(value)]
            if len(held) != 1:
                break
        notes.append(f"the weights are those under {held[0]!r}")
        if len(held) > 1:
            notes.append(f"there are weights under {', '.join(map(repr, held[1:]))} too, which are not used")
        found = mapping[held[0]]
    raise _no_weights(found, source)


def _no_weights(found: object, source: str) -> LoadError:
    if isinstance(found, Inert):
        return UntrustedPickle(
            f"{source} is a pickled object of {found.name}, and reading it would run code",
            advice="save its state dict instead, or add --trust-pickle if you trust the file",
        )
    mapping = _as_mapping(found)
    what = f"a dict with {', '.join(map(repr, list(mapping)[:8])) or 'nothing'}" if mapping is not None else "a "
    what += "" if mapping is not None else type(found).__name__
    return LoadError(f"{source} holds no weights but {what}", advice="save model.state_dict() with torch.save")


def _as_mapping(found: object) -> Mapping[object, object] | None:
    """Return a plain dict, also of an unknown dict-like object; None for everything else."""
    if isinstance(found, Inert):
        return found.items or None
    if isinstance(found, dict):
        return dict(dict.items(found))  # a hostile file can hang a false `items` on an ordered dict
    return dict(found) if isinstance(found, Mapping) else None


def _holds_weights(value: object) -> bool:
    """Say whether weights may be inside: tensors by name, a module, or a placeholder for one."""
    if isinstance(value, nn.Module):
        return True
    if isinstance(value, Inert) and isinstance(value.state, Mapping) and "_modules" in value.state:
        return True
    mapping = _as_mapping(value)
    if mapping is None:
        return False
    return bool(_tensors(mapping)) or any(_tensors(_as_mapping(mapping.get(key)) or {}) for key in WEIGHT_KEYS)


def _tensors(mapping: Mapping[object, object]) -> dict[str, Tensor]:
    return {key: value for key, value in mapping.items() if isinstance(key, str) and isinstance(value, Tensor)}


def _dense(tensors: Mapping[str, Tensor], source: str) -> dict[str, Tensor]:
    """Return plain tensors; refuse quantised and sparse ones, which no layer of a float network takes."""
    for name, tensor in tensors.items():
        if tensor.layout is not torch.strided or tensor.is_quantized or tensor.is_meta:
            raise LoadError(
                f"{source}: {name} is quantised, sparse or without values", advice="give the float checkpoint"
            )
    return {name: tensor.detach() for name, tensor in tensors.items()}


def _labels(mapping: Mapping[object, object]) -> tuple[str, ...] | None:
    """Return class names that stand beside the weights, if they plainly are that."""
    for key in LABEL_KEYS:
        value = mapping.get(key)
        if isinstance(value, Mapping) and value:
            value = _ordered(value)
        if isinstance(value, list | tuple) and value and all(isinstance(name, str) for name in value):
            return tuple(value)
    return None


def _ordered(value: Mapping[object, object]) -> object:
    """Turn name -> number or number -> name into a list of names; None where the numbers have gaps."""
    pairs: Iterable[tuple[object, object]] = value.items()
    if all(isinstance(key, str) for key in value):
        pairs = [(number, name) for name, number in value.items()]
    numbered = {number: name for number, name in pairs if isinstance(number, int)}
    return [numbered[number] for number in sorted(numbered)] if sorted(numbered) == list(range(len(value))) else None


def _hint(mapping: Mapping[object, object]) -> str | None:
    found = (mapping.get(key) for key in HINT_KEYS)
    return next((value.removeprefix("timm:") for value in found if isinstance(value, str)), None)
