"""The slim checkpoint: bit for bit there and back, the same bytes each time, and only clean errors."""

import dataclasses
from collections.abc import Callable
from pathlib import Path

import pytest
import safetensors
import torch
from forging import change_header
from torch import nn

from compressor.errors import LoadError, OutputError, UntrustedPickle
from compressor.files import sha256_of_bytes, sha256_of_file
from compressor.load import Checkpoint, build, load, save_slim, sha256_of_weights, slim_bytes
from compressor.load.manifest import manifest_of


@pytest.mark.parametrize("name", ["x.safetensors", "x.pt", "x.pth"])
def test_a_slim_checkpoint_comes_back_bit_for_bit(
    tmp_path: Path, slim: Checkpoint, images: torch.Tensor, name: str
) -> None:
    """Weights, answers, and every field but the digest, the place and the notes."""
    digest = save_slim(slim, tmp_path / name)
    found = load(tmp_path / name)
    assert digest == found.sha256 == sha256_of_file(tmp_path / name)
    assert torch.equal(found.model(images), slim.model(images))
    assert sha256_of_weights(found.model.state_dict()) == sha256_of_weights(slim.model.state_dict())
    assert found.source == str(tmp_path / name)
    for field in dataclasses.fields(Checkpoint):
        if field.name not in ("model", "sha256", "source", "notes"):
            assert getattr(found, field.name) == getattr(slim, field.name), field.name
    assert found.history == ("cut by hand",)
    assert len(found.parents) == 1
    assert not found.model.training
    assert all(parameter.requires_grad for parameter in found.model.parameters())


def test_the_same_checkpoint_gives_the_same_bytes(tmp_path: Path, slim: Checkpoint) -> None:
    """Also after a round trip; and one metadata key, because their order is not kept."""
    content = slim_bytes(slim)
    assert slim_bytes(slim) == content
    assert save_slim(slim, tmp_path / "x.safetensors") == sha256_of_bytes(content)
    assert slim_bytes(load(tmp_path / "x.safetensors")) == content
    with safetensors.safe_open(tmp_path / "x.safetensors", framework="pt") as opened:
        assert list(opened.metadata()) == ["compress"]


def test_the_manifest_holds_the_changed_integers_only(tmp_path: Path, slim: Checkpoint) -> None:
    """Known by hand."""
    assert manifest_of(slim.model, build("cifar:resnet8", **slim.arguments)) == {
        "layer2.0.conv1": {"out_channels": 16},
        "layer2.0.bn1": {"num_features": 16},
        "layer2.0.conv2": {"in_channels": 16},
        "layer3.0.conv2": {"out_channels": 56},
        "layer3.0.bn2": {"num_features": 56},
        "layer3.0.shortcut": {"after": 8},
        "linear": {"in_features": 56},
    }
    assert manifest_of(slim.model, slim.model) == {}


def test_removed_blocks_come_back_as_identity(tmp_path: Path, resnet8: nn.Module, images: torch.Tensor) -> None:
    """The block of the first stage can go: its input and output shapes agree."""
    dense = load(resnet8, arch="cifar:resnet8", input_size=(8, 8))
    dense.model.layer1[0] = nn.Identity()
    cut = dense.followed_by(dense.model, "block removed", removed_blocks=("layer1.0",))
    save_slim(cut, tmp_path / "x.safetensors")
    found = load(tmp_path / "x.safetensors")
    assert isinstance(found.model.layer1[0], nn.Identity)
    assert torch.equal(found.model(images), cut.model(images))


@pytest.mark.parametrize("architecture", ["torchvision:shufflenet_v2_x0_5", "torchvision:regnet_y_400mf"])
def test_a_dense_checkpoint_is_kept_the_same_way(tmp_path: Path, architecture: str) -> None:
    """Its manifest is empty."""
    model = build(architecture, num_classes=3)
    dense = load(model, arch=architecture, input_size=(64, 64))
    save_slim(dense, tmp_path / "x.safetensors")
    found = load(tmp_path / "x.safetensors")
    images = torch.randn(2, 3, 64, 64)
    assert torch.equal(found.model(images), model(images))
    assert (found.architecture, found.arguments, found.history) == (architecture, {"num_classes": 3}, ())


@pytest.mark.slow
@pytest.mark.parametrize("name", ["vit_b_16", "swin_t", "convnext_tiny", "maxvit_t", "mnasnet0_5", "googlenet"])
def test_every_kind_of_layer_is_kept(tmp_path: Path, name: str) -> None:
    """Attention, relative positions, layer scale, auxiliary heads."""
    model = build(f"torchvision:{name}", num_classes=3)
    dense = load(model, arch=f"torchvision:{name}", input_size=(224, 224))
    save_slim(dense, tmp_path / "x.safetensors")
    images = torch.randn(1, 3, 224, 224)
    assert torch.equal(load(tmp_path / "x.safetensors").model(images), model(images))


