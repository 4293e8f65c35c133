"""Read files of `torch.save` without running anything that they say.

Every name in the pickle that is not listed here becomes an inert placeholder: never imported, never called. So files of
Lightning and of training scripts that store their settings as objects load without trust. `weights_only=True` would
refuse those, and it calls more than is needed here (`bytearray(10**11)` among it). Only with `trust_pickle` is a file
unpickled as its author meant it.
"""

import pickle
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import IO, Any

import torch
from torch import Tensor

from compressor.errors import LoadError, UntrustedPickle, first_line
from compressor.load.limits import check_pickle

LEGACY_MAGIC = b"\x80\x02\x8a\nl\xfc\x9c"
"""How files of torch before 1.6 begin."""


class Inert:
    """Stands for an object that was not made. It swallows whatever a pickle does to it.

    `name` says what it stands for; items and state are kept so that tensors inside can be found.
    """

    name = ""
    items: dict[object, object]
    state: object

    def __new__(cls, *_: object, **__: object) -> "Inert":
        """Take anything; pickles often skip `__init__`."""
        made = super().__new__(cls)
        made.items = {}
        made.state = None
        return made

    def __init__(self, *_: object, **__: object) -> None:
        pass

    def __setstate__(self, state: object) -> None:
        self.state = state

    def __setitem__(self, key: object, value: object) -> None:
        self.items[key] = value

    def __iter__(self) -> Iterator[object]:
        return iter(())

    def append(self, _: object) -> None:
        """Take one item of a list."""

    def extend(self, _: object) -> None:
        """Take items of a list."""

    def add(self, _: object) -> None:
        """Take one item of a set."""

    def __call__(self, *_: object, **__: object) -> "Inert":
        """Be called without calling anything."""
        return type(self)()

    def __hash__(self) -> int:
        return id(self)

    def __eq__(self, other: object) -> bool:
        return self is other


class _Harmless:
    """A function of ours that a pickle may call, and can do nothing else with."""

    __slots__ = ("_function",)
    _function: Callable[..., object]

    def __init__(self, function: Callable[..., object]) -> None:
        object.__setattr__(self, "_function", function)

    def __call__(self, *args: object) -> object:
        return self._function(*args)

    def __setattr__(self, name: str, value: object) -> None:
        raise pickle.UnpicklingError(f"a pickle tried to set {name}")

    def __setstate__(self, state: object) -> None:
        raise pickle.UnpicklingError("a pickle tried to change a function")


class _Dict(dict[object, object]):
    """An ordered dict that a pickle cannot hang attributes on."""

    def __setstate__(self, state: object) -> None:
        pass


def _rebuild_from_type(function: object, _: object, args: tuple[object, ...], __: object) -> object:
    return function(*args) if isinstance(function, _Harmless) else Inert()


def _rebuild_tensor(
    storage: Any, offset: int, size: tuple[int, ...], stride: tuple[int, ...], *_: object
) -> Tensor:  # fmt: skip
    """Return a view of a storage. torch would enlarge a storage that is too small, at the file's word."""
    if min((offset, *size, *stride), default=0) < 0:
        raise pickle.UnpicklingError("a tensor has a negative size")
    reach = offset + 1 + sum((num - 1) * step for num, step in zip(size, stride, strict=True)) if all(size) else 0
    if reach * storage.dtype.itemsize > storage._untyped_storage.nbytes():
        raise pickle.UnpicklingError("a tensor reaches beyond its storage")
    plain: Tensor = torch._utils._rebuild_tensor(storage, offset, size, stride)  # type: ignore[no-untyped-call]
    return plain


HARMLESS: dict[str, Callable[..., object]] = {
    "collections.OrderedDict": _Dict,
    "builtins.dict": dict,
    "builtins.list": list,
    "builtins.set": set,
    "torch.Size": tuple,
    "torch._utils._rebuild_tensor": _rebuild_tensor,
    "torch._utils._rebuild_tensor_v2": _rebuild_tensor,
    "torch._utils._rebuild_parameter": lambda data, *_: data,
    "torch._utils._rebuild_parameter_with_state": lambda data, *_: data,
    "torch._utils._rebuild_device_tensor_from_cpu_tensor": lambda data, *_: data,
    "torch._tensor._rebuild_from_type_v2": _rebuild_from_type,
}


