"""Every form of `--arch`."""

from pathlib import Path

import pytest
import torch
from torch import nn

from compressor.errors import LoadError, UntrustedPickle
from compressor.load import build, load, save_slim
from compressor.load.architectures import Family, construct, default_size, parse_architecture
from compressor.load.families import torchvision_names


@pytest.mark.parametrize(
    ("text", "family", "place", "name"),
    [
        ("torchvision:resnet18", Family.TORCHVISION, "torchvision", "resnet18"),
        ("timm:vit_tiny.augreg", Family.TIMM, "timm", "vit_tiny.augreg"),
        ("cifar:resnet20", Family.CIFAR, "cifar", "resnet20"),
        ("slim:/a/b:c.safetensors", Family.SLIM, "slim", "/a/b:c.safetensors"),
        ("memory:Net", Family.MEMORY, "memory", "Net"),
        ("package.module:factory", Family.MODULE, "package.module", "factory"),
        ("path/to/file.py:factory", Family.FILE, "path/to/file.py", "factory"),
        ("C:\\nets\\file.py:factory", Family.FILE, "C:\\nets\\file.py", "factory"),
    ],
)
def test_each_form_is_taken_apart(text: str, family: Family, place: str, name: str) -> None:
    """A colon inside a path does not confuse."""
    parsed = parse_architecture(text)
    assert (parsed.family, parsed.place, parsed.name) == (family, place, name)


@pytest.mark.parametrize(
    ("text", "message", "advice"),
    [
        ("resnet18", "'resnet18' is not an architecture", "did you mean torchvision:resnet18?"),
        ("", "is not an architecture", "write --arch as"),
        ("cifar:", "is not an architecture", "write --arch as"),
        ("a b:c", "is not an architecture", "write --arch as"),
        ("torchvision:resnet81", "no architecture torchvision:resnet81", "torchvision:resnet18"),
        ("cifar:resne20", "no architecture cifar:resne20", "cifar:resnet20"),
        ("cifar:resnet21", "6n \\+ 2", "cifar:resnet20"),
        ("nowhere.at.all:f", "ModuleNotFoundError", "on its own"),
        ("nowhere.py:f", "no such file", "check the path"),
        ("json:dumbs", "json has no 'dumbs'", "dumps"),
        ("slim:nowhere.safetensors", "no such file", "slim checkpoint"),
        ("memory:Net", "in memory", "file.py:factory"),
    ],
)
def test_unknown_names_say_what_was_meant(text: str, message: str, advice: str) -> None:
    """One sentence that quotes the argument, and close matches."""
    with pytest.raises(LoadError, match=message) as caught:
        build(text)
    assert advice in caught.value.advice


def test_without_timm_its_names_say_how_to_get_it() -> None:
    """The extra is named."""
    try:
        import timm  # noqa: F401
    except ImportError:
        with pytest.raises(LoadError, match="timm is not installed") as caught:
            build("timm:resnet18")
        assert "pip install" in caught.value.advice
    else:
        assert build("timm:resnet10t", num_classes=3, in_channels=1)(torch.zeros(2, 1, 64, 64)).shape == (2, 3)


@pytest.mark.parametrize(
    ("architecture", "arguments", "channels", "classes"),
    [
        ("torchvision:squeezenet1_1", {"num_classes": 7}, 3, 7),
        ("torchvision:mobilenet_v3_small", {"num_classes": 7, "in_channels": 1}, 1, 7),
        ("torchvision:shufflenet_v2_x0_5", {"num_classes": 7, "in_channels": 1}, 1, 7),
        ("cifar:resnet14", {"in_channels": 2, "width": 4}, 2, 10),
    ],
)
def test_arguments_reach_the_network(architecture: str, arguments: dict, channels: int, classes: int) -> None:
    """Classes and channels are what was asked for."""
    assert build(architecture, **arguments)(torch.zeros(2, channels, 64, 64)).shape == (2, classes)


