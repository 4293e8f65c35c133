"""`load` as a whole: real files, options against what the file says, wrong architectures."""

import re
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from compressor.data.preprocess import parse_preprocess
from compressor.errors import LoadError
from compressor.files import sha256_of_file
from compressor.load import Checkpoint, build, load, sha256_of_weights


@pytest.fixture
def plain(tmp_path: Path, resnet8: nn.Module) -> Path:
    """Return a state dict of `resnet8` in a file."""
    torch.save(resnet8.state_dict(), tmp_path / "plain.pt")
    return tmp_path / "plain.pt"


@pytest.mark.shared_data
def test_a_published_checkpoint_loads_with_everything_known(shared_data: Path) -> None:
    """The real resnet20, recognised; and the same when it is named."""
    path = shared_data / "checkpoints" / "resnet20-12fca82f.th"
    found = load(path)
    assert (found.architecture, found.arguments) == ("cifar:resnet20", {"num_classes": 10})
    assert (found.input_shape, found.input_known, found.num_classes) == ((3, 32, 32), False, 10)
    assert (found.preprocess, found.labels, found.history, found.parents) == (None, None, (), ())
    assert (found.sha256, found.source) == (sha256_of_file(path), str(path))
    assert found.notes == (
        "recognised as cifar:resnet20 by the names and shapes of its 97 tensors, 10 classes",
        "names begin with 'module.', which was stripped",
        "the weights are those under 'state_dict'",
    )
    assert not found.model.training
    named = load(path, arch="cifar:resnet20", preprocess=parse_preprocess("imagenet"), input_size=(32, 32))
    assert named.input_known
    assert sha256_of_weights(named.model.state_dict()) == sha256_of_weights(found.model.state_dict())
    images = torch.rand(2, 3, 32, 32)
    mean, std = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    normalised = (images - mean[:, None, None]) / std[:, None, None]
    assert torch.allclose(named.classifier()(images), found.model(normalised), atol=1e-5)


CIFAR_SCALING = "mean=125.3/255,123.0/255,113.9/255;std=63.0/255,62.1/255,66.7/255"


@pytest.mark.shared_data
@pytest.mark.parametrize(
    ("factory", "model", "preprocess", "accuracy"),
    [("cifar10", "cifar_cnn_a_mix.model", CIFAR_SCALING, 0.79), ("mnist", "mnist_cnn_a_adv.model", "none", 0.975)],
)
def test_the_oracles_load_by_a_factory_and_answer_as_published(
    request: pytest.FixtureRequest, factory: str, model: str, preprocess: str, accuracy: float
) -> None:
    """The input size is found by asking: only one fits the linear layer. The clean accuracy is the published one."""
    folder, factories = request.getfixturevalue("shared_data"), request.getfixturevalue("factories")
    found = load(folder / "checkpoints" / model, arch=f"{factories}:{factory}", preprocess=parse_preprocess(preprocess))
    assert found.input_shape == {"cifar10": (3, 32, 32), "mnist": (1, 28, 28)}[factory]
    assert (found.input_known, found.num_classes) == (True, 10)
    with np.load(folder / f"sdp-{factory}-200.npz") as held:
        images, labels = torch.from_numpy(held["x_test"]).permute(0, 3, 1, 2).float() / 255, held["y_test"]
    right = found.classifier()(images).argmax(1) == torch.from_numpy(labels)
    assert right.double().mean().item() == pytest.approx(accuracy)


def test_the_oracles_need_their_factory(tmp_path: Path, factories: Path) -> None:
    """Nothing known here fits, and nothing is guessed."""
    torch.save(build(f"{factories}:mnist").state_dict(), tmp_path / "x.model")
    with pytest.raises(LoadError, match="fit no architecture") as caught:
        load(tmp_path / "x.model")
    assert "file.py:factory" in caught.value.advice