UNTYPED = ("torch.UntypedStorage", "torch.storage.UntypedStorage")
"""What newer types, such as eight-bit floats, are stored as."""


class _InertUnpickler(pickle.Unpickler):
    """Finds nothing but what is listed above, tensor types, and placeholders."""

    def find_class(self, module: str, name: str) -> Any:
        """Return what a name in the file stands for, without importing anything."""
        if module == "torch" and isinstance(vars(torch).get(name), torch.dtype):
            return vars(torch)[name]
        path = f"{module.replace('__builtin__', 'builtins')}.{name}"
        if path in UNTYPED:  # torch asks it for its type; the class itself would allocate when it is called
            return type("Inert", (Inert,), {"name": path, "dtype": torch.uint8})
        if path in HARMLESS:
            return _Harmless(HARMLESS[path])
        return type("Inert", (Inert,), {"name": path})


def _load_inert(file: IO[bytes], **_: object) -> Any:
    return _InertUnpickler(file).load()


INERT_PICKLE = SimpleNamespace(__name__="inert", Unpickler=_InertUnpickler, load=_load_inert)


def read_pickle(path: Path, *, trust_pickle: bool) -> object:
    """Return what `torch.save` wrote: tensors and plain containers, with placeholders for everything else.

    Args:
        path: a file that begins as one of `torch.save`, or as a pickle.
        trust_pickle: unpickle as its author meant it, which may run any code.

    Raises:
        UntrustedPickle: a pickle that `torch.save` did not write.
        LoadError: truncated or damaged, or the code that it names fails.
    """
    failed: Exception | None = None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if trust_pickle:
            try:
                return _unpickle(path)
            except Exception as error:  # noqa: BLE001 - the code in the file can raise anything
                failed = error
        try:
            check_pickle(path)
            return torch.load(path, map_location="cpu", weights_only=False, pickle_module=INERT_PICKLE)
        except LoadError:
            raise
        except Exception as error:  # noqa: BLE001 - hostile bytes make it raise anything
            failed = failed or error
    if _is_foreign_pickle(path) and not trust_pickle:
        raise UntrustedPickle(
            f"{path} is a plain pickle, and reading it would run code",
            advice="save the state dict with torch.save, or add --trust-pickle if you trust the file",
        )
    raise LoadError(
        f"{path} is truncated or damaged: {_reason(failed)}",
        advice="copy or download the file again",
    ) from failed


def read_torchscript(path: Path, *, trust_pickle: bool) -> dict[str, Tensor]:
    """Return the weights of a TorchScript archive.

    Raises:
        UntrustedPickle: nobody said that it may be loaded.
        LoadError: it cannot be read.
    """
    if not trust_pickle:
        raise UntrustedPickle(
            f"{path} is TorchScript, and reading it would run code",
            advice="save the state dict of the original model instead, or add --trust-pickle if you trust the file",
        )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            script: Any = torch.jit.load(str(path), map_location="cpu")  # type: ignore[no-untyped-call]
            weights: dict[str, Tensor] = dict(script.state_dict())
        except Exception as error:
            raise LoadError(f"{path} is damaged: {_reason(error)}", advice="export the TorchScript again") from error
    return weights


def _unpickle(path: Path) -> object:
    if _is_foreign_pickle(path):
        with path.open("rb") as file:
            return pickle.load(file)  # noqa: S301 - the user said --trust-pickle
    return torch.load(path, map_location="cpu", weights_only=False)


def _is_foreign_pickle(path: Path) -> bool:
    with path.open("rb") as file:
        head = file.read(len(LEGACY_MAGIC))
    return head[:1] == b"\x80" and head != LEGACY_MAGIC


def _reason(error: Exception) -> str:
    return first_line(error).partition("  (")[0][:200]
