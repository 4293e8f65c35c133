"""A module in memory: what it is, what it takes, and that it stays as it was."""

import copy

import pytest
import torch
import torchvision
from torch import nn

from compressor.data.preprocess import parse_preprocess
from compressor.errors import LoadError
from compressor.load import CifarResNet, build, load, save_slim, sha256_of_weights


class Simple(nn.Module):
    """A classifier of a class that can be imported and needs no arguments."""

    def __init__(self, classes: int = 3) -> None:
        super().__init__()
        self.conv = nn.Conv2d(2, 4, 3)
        self.fc = nn.Linear(4, classes)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Answer logits."""
        return self.fc(self.conv(images).relu().mean((2, 3)))


class Squared(CifarResNet):
    """Has the weights of a CIFAR ResNet and answers otherwise."""

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Answer something else."""
        return super().forward(images) ** 2


class Wrapped(nn.Module):
    """A network inside a network."""

    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.backbone = inner

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Answer what the inner one answers."""
        return self.backbone(images)


def test_a_known_network_is_recognised_and_confirmed(resnet8: nn.Module, images: torch.Tensor) -> None:
    """By its weights and by its answers; so it can be saved."""
    found = load(resnet8, preprocess=parse_preprocess("none"), input_size=(8, 8))
    assert (found.architecture, found.arguments) == ("cifar:resnet8", {"num_classes": 5, "in_channels": 1})
    assert (found.source, found.input_shape, found.input_known) == ("<memory>", (1, 8, 8), True)
    assert found.sha256 == sha256_of_weights(resnet8.state_dict())
    assert torch.equal(found.model(images), resnet8(images))


@pytest.mark.parametrize(
    "wrap",
    [
        nn.DataParallel,
        torch.optim.swa_utils.AveragedModel,
        Wrapped,
        lambda model: torch.compile(model, backend="eager"),
        lambda model: nn.DataParallel(torch.compile(model, backend="eager")),
    ],
)
def test_wrappers_are_taken_off(resnet8: nn.Module, images: torch.Tensor, wrap: object) -> None:
    """Parallel, averaged, compiled, or the user's own."""
    wrapped = wrap(resnet8)
    resnet8.cpu()  # DataParallel moves a model to the GPU where there is one
    found = load(wrapped, input_size=(8, 8))
    assert found.architecture == "cifar:resnet8"
    assert torch.equal(found.model(images), resnet8(images))


def test_the_module_stays_as_it_was(resnet8: nn.Module) -> None:
    """Mode, types, frozen parameters and weights; changing the loaded model does not reach it."""
    resnet8.train()
    resnet8.conv1.weight.requires_grad_(False)
    before = copy.deepcopy(resnet8.state_dict())
    found = load(resnet8, input_size=(8, 8))
    with torch.no_grad():
        for parameter in found.model.parameters():
            parameter.zero_()
    assert resnet8.training
    assert not resnet8.conv1.weight.requires_grad
    assert all(torch.equal(tensor, before[name]) for name, tensor in resnet8.state_dict().items())


def test_a_class_that_can_be_imported_is_its_own_factory(tmp_path: object) -> None:
    """Without arguments it is built anew; then it can be saved and read back when the user names it."""
    model = Simple().eval()
    found = load(model)
    arch = f"{__name__}:Simple"
    assert (found.architecture, found.input_shape, found.input_known) == (arch, (2, 32, 32), False)
    save_slim(found, tmp_path / "x.safetensors")
    images = torch.randn(2, 2, 9, 9)
    assert torch.equal(load(tmp_path / "x.safetensors", arch=arch).model(images), model(images))


def test_what_the_weights_do_not_say_stays_as_it_was_given() -> None:
    """Dropout, what is frozen, and layers of the user's own: a network that is built anew would lose them."""
    model = Simple().eval()
    model.dropout = nn.Dropout(0.9)
    next(model.parameters()).requires_grad_(False)
    found = load(model, input_size=(9, 9))
    assert found.architecture == f"{__name__}:Simple"
    assert found.model.dropout.p == 0.9
    frozen = [name for name, parameter in model.named_parameters() if not parameter.requires_grad]
    assert [name for name, parameter in found.model.named_parameters() if not parameter.requires_grad] == frozen