@pytest.mark.parametrize("kind", ["pt", "safetensors", "module.", "half"])
def test_plain_state_dicts_load_whatever_the_wrapping(
    tmp_path: Path, resnet8: nn.Module, images: torch.Tensor, kind: str
) -> None:
    """Both file formats, a prefix, and half precision, which is computed in float32."""
    state = {name: tensor.clone() for name, tensor in resnet8.state_dict().items()}
    path = tmp_path / ("x.safetensors" if kind == "safetensors" else "x.pt")
    if kind == "module.":
        state = {f"module.{name}": tensor for name, tensor in state.items()}
    if kind == "half":
        state = {name: tensor.half() if tensor.is_floating_point() else tensor for name, tensor in state.items()}
        resnet8.half().float()
    if kind == "safetensors":
        save_file(state, path)
    else:
        torch.save(state, path)
    found = load(path)
    assert (found.architecture, found.num_classes, found.input_shape[0]) == ("cifar:resnet8", 5, 1)
    assert found.arguments == {"num_classes": 5, "in_channels": 1}
    assert torch.equal(found.model(images), resnet8(images))
    assert all(parameter.dtype == torch.float32 for parameter in found.model.parameters())


@pytest.mark.parametrize(
    ("arch", "message"),
    [
        ("cifar:resnet14", r"does not fit cifar:resnet14: the file lacks layer1\.1\.conv1\.weight \(and 29 more\)"),
        ("torchvision:resnet18", r"does not fit torchvision:resnet18: the file lacks .*; the network lacks .*; conv1"),
        ("torchvision:alexnet", "does not fit torchvision:alexnet: the file lacks features"),
    ],
)
def test_the_wrong_architecture_names_the_first_mismatches(plain: Path, arch: str, message: str) -> None:
    """Missing, unexpected, another shape."""
    with pytest.raises(LoadError, match=message) as caught:
        load(plain, arch=arch)
    assert "--arch" in caught.value.advice


def test_a_shape_is_named_from_both_sides(tmp_path: Path, resnet8: nn.Module) -> None:
    """In the file, in the network."""
    state = resnet8.state_dict()
    state["layer1.0.conv2.weight"] = torch.zeros(16, 12, 3, 3)
    torch.save(state, tmp_path / "x.pt")
    message = "layer1.0.conv2.weight is (16, 12, 3, 3) in the file, (16, 16, 3, 3) in the network"
    with pytest.raises(LoadError, match=re.escape(message)):
        load(tmp_path / "x.pt", arch="cifar:resnet8")


def test_keys_left_over_are_noted(tmp_path: Path, resnet8: nn.Module) -> None:
    """Loss weights, metrics, counters of a profiler; but a layer too many is an error."""
    state = {f"model.{name}": tensor for name, tensor in resnet8.state_dict().items()}
    state |= {"criterion.weight": torch.ones(5), "model.conv1.total_ops": torch.zeros(1), "acc.tp": torch.tensor(3)}
    torch.save({"state_dict": state}, tmp_path / "x.pt")
    assert load(tmp_path / "x.pt", arch="cifar:resnet8").notes == (
        "names begin with 'model.', which was stripped",
        "not part of the network, left out: criterion.weight, acc.tp, model.conv1.total_ops",
        "the weights are those under 'state_dict'",
    )
    torch.save({**resnet8.state_dict(), "head2.weight": torch.zeros(5, 64)}, tmp_path / "x.pt")
    with pytest.raises(LoadError, match=r"the network lacks head2\.weight"):
        load(tmp_path / "x.pt", arch="cifar:resnet8")


def test_of_two_parts_that_fit_the_plain_one_counts(tmp_path: Path, resnet8: nn.Module) -> None:
    """An average beside the model; two parts without such a name are refused."""
    state = resnet8.state_dict()
    both = {f"ema.{name}": tensor + 1 for name, tensor in state.items()}
    both |= {f"model.{name}": tensor for name, tensor in state.items()}
    torch.save({"state_dict": both}, tmp_path / "x.pt")
    found = load(tmp_path / "x.pt")
    assert torch.equal(found.model.conv1.weight, resnet8.conv1.weight)
    torch.save({name.replace("model.", "a."): tensor for name, tensor in both.items()}, tmp_path / "x.pt")
    for arch in (None, "cifar:resnet8"):
        with pytest.raises(LoadError, match=r"several parts of the file fit: a\., ema\."):
            load(tmp_path / "x.pt", arch=arch)


