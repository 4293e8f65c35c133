"""Small files with large claims: refused by looking, before anything is allocated or called."""

import os
import pickle
import struct
import sys
import tracemalloc
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from forging import change_pickle
from torch import Tensor

from compressor.errors import LoadError
from compressor.load import load
from compressor.load.contents import read_contents
from compressor.load.limits import check_claims


class Calls:
    """Is unpickled by calling a function with an argument."""

    def __init__(self, function: Callable, *args: object) -> None:
        self.made_by = (function, args)

    def __reduce__(self) -> tuple:
        return self.made_by


def peak_megabytes(work: Callable[[], None]) -> float:
    """Return how much memory of Python's is in use at most while something works."""
    tracemalloc.start()
    try:
        work()
        return tracemalloc.get_traced_memory()[1] / 2**20
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("legacy", [False, True])
@pytest.mark.parametrize(
    ("function", "args"),
    [(bytearray, (10**11,)), (list, (range(10**12),)), (torch.zeros, (10**11,)), (torch.Tensor, (10**11,))],
)
def test_nothing_beside_the_weights_is_called(tmp_path: Path, legacy: bool, function: Callable, args: tuple) -> None:
    """Each call would take the memory of the machine; the weights load without."""
    held = {"state_dict": {"w": torch.ones(3)}, "x": Calls(function, *args)}
    torch.save(held, tmp_path / "x.pt", _use_new_zipfile_serialization=not legacy)

    def work() -> None:
        assert torch.equal(read_contents(tmp_path / "x.pt").weights["w"], torch.ones(3))

    assert peak_megabytes(work) < 50


def test_a_pickle_cannot_claim_a_large_memo(tmp_path: Path) -> None:
    """One opcode with a high number makes the C unpickler allocate for all numbers below."""
    torch.save({"state_dict": {"w": torch.ones(3)}}, tmp_path / "x.pt")
    change_pickle(tmp_path / "x.pt", lambda content: content[:-1] + b"r" + struct.pack("<I", 2**29) + b".")

    def work() -> None:
        with pytest.raises(LoadError, match="claims a memory of 536,870,912 objects"):
            load(tmp_path / "x.pt")

    assert peak_megabytes(work) < 50


def test_an_archive_cannot_unpack_to_many_times_its_size(tmp_path: Path) -> None:
    """A hundred million times the same two bytes take two hundred kilobytes on disk."""
    with zipfile.ZipFile(tmp_path / "x.pt", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("x/data.pkl", b"\x80\x02" + b"N0" * 10**7 + b"N.")
        archive.writestr("x/version", "3\n")
    with pytest.raises(LoadError, match=r"would unpack to 20,000,006"):
        load(tmp_path / "x.pt")


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ({"w": torch.zeros(1).expand(10**6, 10**5)}, "claims 400,000,000,000 bytes of weights"),
        (dict.fromkeys([f"w{number}" for number in range(4000)], torch.zeros(4000)), "bytes of weights"),
        ({"a." * 64 + "b": torch.zeros(1)}, "a name of 129 characters"),
        ({"a" * 1001: torch.zeros(1)}, "a name of 1,001 characters"),
    ],
)
def test_claims_that_no_network_makes_are_refused(tmp_path: Path, weights: dict[str, Tensor], message: str) -> None:
    """One number seen as a terabyte, one tensor under a thousand names, a name without end."""
    torch.save(weights, tmp_path / "x.pt")
    with pytest.raises(LoadError, match=message):
        load(tmp_path / "x.pt")


def test_honest_weights_pass(tmp_path: Path) -> None:
    """Half precision, and one matrix under two names."""
    shared = torch.zeros(1000, 1000, dtype=torch.float16)
    torch.save({"one": shared, "two": shared}, tmp_path / "x.pt")
    check_claims({"one": shared, "two": shared}, tmp_path / "x.pt")


@pytest.mark.parametrize("legacy", [False, True])
@pytest.mark.parametrize(
    "args",
    [
        (0, (10**10,), (1,)),
        (5, (3,), (1,)),
        (0, (3, 3), (1, 10**9)),
        (0, (-3,), (1,)),
        (-1, (3,), (1,)),
        (0, (3,), (1, 1)),
    ],
)
def test_a_tensor_cannot_reach_beyond_its_storage(tmp_path: Path, legacy: bool, args: tuple) -> None:
    """The storage would be enlarged by torch, or what lies behind it read."""

    class Lies:
        def __reduce__(self) -> tuple:
            return (torch._utils._rebuild_tensor_v2, (torch.ones(4).storage(), *args, False, {}))

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch deprecates the typed storages that its own files name
        torch.save({"w": Lies()}, tmp_path / "x.pt", _use_new_zipfile_serialization=not legacy)
    with pytest.raises(LoadError, match="truncated or damaged"):
        load(tmp_path / "x.pt")


def test_the_name_of_a_module_of_torch_is_not_imported(tmp_path: Path) -> None:
    """Some parts of torch are imported when they are asked for; a file must not be able to ask."""
    before = set(sys.modules)
    content = b"\x80\x02}(X\x01\x00\x00\x00actorch\n_inductor\nX\x01\x00\x00\x00bctorch\nonnx\nu."
    torch.save({"w": torch.ones(1)}, tmp_path / "x.pt")
    change_pickle(tmp_path / "x.pt", lambda _: content)
    with pytest.raises(LoadError, match="no weights"):
        load(tmp_path / "x.pt")
    assert {name for name in set(sys.modules) - before if name.startswith("torch")} == set()


def test_a_pickle_of_anything_else_stays_closed(tmp_path: Path) -> None:
    """A plain pickle is not read at all without trust."""
    (tmp_path / "x.pkl").write_bytes(pickle.dumps({"w": Calls(os.mkdir, str(tmp_path / "made"))}))
    with pytest.raises(LoadError, match="plain pickle"):
        load(tmp_path / "x.pkl")
    assert not (tmp_path / "made").exists()
