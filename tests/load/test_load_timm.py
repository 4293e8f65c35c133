"""Networks of timm are recognised by names and shapes, where torchvision and `cifar:*` do not fit."""

import sys

import pytest
from torch import Tensor

from compressor.errors import LoadError
from compressor.load import identify
from compressor.load.architectures import construct
from compressor.load.timm_table import network_of, table, timm_models

SMALL = {
    "mobilenetv4_conv_small": {"num_classes": 7},
    "convnextv2_atto": {"num_classes": 3},
    "ghostnet_050": {"num_classes": 10, "in_channels": 1},
    "deit_tiny_patch16_224": {"num_classes": 5},
    "tinynet_e": {"num_classes": 2},
}


def weights_of(name: str, **arguments: int) -> dict[str, Tensor]:
    """Return a state dict of a timm network."""
    return construct(f"timm:{name}", arguments).state_dict()


@pytest.mark.timm
@pytest.mark.parametrize("name", SMALL)
def test_small_networks_are_recognised(name: str) -> None:
    """With other classes and channels than published, and behind a prefix. Where several are equal, one is named."""
    arguments = SMALL[name]
    weights = {f"module.{key}": tensor for key, tensor in weights_of(name, **arguments).items()}
    found = identify(weights)
    family, _, chosen = found.architecture.partition(":")
    assert family == "timm"
    rows = [row for each in table().values() for row in each if name in row.models]
    assert [chosen in row.models for row in rows] == [True]
    assert found.arguments == arguments


@pytest.mark.timm
@pytest.mark.parametrize("name", ["resnet50d", "efficientnet_b0", "vit_tiny_patch16_224", "levit_128s", "nfnet_l0"])
def test_the_table_agrees_with_the_installed_timm(name: str) -> None:
    """A sample, built without memory."""
    row = network_of(name)
    (kept,) = [each for each in table()[row.names] if each.shapes == row.shapes]
    assert name in kept.models
    assert (kept.heads, kept.stem) == (row.heads, row.stem)


def test_torchvision_wins() -> None:
    """Both libraries have a resnet18 with the same names and shapes."""
    weights = construct("torchvision:resnet18", {"num_classes": 4}, initialise=False).state_dict()
    assert "resnet18" in timm_models({name: tuple(tensor.shape) for name, tensor in weights.items()})
    assert identify(weights).architecture == "torchvision:resnet18"


def test_rows_of_the_table_differ() -> None:
    """No two rows have the same names and shapes, and all have a head; most of timm is in."""
    rows = [row for each in table().values() for row in each]
    assert len({(row.names, row.shapes) for row in rows}) == len(rows)
    assert all(
        row.heads and row.models == tuple(sorted(row.models, key=lambda name: (len(name), name))) for row in rows
    )
    assert sum(len(row.models) for row in rows) > 1000


def test_without_timm_the_advice_is_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """The table alone knows what it looks like."""
    weights = construct("torchvision:resnet18", {"num_classes": 4}, initialise=False).state_dict()
    shapes = {name: tuple(tensor.shape) for name, tensor in weights.items()}
    (row,) = [row for each in table().values() for row in each if "resnet18" in row.models]

    def absent() -> None:
        raise LoadError("timm is not installed", advice="install it with: pip install timm")

    module = sys.modules["compressor.load.identify"]  # the package's name `identify` is the verb
    monkeypatch.setattr(module, "import_timm", absent)
    monkeypatch.setattr(module, "table", tuple)  # as if torchvision did not know it
    assert timm_models(shapes) == row.models
    with pytest.raises(LoadError, match="looks like timm:resnet18, and timm is not installed") as caught:
        identify(weights)
    assert "pip install timm" in caught.value.advice