def test_a_classifier_needs_preprocessing_that_fits(plain: Path) -> None:
    """None is ever guessed."""
    with pytest.raises(LoadError, match="does not say how images are normalised") as caught:
        load(plain).classifier()
    assert "--preprocess" in caught.value.advice
    images = torch.rand(3, 1, 8, 8)
    found = load(plain, preprocess=parse_preprocess("mean=0.5;std=0.25"))
    assert torch.allclose(found.classifier()(images), found.model((images - 0.5) * 4), atol=1e-5)


def test_an_impossible_size_is_told_so(tmp_path: Path, factories: Path) -> None:
    """The forward pass is tried where somebody said a size."""
    torch.save(build(f"{factories}:mnist").state_dict(), tmp_path / "x.pt")
    with pytest.raises(LoadError, match=r"does not take images of 1x32x32") as caught:
        load(tmp_path / "x.pt", arch=f"{factories}:mnist", input_size=(32, 32))
    assert "--input-size" in caught.value.advice


def test_weights_that_are_not_numbers_are_refused(tmp_path: Path, resnet8: nn.Module) -> None:
    """A training run that diverged."""
    state = resnet8.state_dict()
    state["linear.bias"][2] = float("nan")
    torch.save(state, tmp_path / "x.pt")
    with pytest.raises(LoadError, match=r"linear\.bias holds infinite values or NaN"):
        load(tmp_path / "x.pt")


def test_a_network_of_several_sizes_is_taken_as_usual(tmp_path: Path, factories: Path) -> None:
    """The size is a default then, and the data may say another."""
    torch.save(build(f"{factories}:any_classes", num_classes=6).state_dict(), tmp_path / "x.pt")
    found = load(tmp_path / "x.pt", arch=f"{factories}:any_classes")
    assert (found.input_shape, found.input_known, found.num_classes) == ((3, 32, 32), False, 6)
    assert found.arguments == {"num_classes": 6}


def test_googlenets_published_scaling_is_noted(tmp_path: Path) -> None:
    """Its torchvision weights expect images in [-1, 1], which no state dict says."""
    torch.save(build("torchvision:googlenet", num_classes=3, aux_logits=0).state_dict(), tmp_path / "x.pt")
    found = load(tmp_path / "x.pt")
    assert found.arguments == {"num_classes": 3, "aux_logits": 0}
    assert any("mean=0.5,0.5,0.5" in note for note in found.notes)


def test_what_follows_a_checkpoint_remembers_it(resnet8: nn.Module) -> None:
    """One line more of history, one parent more, the digest of the new weights."""
    first = load(resnet8, arch="cifar:resnet8", input_size=(8, 8))
    second = first.followed_by(build("cifar:resnet8", **first.arguments), "trained anew", removed_blocks=("layer1.0",))
    assert isinstance(second, Checkpoint)
    assert (second.history, second.parents) == (("trained anew",), (first.sha256,))
    assert second.sha256 == sha256_of_weights(second.model.state_dict()) != first.sha256
    assert second.removed_blocks == ("layer1.0",)


def test_the_digest_of_weights_depends_on_names_values_and_types_only() -> None:
    """Not on their order."""
    one, two = torch.arange(6.0).reshape(2, 3), torch.tensor(3)
    digest = sha256_of_weights({"a": one, "b": two})
    assert digest == sha256_of_weights({"b": two.clone(), "a": one.t().contiguous().t()})
    others = [{"a": one, "c": two}, {"a": one + 1, "b": two}, {"a": one.double(), "b": two}, {"a": one.t(), "b": two}]
    assert digest not in [sha256_of_weights(other) for other in others]
    assert len(sha256_of_weights({"empty": torch.zeros(0)})) == 64