@pytest.mark.parametrize(
    ("architecture", "arguments"),
    [
        ("cifar:resnet8", {"num_classes": 0}),
        ("cifar:resnet8", {"num_classes": 10**9}),
        ("cifar:resnet8", {"in_channels": "three"}),
        ("cifar:resnet8", {"colour": 1}),
        ("cifar:resnet8", {"initialise": 0}),
        ("cifar:resnet8", {"trust_code": 1}),
        ("torchvision:resnet18", {"width": 3}),
        ("torchvision:resnet18", {"image_size": 64}),
        ("torchvision:vit_b_16", {"image_size": 17}),
    ],
)
def test_impossible_arguments_are_refused(architecture: str, arguments: dict) -> None:
    """Before anything is allocated."""
    with pytest.raises(LoadError):
        construct(architecture, arguments, initialise=False)


def test_factories_in_a_file_get_what_they_take(factories: Path) -> None:
    """`num_classes` reaches a factory that has it and is left out elsewhere."""
    assert build(f"{factories}:any_classes", num_classes=6)(torch.zeros(2, 3, 9, 9)).shape == (2, 6)
    assert build(f"{factories}:cifar10", num_classes=6)(torch.zeros(2, 3, 32, 32)).shape == (2, 10)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("needs_classes", "needs num_classes"),
        ("broken", "RuntimeError: no such weights"),
        ("not_a_module", "gave a int"),
        ("any_clases", "has no 'any_clases'"),
    ],
)
def test_factories_that_fail_say_why(factories: Path, name: str, message: str) -> None:
    """The user's own exception is quoted."""
    with pytest.raises(LoadError, match=message):
        build(f"{factories}:{name}")


def test_factories_of_a_package_in_the_current_folder_are_found(
    factories: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As `python -m` would find them; the import path is as before afterwards."""
    import sys

    monkeypatch.chdir(factories.parent)
    before = list(sys.path)
    assert isinstance(build("networks:mnist"), nn.Sequential)
    assert sys.path == before


def test_a_factory_is_not_run_for_a_name_that_comes_from_a_file(factories: Path) -> None:
    """Only for one that the user said."""
    with pytest.raises(UntrustedPickle, match="would run code"):
        construct(f"{factories}:cifar10", {}, trust_code=False)


def test_the_structure_of_a_slim_checkpoint_can_be_built(tmp_path: Path, resnet8: nn.Module) -> None:
    """`slim:FILE` gives its class, classes and channels."""
    save_slim(load(resnet8, arch="cifar:resnet8", input_size=(8, 8)), tmp_path / "x.safetensors")
    model = build(f"slim:{tmp_path / 'x.safetensors'}")
    assert model(torch.zeros(2, 1, 8, 8)).shape == (2, 5)


@pytest.mark.parametrize(
    ("architecture", "size"),
    [
        ("cifar:resnet20", (32, 32)),
        ("torchvision:resnet18", (224, 224)),
        ("torchvision:inception_v3", (299, 299)),
        ("torchvision:efficientnet_v2_s", (384, 384)),
        ("package.module:factory", None),
    ],
)
def test_the_default_size_is_what_the_network_was_made_for(architecture: str, size: tuple | None) -> None:
    """Read from torchvision's own description of its weights."""
    assert default_size(architecture, {}) == size


SLOW = [pytest.param(name, marks=pytest.mark.slow) for name in ("swin_t", "vit_b_16", "googlenet")]


@pytest.mark.parametrize("name", ["shufflenet_v2_x0_5", "regnet_y_400mf", *SLOW])
def test_networks_without_memory_have_the_names_and_shapes_of_real_ones(name: str) -> None:
    """Constants are computed even so: relative positions, widths."""
    cheap = construct(f"torchvision:{name}", {}, initialise=False).state_dict()
    real = construct(f"torchvision:{name}", {}).state_dict()
    assert {key: value.shape for key, value in cheap.items()} == {key: value.shape for key, value in real.items()}
    assert any(value.is_meta for value in cheap.values())


def test_all_of_torchvision_is_known() -> None:
    """80 classifiers when this was written; later versions may add."""
    assert len(torchvision_names()) >= 80
