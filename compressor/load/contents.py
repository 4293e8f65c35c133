"""What is in a checkpoint file: weights, or a whole module, or a slim checkpoint; and what stands beside them."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import safe_open
from torch import Tensor, nn

from compressor.errors import LoadError, UntrustedPickle
from compressor.load.fit import modern_names
from compressor.load.kinds import ADVICE, AGAIN, refuse_other_kinds
from compressor.load.limits import ARCHIVE, check_archive, check_claims
from compressor.load.pickles import Inert, read_pickle, read_torchscript
from compressor.load.slim_header import KEY, WEIGHTS, SlimHeader, is_safetensors, parse_header

WEIGHT_KEYS = (
    "state_dict", "model_state_dict", "model", "net", "network", "weights", "params", "module",
    "ema", "model_ema", "ema_state_dict", "state_dict_ema", "params_ema", "shadow",
)  # fmt: skip
"""Where training scripts keep the weights, the plain ones before the averaged ones."""
LABEL_KEYS = ("labels", "classes", "class_names", "class_to_idx", "idx_to_class", "id2label", "CLASSES")
SETTING_KEYS = ("hyper_parameters", "meta", "config")
"""Where training scripts keep what else they know."""
HINT_KEYS = ("arch", "architecture", "model_name")
COMPILED = "._orig_mod."
OTHER_TENSORS = "torch._utils._rebuild_"
"""What makes a tensor of a kind that is not read here."""


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
    refuse_other_kinds(path)
    try:
        with path.open("rb") as file:
            head = file.read(len(ARCHIVE))
        if is_safetensors(path):
            return _from_safetensors(path)
    except OSError as error:
        raise LoadError(f"cannot read {path}: {error.strerror or error}", advice="check the path") from error
    if head == ARCHIVE:
        return _from_zip(path, trust_pickle=trust_pickle)
    if head[:1] != b"\x80":
        raise LoadError(f"{path} is neither a file of torch.save nor safetensors", advice=ADVICE)
    return _unpack(read_pickle(path, trust_pickle=trust_pickle), path)


def _from_safetensors(path: Path) -> Contents:
    try:
        with safe_open(path, framework="pt") as opened:
            text = (opened.metadata() or {}).get(KEY)
            weights = {name: opened.get_tensor(name) for name in opened.keys()}  # noqa: SIM118 - not a dict
    except OSError:
        raise
    except Exception as error:
        raise LoadError(f"{path} is truncated or damaged: {error}", advice=AGAIN) from error
    if text is not None:
        return Contents(weights=_dense(weights, path), header=parse_header(text, source=str(path)))
    return _plain(_dense(weights, path))


def _from_zip(path: Path, *, trust_pickle: bool) -> Contents:
    names = check_archive(path)
    if "archive_format" in names or "serialized_exported_program.json" in names:
        raise LoadError(f"{path} is a program of torch.export, which cannot be pruned", advice=ADVICE)
    if "constants.pkl" in names:
        weights = read_torchscript(path, trust_pickle=trust_pickle)
        return _plain(weights, notes=("the weights were taken out of TorchScript",))
    if "data.pkl" not in names:
        raise LoadError(f"{path} is a zip archive without weights", advice=ADVICE)
    return _unpack(read_pickle(path, trust_pickle=trust_pickle), path)


def _plain(
    weights: Mapping[str, Tensor],
    *,
    labels: tuple[str, ...] | None = None,
    hint: str | None = None,
    notes: tuple[str, ...] = (),
) -> Contents:
    """Return what a file without a slim header holds, under today's names."""
    if any(COMPILED in f".{name}" for name in weights):
        notes += ("names hold '_orig_mod.' of torch.compile, which was stripped",)
    return Contents(weights=modern_names(weights), labels=labels, hint=hint, notes=notes)


def _unpack(found: object, path: Path) -> Contents:
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
            weights = _dense(_tensors(_as_mapping(mapping.get(WEIGHTS)) or {}), path)
            return Contents(weights=weights, header=parse_header(text, source=str(path)))
        _refuse_quantised(mapping, path)
        labels, hint = labels or _labels(mapping), hint or _hint(mapping)
        held = [key for key in WEIGHT_KEYS if _holds_weights(mapping.get(key))]
        if not held:
            tensors = _tensors(mapping)
            if tensors:
                others = [str(key) for key in mapping if key not in tensors]
                notes += [f"not tensors, left out: {', '.join(others[:5])}"] if others else []
                return _plain(_dense(tensors, path), labels=labels, hint=hint, notes=tuple(notes))
            held = [key for key, value in mapping.items() if isinstance(key, str) and _holds_weights(value)]
            if len(held) != 1:
                break
        notes.append(f"the weights are those under {held[0]!r}")
        if len(held) > 1:
            unused = ", ".join(map(repr, held[1:]))
            notes.append(f"there are weights under {unused} too, which are not used; to use them, save them alone")
        found = mapping[held[0]]
    raise _no_weights(found, path)


def _no_weights(found: object, path: Path) -> LoadError:
    if isinstance(found, Inert):
        return UntrustedPickle(
            f"{path} is a pickled object of {found.name}, and reading it would run code",
            advice="save its state dict instead, or add --trust-pickle, where its code is installed and you trust it",
        )
    mapping = _as_mapping(found)
    what = f"a {type(found).__name__}"
    if mapping is not None:
        what = f"a dict with {', '.join(map(repr, list(mapping)[:8])) or 'nothing'}"
    return LoadError(f"{path} holds no weights but {what}", advice="save model.state_dict() with torch.save")


def _refuse_quantised(mapping: Mapping[object, object], path: Path) -> None:
    """Refuse entries that stand for a tensor of another kind: quantised, sparse, without values."""
    for name, value in mapping.items():
        if "_packed_params" in str(name) or (isinstance(value, Inert) and value.name.startswith(OTHER_TENSORS)):
            raise _not_dense(path, str(name))


def _not_dense(path: Path, name: str) -> LoadError:
    return LoadError(f"{path}: {name} is quantised, sparse or without values", advice="give the float checkpoint")


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


def _dense(tensors: Mapping[str, Tensor], path: Path) -> dict[str, Tensor]:
    """Return plain tensors; refuse those that no layer of a float network takes, and claims beyond the file's size."""
    for name, tensor in tensors.items():
        if tensor.layout is not torch.strided or tensor.is_quantized or tensor.is_meta:
            raise _not_dense(path, name)
    check_claims(tensors, path)
    return {name: tensor.detach() for name, tensor in tensors.items()}


def _labels(mapping: Mapping[object, object]) -> tuple[str, ...] | None:
    """Return class names that stand beside the weights, if they plainly are that."""
    for key in LABEL_KEYS:
        value = mapping.get(key)
        if isinstance(value, Mapping) and value:
            value = _ordered(value)
        if isinstance(value, list | tuple) and value and all(isinstance(name, str) for name in value):
            return tuple(value)
    inner = (_as_mapping(mapping.get(key)) for key in SETTING_KEYS)
    return next((found for each in inner if each and (found := _labels(each))), None)


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