def test_a_network_of_another_class_keeps_what_is_frozen(resnet8: nn.Module) -> None:
    """It is the architecture's own network, with the flags of the one that was given."""

    class Mine(CifarResNet):
        pass

    model = Mine(8, in_channels=1)
    model.conv1.weight.requires_grad_(False)
    found = load(model.eval(), input_size=(8, 8))
    assert type(found.model) is CifarResNet
    assert not found.model.conv1.weight.requires_grad
    assert found.model.layer1[0].conv1.weight.requires_grad


def test_layers_need_not_stand_in_the_order_in_which_they_run() -> None:
    """The body was made before the stem; the image has the channels of the stem."""
    late = nn.ModuleDict({"body": nn.Conv2d(16, 8, 3), "stem": nn.Conv2d(4, 16, 3), "head": nn.Linear(8, 3)})

    class Late(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.parts = late

        def forward(self, images: torch.Tensor) -> torch.Tensor:
            return self.parts["head"](self.parts["body"](self.parts["stem"](images)).mean(dim=(2, 3)))

    assert load(Late().eval(), input_size=(12, 12)).input_shape == (4, 12, 12)


@pytest.mark.filterwarnings("ignore")
def test_quantised_layers_are_refused() -> None:
    """They compute in integers; the advice says what to give."""
    model = nn.Sequential(nn.Conv2d(1, 1, 1), nn.Flatten(), torch.ao.nn.quantized.dynamic.Linear(64, 3))
    with pytest.raises(LoadError, match="quantised layers") as caught:
        load(model, input_size=(8, 8))
    assert "--precision int8" in caught.value.advice


def test_words_and_one_number_do(resnet8: nn.Module) -> None:
    """Preprocessing as the command line takes it, and one side for both."""
    found = load(resnet8, preprocess="mean=0.5;std=0.25", input_size=8)
    assert found.preprocess == parse_preprocess("mean=0.5;std=0.25")
    assert found.input_shape == (1, 8, 8)


@pytest.mark.parametrize("make", [lambda: Squared(8), lambda: Simple(7), lambda: Wrapped(Simple(7))])
def test_what_cannot_be_built_anew_is_known_in_memory_only(make: object) -> None:
    """It answers differently, or needs arguments. A copy is used, and the note says what to do."""
    model = make().eval()
    found = load(model, input_size=(16, 16))
    assert found.architecture == f"memory:{type(model).__name__}"
    assert "--arch path/to/file.py:factory" in found.notes[0]
    images = torch.randn(2, found.input_shape[0], 16, 16)
    assert torch.equal(found.model(images), model(images))
    assert found.model is not model
    assert found.num_classes == model(images).shape[1]


def test_a_named_architecture_must_answer_the_same() -> None:
    """The weights alone do not prove it."""
    with pytest.raises(LoadError, match="has the weights of cifar:resnet8 but answers differently"):
        load(Squared(8), arch="cifar:resnet8", input_size=(8, 8))
    with pytest.raises(LoadError, match="does not fit cifar:resnet14"):
        load(CifarResNet(8), arch="cifar:resnet14", input_size=(8, 8))


def test_inception_with_its_own_scaling_is_recognised() -> None:
    """`transform_input` is part of what it computes and of its arguments."""
    model = build("torchvision:googlenet", num_classes=3, transform_input=1)
    found = load(model, input_size=(32, 32))
    assert found.arguments == {"num_classes": 3, "transform_input": 1}


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (nn.Sequential(nn.Flatten()), "has no parameters"),
        (nn.Conv2d(3, 4, 3), r"answers two images of 3x32x32 \(channels|answers two images of 3x32x32 with shape"),
        (
            nn.Sequential(nn.Conv2d(3, 4, 3), nn.Flatten(0), nn.LazyLinear(3)),
            "has lazy layers",
        ),
        (nn.Linear(5, 3, device="meta"), "weights without values"),
        (nn.Linear(5, 3), "takes no image of a usual size"),
    ],
)
def test_what_is_no_image_classifier_is_refused(model: nn.Module, message: str) -> None:
    """One sentence each."""
    with pytest.raises(LoadError, match=message):
        load(model)


def test_a_known_network_takes_the_size_it_was_made_for() -> None:
    """A convolutional network takes any size: the one of its architecture is taken, and data may still say another."""
    found = load(torchvision.models.resnet18(num_classes=7))
    assert found.input_shape == (3, 224, 224)
    assert not found.input_known
