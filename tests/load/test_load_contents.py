"""Files of every kind: what is read, what is refused, and that nothing in them runs."""

import collections
import os
import pickle
import warnings
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from compressor.errors import LoadError, UntrustedPickle
from compressor.load import load
from compressor.load.contents import read_contents
from compressor.load.pickles import Inert

WEIGHTS = {"conv.weight": torch.arange(12.0).reshape(1, 3, 2, 2), "fc.bias": torch.ones(4)}


class Evil:
    """Creates a folder when it is unpickled as its author meant it."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple:
        return (os.mkdir, (str(self.path),))


class Settings(dict):
    """What Lightning stores its hyper-parameters as: a dict of a class that is not here."""


class Mode:
    """An object with state, and one that is only called."""

    def __init__(self, *args: object) -> None:
        self.args = args


class Tiny(nn.Module):
    """A classifier of a class that can be imported."""

    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(48, 3)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Answer three logits."""
        return self.fc(images.flatten(1))


def same(found: dict | None) -> bool:
    """Say whether these are the weights that were stored."""
    return (
        found is not None
        and found.keys() == WEIGHTS.keys()
        and all(torch.equal(found[name], WEIGHTS[name]) for name in WEIGHTS)
    )


@pytest.mark.parametrize("legacy", [False, True])
@pytest.mark.parametrize(
    "held",
    [
        WEIGHTS,
        collections.OrderedDict(WEIGHTS),
        {name: nn.Parameter(tensor) for name, tensor in WEIGHTS.items()},
        {"state_dict": WEIGHTS, "epoch": 3, "optimizer": {"state": {}, "param_groups": [{"lr": 0.1}]}},
        {"model": WEIGHTS},
        {"model_state_dict": WEIGHTS, "loss": 0.3},
        {"net": WEIGHTS, "acc": 93.1},
        {"weights": WEIGHTS},
        {"ema": {"state_dict": WEIGHTS}},
        {"model": {"state_dict": WEIGHTS}},
        {"state_dict": WEIGHTS, "ema": {name: tensor + 1 for name, tensor in WEIGHTS.items()}},
        {"generator": WEIGHTS, "step": 7},
        {"state_dict": WEIGHTS, "hyper_parameters": Settings(lr=0.1, mode=Mode(1), nested=[Mode(2), {Mode(3): 1}])},
        {"state_dict": WEIGHTS, "args": SimpleNamespace(lr=0.1), "path": Path("x"), "fn": len},
        {"state_dict": Settings(WEIGHTS), "mode": Mode(torch.ones(2))},
    ],
    ids=lambda held: ",".join(map(str, held))[:40],
)
def test_weights_are_found_wherever_training_scripts_keep_them(tmp_path: Path, held: object, legacy: bool) -> None:
    """In both file formats of torch.save, also beside objects of unknown classes."""
    torch.save(held, tmp_path / "x.pt", _use_new_zipfile_serialization=not legacy)
    assert same(read_contents(tmp_path / "x.pt").weights)


def test_nothing_in_a_file_runs(tmp_path: Path) -> None:
    """The tensors load, and what would have created a file did not."""
    torch.save({"state_dict": WEIGHTS, "x": Evil(tmp_path / "made")}, tmp_path / "x.pt")
    assert same(read_contents(tmp_path / "x.pt").weights)
    assert not (tmp_path / "made").exists()


@pytest.mark.parametrize("legacy", [False, True])
def test_a_pickled_object_is_refused_and_does_not_run(tmp_path: Path, legacy: bool) -> None:
    """The object is named; with trust it would run."""
    torch.save(Evil(tmp_path / "made"), tmp_path / "x.pt", _use_new_zipfile_serialization=not legacy)
    with pytest.raises(UntrustedPickle, match=r"posix\.mkdir|nt\.mkdir") as caught:
        load(tmp_path / "x.pt")
    assert "--trust-pickle" in caught.value.advice
    assert not (tmp_path / "made").exists()


def test_a_plain_pickle_is_refused_and_does_not_run(tmp_path: Path) -> None:
    """`pickle.dump` instead of `torch.save`."""
    (tmp_path / "x.pkl").write_bytes(pickle.dumps(Evil(tmp_path / "made")))
    with pytest.raises(UntrustedPickle, match="plain pickle"):
        load(tmp_path / "x.pkl")
    assert not (tmp_path / "made").exists()
    (tmp_path / "y.pkl").write_bytes(pickle.dumps(WEIGHTS))
    assert same(read_contents(tmp_path / "y.pkl", trust_pickle=True).weights)


@pytest.mark.parametrize("wrap", [lambda module: module, lambda module: {"model": module, "epoch": 1}])
def test_a_whole_module_loads_only_with_trust(tmp_path: Path, wrap: object) -> None:
    """Its class is named in the refusal."""
    model = Tiny()
    torch.save(wrap(model), tmp_path / "x.pt")
    with pytest.raises(UntrustedPickle, match="Tiny"):
        load(tmp_path / "x.pt")
    loaded = load(tmp_path / "x.pt", trust_pickle=True, input_size=(4, 4))
    images = torch.randn(2, 3, 4, 4)
    assert torch.equal(loaded.model(images), model(images))
    assert loaded.num_classes == 3


def test_trusted_code_that_is_not_here_still_gives_its_tensors(tmp_path: Path) -> None:
    """A Lightning checkpoint whose project is not installed."""
    global Gone  # noqa: PLW0603 - pickle wants to find the class by name
    Gone = type("Gone", (), {"__module__": __name__})
    torch.save({"state_dict": WEIGHTS, "x": Gone()}, tmp_path / "x.pt")
    del Gone
    assert same(read_contents(tmp_path / "x.pt", trust_pickle=True).weights)


