"""Slim checkpoints changed in every way that chance finds: the model that is described comes back, or a clean error.

Never another exception, and never many times the memory of the file. The examples are the same in every run.
"""

import struct
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from forging import change_header, change_outer, change_pickle
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.torch import load as stored

from compressor.errors import LoadError
from compressor.load import Checkpoint, file_bytes, load, slim_bytes

CLEAR_REFS, STATUS = Path("/proc/self/clear_refs"), Path("/proc/self/status")
MAX_GROWTH = 256 * 2**20
"""Bytes that loading 300 KB may take at its peak: two images of 512x512 through sixteen channels take half of that."""
OPCODES = b"(.0N}]tRbcqrhjQuUsaKMJIXBGl\x80\x81\x85\x8e\x93\x96"
ARCHITECTURES = (
    *("cifar:resnet1202", "cifar:resnet99999", "cifar:resnet14", "torchvision:vit_h_14", "torchvision:alexnet"),
    *("timm:resnet10t", "timm:no", "slim:x.safetensors", "memory:Net", "os:getcwd", "x.py:f", "../../x.py:f", ":", ""),
)
NUMBERS = st.sampled_from([-1, 0, 1, 2, 3, 8, 15, 17, 255, 512, 4096, 2**20, 2**31, 2**53, 10**12, 1.5, True])
JSON = st.recursive(
    NUMBERS | st.none() | st.floats(allow_nan=False) | st.text(max_size=8) | st.sampled_from(ARCHITECTURES),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
DTYPES = ("F64", "F32", "F16", "BF16", "F8_E4M3", "F8_E5M2", "I64", "I32", "U8", "BOOL", "C64", "F4", "X", "", 3, None)
fuzz = settings(
    max_examples=50, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def try_to_load(path: Path, *, weights: Callable[[], dict] | None = None) -> None:
    """Load or be refused cleanly; what loads has the weights that the file holds and answers as it says."""
    before = _forget_peak()
    try:
        found = load(path)
    except LoadError as error:
        assert error.message  # noqa: PT017 - both outcomes are right
    else:
        state = found.model.state_dict()
        for name, tensor in (weights() if weights else {}).items():
            assert torch.equal(state[name], tensor.to(state[name].dtype)), name
        assert found.num_classes == state["linear.weight"].shape[0]
    assert _peak() - before < MAX_GROWTH


def _forget_peak() -> int:
    """Let the kernel begin anew to note the most memory in use, and return what is in use now."""
    if CLEAR_REFS.exists():
        CLEAR_REFS.write_text("5")
    return _peak()


def _peak() -> int:
    if not STATUS.exists():
        return 0  # not on this system; the outcomes are checked all the same
    line = next(line for line in STATUS.read_text().splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) * 1024


def edited(data: st.DataObject, tree: dict, values: st.SearchStrategy) -> None:
    """Replace, remove or add something anywhere in a tree of dicts, in place."""
    place: dict = tree
    key = data.draw(st.sampled_from(sorted(place)))
    while isinstance(place[key], dict) and place[key] and data.draw(st.booleans()):
        place = place[key]
        key = data.draw(st.sampled_from(sorted(place)))
    match data.draw(st.sampled_from(["replace", "replace", "remove", "rename", "add"])):
        case "replace":
            place[key] = data.draw(values)
        case "remove":
            del place[key]
        case "rename":
            place[data.draw(st.text(max_size=8))] = place.pop(key)
        case "add":
            place[data.draw(st.sampled_from(["layer9", "linear", "weight", "__class__", "groups", "training"]))] = (
                data.draw(values)
            )


@fuzz
@given(data=st.data())
def test_changed_headers(tmp_path: Path, slim: Checkpoint, data: st.DataObject) -> None:
    """One to three fields of the JSON replaced, removed, renamed or added."""
    content = slim_bytes(slim)
    for _ in range(data.draw(st.integers(1, 3))):
        content = change_header(content, lambda header: edited(data, header, JSON) if header else None)
    (tmp_path / "x.safetensors").write_bytes(content)
    try_to_load(tmp_path / "x.safetensors", weights=lambda: stored(content))


@fuzz
@given(data=st.data())
def test_changed_integers_of_the_manifest(tmp_path: Path, slim: Checkpoint, data: st.DataObject) -> None:
    """The one place that sets attributes: other modules, other attributes, other values."""

    def edit(header: dict) -> None:
        module = data.draw(st.sampled_from([*header["manifest"], "", "layer1", "layer1.0.bn1", "nowhere"]))
        name = data.draw(
            st.sampled_from(["in_channels", "out_channels", "num_features", "before", "after", "weight", "forward"])
        )
        value = data.draw(NUMBERS | st.lists(NUMBERS, max_size=5))
        header["manifest"].setdefault(module, {})[name] = value

    content = change_header(slim_bytes(slim), edit)
    (tmp_path / "x.safetensors").write_bytes(content)
    try_to_load(tmp_path / "x.safetensors", weights=lambda: stored(content))


@fuzz
@given(data=st.data())
def test_changed_lists_of_tensors(tmp_path: Path, slim: Checkpoint, data: st.DataObject) -> None:
    """The outer header of safetensors: types, shapes, places, names."""

    def edit(outer: dict) -> None:
        name = data.draw(st.sampled_from(sorted(outer)))
        match data.draw(st.sampled_from(["dtype", "shape", "data_offsets", "any"])):
            case "dtype" if "dtype" in outer[name]:
                outer[name]["dtype"] = data.draw(st.sampled_from(DTYPES))
            case "shape" if "shape" in outer[name]:
                outer[name]["shape"] = data.draw(st.lists(NUMBERS, max_size=5))
            case "data_offsets" if "data_offsets" in outer[name]:
                outer[name]["data_offsets"] = data.draw(st.lists(NUMBERS, max_size=3))
            case _:
                edited(data, outer, JSON)

    (tmp_path / "x.safetensors").write_bytes(change_outer(slim_bytes(slim), edit))
    try_to_load(tmp_path / "x.safetensors")


@fuzz
@given(length=st.integers(0, 2**64 - 1) | st.sampled_from([0, 1, 2, 100, 2**20, 100 * 2**20, 2**31, 2**63]))
def test_changed_header_lengths(tmp_path: Path, slim: Checkpoint, length: int) -> None:
    """The first eight bytes say how long the header is."""
    (tmp_path / "x.safetensors").write_bytes(struct.pack("<Q", length) + slim_bytes(slim)[8:])
    try_to_load(tmp_path / "x.safetensors")


@fuzz
@given(data=st.data())
def test_changed_bytes(tmp_path: Path, slim: Checkpoint, data: st.DataObject) -> None:
    """Bits flipped, bytes put in or cut off, near the front or anywhere, in both forms of the file."""
    name = data.draw(st.sampled_from(["x.safetensors", "x.pt"]))
    content = bytearray(file_bytes(slim, name[1:]))
    reach = data.draw(st.sampled_from([64, 6000, len(content)]))
    for _ in range(data.draw(st.integers(1, 8))):
        place = data.draw(st.integers(0, min(reach, len(content)) - 1))
        content[place] ^= data.draw(st.integers(1, 255))
    match data.draw(st.sampled_from(["keep", "keep", "cut", "extend", "insert"])):
        case "cut":
            content = content[: data.draw(st.integers(0, len(content)))]
        case "extend":
            content += data.draw(st.binary(max_size=64))
        case "insert":
            place = data.draw(st.integers(0, len(content)))
            content[place:place] = data.draw(st.binary(max_size=64))
    (tmp_path / name).write_bytes(content)
    try_to_load(tmp_path / name)


@fuzz
@given(data=st.data())
def test_changed_pickles(tmp_path: Path, slim: Checkpoint, data: st.DataObject) -> None:
    """The pickle of the `.pt` form, under a sum that fits: opcodes, names, sizes."""
    (tmp_path / "x.pt").write_bytes(file_bytes(slim, ".pt"))

    def change(content: bytes) -> bytes:
        changed = bytearray(content)
        for _ in range(data.draw(st.integers(1, 6))):
            place = data.draw(st.integers(0, len(changed) - 1))
            if data.draw(st.booleans()):
                changed[place] = data.draw(
                    st.sampled_from(list(b"(.0N}]tRbcqrhjQuUsaKMJIXBGl\x80\x81\x85\x8e\x93\x96"))
                )
            else:
                changed[place] ^= data.draw(st.integers(1, 255))
        return bytes(changed)

    change_pickle(tmp_path / "x.pt", change)
    try_to_load(tmp_path / "x.pt")


@pytest.mark.slow
@pytest.mark.parametrize(
    "test",
    [
        test_changed_headers,
        test_changed_integers_of_the_manifest,
        test_changed_lists_of_tensors,
        test_changed_bytes,
        test_changed_pickles,
    ],
)
def test_all_of_these_for_longer(tmp_path: Path, slim: Checkpoint, test: Callable) -> None:
    """The same with more examples."""
    longer = given(data=st.data())(test.hypothesis.inner_test)
    settings(fuzz, max_examples=200)(longer)(tmp_path=tmp_path, slim=slim)
