"""The CIFAR ResNets: known sizes, the shortcut, and the published accuracy on real images."""

from pathlib import Path

import numpy as np
import pytest
import torch

from compressor.data.preprocess import parse_preprocess
from compressor.errors import LoadError
from compressor.load import CifarResNet, PadShortcut, load


@pytest.mark.parametrize(
    ("depth", "num_params"),
    [(20, 269_722), (32, 464_154), (44, 658_586), (56, 853_018), (110, 1_727_962)],
)
def test_the_number_of_parameters_is_the_published_one(depth: int, num_params: int) -> None:
    """Table 6 of the paper says 0.27M, 0.46M, 0.66M, 0.85M, 1.7M; the checkpoints' author counts these exactly."""
    assert sum(parameter.numel() for parameter in CifarResNet(depth).parameters()) == num_params


@pytest.mark.parametrize("batch", [1, 3])
@pytest.mark.parametrize(("channels", "side", "width", "classes"), [(3, 32, 16, 10), (1, 8, 16, 10), (2, 15, 5, 3)])
def test_any_number_of_channels_classes_and_pixels_goes_through(
    batch: int, channels: int, side: int, width: int, classes: int
) -> None:
    """Odd sides are rounded up alike on both paths, and odd numbers of zero channels are shared out."""
    model = CifarResNet(8, num_classes=classes, in_channels=channels, width=width).eval()
    assert model(torch.randn(batch, channels, side, side)).shape == (batch, classes)


def test_the_shortcut_pads_in_front_and_behind_and_has_no_weights() -> None:
    """Two zero channels before, one after, every second pixel of what came in."""
    shortcut = PadShortcut(2, 1, 2)
    images = torch.arange(2 * 4 * 5 * 5, dtype=torch.float32).reshape(2, 4, 5, 5)
    padded = shortcut(images)
    assert padded.shape == (2, 7, 3, 3)
    assert torch.equal(padded[:, 2:6], images[:, :, ::2, ::2])
    assert padded[:, :2].abs().sum() == padded[:, 6:].abs().sum() == 0
    assert not shortcut.state_dict()
    assert repr(shortcut) == "PadShortcut(before=2, after=1, stride=2)"


@pytest.mark.parametrize(("depth", "width"), [(21, 16), (2, 16), (-4, 16), (1208, 16), (8, 0), (8, 257)])
def test_impossible_numbers_are_refused(depth: int, width: int) -> None:
    """The depth is 6n + 2 and at most the paper's deepest."""
    with pytest.raises(LoadError, match="cifar:resnet"):
        CifarResNet(depth, width=width)


@pytest.mark.shared_data
@pytest.mark.slow
@pytest.mark.parametrize(("file", "accuracy"), [("resnet20-12fca82f.th", 0.8103), ("resnet56-4bfd9763.th", 0.8320)])
def test_published_checkpoints_answer_as_measured(
    shared_data: Path, cifar_test: tuple[torch.Tensor, torch.Tensor], file: str, accuracy: float
) -> None:
    """The whole JPEG test set gives 81.03 % and 83.20 %; a seeded sample of 1,000 lies within three standard errors."""
    model = load(shared_data / "checkpoints" / file, preprocess=parse_preprocess("imagenet")).classifier()
    images, labels = cifar_test
    with torch.inference_mode():
        right = (torch.cat([model(part).argmax(1) for part in images.split(250)]) == labels).float().mean().item()
    assert abs(right - accuracy) < 3 * np.sqrt(accuracy * (1 - accuracy) / len(labels))