def test_it_trains_in_anyones_loop_and_the_weights_come_back(
    tmp_path: Path, slim: Checkpoint, images: torch.Tensor
) -> None:
    """`--arch slim:FILE` brings a tuned state dict back, with the facts of the slim checkpoint."""
    path = tmp_path / "x.safetensors"
    digest = save_slim(slim, path)
    model = load(path).model.train()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    nn.functional.cross_entropy(model(images), torch.tensor([0, 1])).backward()
    optimizer.step()
    model.eval()
    torch.save({"state_dict": nn.DataParallel(model).state_dict()}, tmp_path / "tuned.pt")
    for source in (tmp_path / "tuned.pt", model):
        found = load(source, arch=f"slim:{path}")
        assert torch.equal(found.model(images), model(images))
        assert found.architecture == "cifar:resnet8"
        assert found.preprocess == slim.preprocess
        assert found.labels == slim.labels
        assert found.parents == (*slim.parents, digest)
        assert len(found.history) == 2
    save_slim(found, tmp_path / "tuned.safetensors")
    state = {name: tensor for name, tensor in model.state_dict().items() if name != "linear.bias"}
    torch.save(state, tmp_path / "less.pt")
    with pytest.raises(LoadError, match=r"does not fit slim:.*lacks linear\.bias"):
        load(tmp_path / "less.pt", arch=f"slim:{path}")


def test_shared_weights_stay_shared(tmp_path: Path, factories: Path) -> None:
    """Written twice, and one parameter again after loading."""
    factories.write_text(
        factories.read_text()
        + """
class Tied(nn.Module):
    def __init__(self):
        super().__init__()
        self.one = nn.Conv2d(3, 3, 3, padding=1)
        self.two = nn.Conv2d(3, 3, 3, padding=1)
        self.two.weight = self.one.weight

    def forward(self, images):
        return self.two(self.one(images)).mean((2, 3))
"""
    )
    arch = f"{factories}:Tied"
    save_slim(load(build(arch), arch=arch, input_size=(8, 8)), tmp_path / "x.safetensors")
    model = load(tmp_path / "x.safetensors", arch=arch).model
    assert model.one.weight is model.two.weight


def test_code_that_the_file_names_runs_only_when_the_user_says_so(tmp_path: Path, factories: Path) -> None:
    """Named by the user, or trusted."""
    arch = f"{factories}:any_classes"
    path = tmp_path / "x.safetensors"
    save_slim(load(build(arch, num_classes=6), arch=arch, input_size=(8, 8)), path)
    for how in ({}, {"arch": f"slim:{path}"}):
        with pytest.raises(UntrustedPickle, match="would run code") as caught:
            load(path, **how)
        assert arch in caught.value.advice
    assert load(path, arch=arch).num_classes == load(path, trust_pickle=True).num_classes == 6