def test_torchscript_loads_only_with_trust(tmp_path: Path) -> None:
    """Its weights are taken out."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        script = torch.jit.trace(Tiny(), torch.zeros(1, 3, 4, 4))
        script.save(tmp_path / "x.pt")
    with pytest.raises(UntrustedPickle, match="TorchScript"):
        load(tmp_path / "x.pt")
    found = read_contents(tmp_path / "x.pt", trust_pickle=True)
    assert found.weights.keys() == {"fc.weight", "fc.bias"}


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda path: None, "cannot read .*: No such file"),
        (lambda path: path.mkdir(), "is a folder"),
        (lambda path: path.write_bytes(b""), "is empty"),
        (lambda path: path.write_bytes(bytes(range(1, 200))), "neither"),
        (lambda path: path.write_bytes(b"\x80\x02garbage" * 9), "plain pickle|damaged"),
        (lambda path: path.write_bytes(b"PK\x03\x04" + bytes(300)), "truncated or damaged"),
        (lambda path: path.write_bytes(b"\xff\x00\x00\x00\x00\x00\x00\x00{" + b"x" * 300), "truncated or damaged"),
        (lambda path: torch.save({"epoch": 3, "loss": [1.0]}, path), "no weights but a dict with 'epoch', 'loss'"),
        (lambda path: torch.save({}, path), "no weights but a dict with nothing"),
        (lambda path: torch.save([1, 2], path), "no weights but a list"),
        (lambda path: torch.save({"a": WEIGHTS, "b": WEIGHTS}, path), "no weights but a dict with 'a', 'b'"),
        (lambda path: torch.save({"w": torch.zeros(3).to_sparse()}, path), "w is quantised, sparse"),
    ],
)
def test_what_is_no_checkpoint_gets_one_clear_sentence(tmp_path: Path, make: object, message: str) -> None:
    """Missing, a folder, empty, random, damaged, without weights."""
    path = tmp_path / "x.pt"
    make(path)
    with pytest.raises(LoadError, match=message) as caught:
        load(path)
    assert caught.value.advice
    assert "\n" not in caught.value.message


@pytest.mark.parametrize("legacy", [False, True])
@pytest.mark.parametrize("part", [0.1, 0.5, 0.9, 0.99])
def test_a_truncated_file_is_told_so(tmp_path: Path, legacy: bool, part: float) -> None:
    """Cut anywhere, in both formats and in safetensors."""
    path = tmp_path / "x.pt"
    torch.save({"state_dict": {"w": torch.randn(900)}}, path, _use_new_zipfile_serialization=not legacy)
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * part)])
    with pytest.raises(LoadError, match="truncated or damaged"):
        load(path)
    save_file({"w": torch.randn(900)}, path)
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * part)])
    with pytest.raises(LoadError, match="truncated or damaged"):
        load(path)


@pytest.mark.parametrize(
    ("name", "what"), [("x.onnx", "ONNX"), ("x.pt2", "torch.export"), ("x.h5", "Keras"), ("x.tflite", "TFLite")]
)
def test_other_kinds_of_files_are_named(tmp_path: Path, name: str, what: str) -> None:
    """By their ending, when they are nothing that could be read."""
    (tmp_path / name).write_bytes(b"\x08\x07something")
    with pytest.raises(LoadError, match=what):
        load(tmp_path / name)


def test_a_program_of_torch_export_is_refused_whatever_its_name(tmp_path: Path) -> None:
    """Recognised by what is in the archive."""
    path = tmp_path / "x.pt"
    torch.export.save(torch.export.export(nn.Linear(3, 2), (torch.zeros(1, 3),)), path)
    with pytest.raises(LoadError, match=r"torch\.export"):
        load(path)


@pytest.mark.parametrize(
    ("beside", "labels"),
    [
        ({"classes": ["a", "b"]}, ("a", "b")),
        ({"labels": ("a", "b")}, ("a", "b")),
        ({"class_to_idx": {"b": 1, "a": 0}}, ("a", "b")),
        ({"class_names": {0: "a", 1: "b"}}, ("a", "b")),
        ({"class_to_idx": {"b": 2, "a": 0}}, None),
        ({"classes": [1, 2]}, None),
        ({}, None),
    ],
)
def test_class_names_beside_the_weights_are_read(tmp_path: Path, beside: dict, labels: tuple | None) -> None:
    """Under the usual names, when they plainly are class names."""
    torch.save({"state_dict": WEIGHTS, **beside}, tmp_path / "x.pt")
    assert read_contents(tmp_path / "x.pt").labels == labels


def test_what_was_taken_and_left_is_noted(tmp_path: Path) -> None:
    """Which part the weights are, and that there were others."""
    torch.save({"state_dict": WEIGHTS, "ema": WEIGHTS, "arch": "timm:resnet10t"}, tmp_path / "x.pt")
    found = read_contents(tmp_path / "x.pt")
    assert found.hint == "resnet10t"
    assert found.notes == (
        "the weights are those under 'state_dict'",
        "there are weights under 'ema' too, which are not used; to use them, save them alone",
    )


def test_a_placeholder_swallows_everything() -> None:
    """Items are kept; the rest disappears."""
    thing = Inert(1, 2, three=3)
    thing["a"] = 4
    thing.append(1)
    thing.extend([2])
    thing.add(3)
    thing.__setstate__({"b": 5})
    assert (thing.items, thing.state, list(thing)) == ({"a": 4}, {"b": 5}, [])
    assert isinstance(thing(1, x=2), Inert)
    assert {thing: 1}[thing] == 1
    assert thing == thing  # noqa: PLR0124 - equality is what is tested
    assert thing != Inert()