def test_a_model_that_nobody_can_rebuild_is_not_saved(tmp_path: Path, resnet8: nn.Module) -> None:
    """In memory only; with a replaced layer; with another ending; in no place."""

    class Local(nn.Module):
        def __init__(self, inner: nn.Module) -> None:
            super().__init__()
            self.inner = inner

        def forward(self, images: torch.Tensor) -> torch.Tensor:
            return self.inner(images) * 2

    with pytest.raises(LoadError, match="memory:Local") as caught:
        save_slim(load(Local(resnet8)), tmp_path / "x.safetensors")
    assert "file.py:factory" in caught.value.advice
    dense = load(resnet8, arch="cifar:resnet8", input_size=(8, 8))
    dense.model.bn1 = nn.Identity()
    with pytest.raises(LoadError, match="bn1 is Identity, not BatchNorm2d"):
        save_slim(dense, tmp_path / "x.safetensors")
    with pytest.raises(LoadError, match="cannot tell"):
        save_slim(dense, tmp_path / "x.onnx")
    assert not list(tmp_path.iterdir())
    with pytest.raises(OutputError):
        save_slim(load(resnet8, arch="cifar:resnet8"), Path("/proc/nowhere/x.safetensors"))


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (lambda h: h.update(schema="compress.slim/2"), "schema 'compress.slim/2'"),
        (lambda h: h.update(surprise=1), "surprise"),
        (lambda h: h.pop("manifest"), "manifest"),
        (lambda h: h.update(architecture="memory:Net"), "memory:Net"),
        (lambda h: h.update(architecture="slim:/etc/passwd"), "slim"),
        (lambda h: h.update(architecture="os:getcwd"), "would run code"),
        (lambda h: h.update(architecture="cifar:resnet20"), "the file lacks"),
        (lambda h: h.update(architecture="torchvision:nothing"), "no architecture"),
        (lambda h: h["arguments"].update(num_classes=10**12), "arguments.num_classes"),
        (lambda h: h["arguments"].update(num_classes=6), r"linear\.weight"),
        (lambda h: h["arguments"].update(width=10**5), "width"),
        (lambda h: h["arguments"].update(architecture="cifar:resnet20"), "does not take architecture"),
        (lambda h: h["arguments"].update(trust_code=1), "does not take trust_code"),
        (lambda h: h.update(num_classes=True), "num_classes"),
        (lambda h: h.update(num_classes=4), "names 5 classes but has 4"),
        (lambda h: h.update(labels=None, num_classes=4), "4 classes"),
        (lambda h: h.update(input_shape=[1, 0, 8]), "input_shape"),
        (lambda h: h.update(input_shape=[3, 8, 8]), "does not take images of 3x8x8"),
        (lambda h: h.update(removed_blocks=["layer9"]), "no block 'layer9'"),
        (lambda h: h.update(removed_blocks=[""]), "no block ''"),
        (lambda h: h.update(removed_blocks=["linear"]), "in_features is not a size"),
        (lambda h: h.update(removed_blocks=["layer1"]), r"the network lacks layer1\.0"),
        (lambda h: h["manifest"].update({"layer9": {"groups": 1}}), "no module 'layer9'"),
        (lambda h: h["manifest"].update({"linear": {"__class__": 1}}), "not a size"),
        (lambda h: h["manifest"].update({"linear": {"training": 1}}), "not a size"),
        (lambda h: h["manifest"].update({"linear": {"weight": 1}}), "not a size"),
        (lambda h: h["manifest"].update({"linear": {"in_features": -1}}), "manifest.linear.in_features"),
        (lambda h: h["manifest"].update({"linear": {"in_features": 10**9}}), "manifest.linear.in_features"),
        (lambda h: h["manifest"].update({"linear": {"in_features": 65}}), "cannot be 65: it is 64 before"),
        (lambda h: h["manifest"].update({"layer3.0.shortcut": {"after": 65}}), "cannot be 65"),
        (lambda h: h["manifest"].update({"linear": {"in_features": 0}}), "cannot be 0"),
        (lambda h: h["manifest"].update({"linear": {"in_features": [56]}}), r"cannot be \[56\]"),
        (lambda h: h["manifest"].update({"linear": {"in_features": 55}}), r"linear\.weight is \(5, 56\)"),
        (lambda h: h["manifest"].update({"conv1": {"groups": 3}}), "cannot be 3: it is 1 before"),
        (lambda h: h["manifest"].update({"layer3.0.shortcut": {"before": 3}}), "does not take"),
        (lambda h: h.update(preprocess="mean=2;std=1"), "preprocess"),
        (lambda h: h.update(parents=["abc"]), "parents"),
    ],
)
def test_hostile_headers_get_clean_errors(tmp_path: Path, slim: Checkpoint, edit: Callable, message: str) -> None:
    """Names, attributes and sizes are checked before anything is allocated."""
    (tmp_path / "x.safetensors").write_bytes(change_header(slim_bytes(slim), edit))
    with pytest.raises(LoadError, match=message):
        load(tmp_path / "x.safetensors")


@pytest.mark.parametrize(
    ("name", "replacement", "message"),
    [
        ("linear.weight", torch.full((5, 56), float("nan")), "infinite values or NaN"),
        ("linear.weight", torch.zeros(5, 56, dtype=torch.int32), "stored as torch.int32"),
        ("linear.weight", torch.zeros(5, 56, 1), r"linear\.weight is \(5, 56, 1\)"),
        ("linear.weight", torch.zeros(0, 56), r"linear\.weight is \(0, 56\)"),
        ("extra", torch.zeros(1), "the network lacks extra"),
    ],
)
def test_hostile_weights_get_clean_errors(
    tmp_path: Path, slim: Checkpoint, name: str, replacement: torch.Tensor, message: str
) -> None:
    """Not numbers, integers, other shapes, unknown names."""
    save_slim(slim, tmp_path / "x.pt")
    held = torch.load(tmp_path / "x.pt", weights_only=True)
    held["state_dict"][name] = replacement
    torch.save(held, tmp_path / "x.pt")
    with pytest.raises(LoadError, match=message):
        load(tmp_path / "x.pt")
