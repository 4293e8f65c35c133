"""Reading a network: what is known answers as the network does, what is not is named."""

import pytest
import torch
from prove_nets import residual
from torch import Tensor, nn

from compressor.data.preprocess import Normalised, parse_preprocess
from compressor.prove import OutOfReach, Program, trace


class Odd(nn.Module):
    """A linear layer, and then whatever is asked for."""

    def __init__(self, then) -> None:
        super().__init__()
        self.head = nn.Linear(12, 3)
        self.then = then

    def forward(self, images: Tensor) -> Tensor:
        """Do it."""
        return self.then(self, images)


@pytest.mark.parametrize(
    ("model", "words"),
    [
        (nn.Sequential(nn.MaxPool2d(2), nn.Flatten(), nn.Linear(2, 3)), "MaxPool2d (0)"),
        (nn.Sequential(nn.Flatten(), nn.Linear(12, 3), nn.Sigmoid()), "Sigmoid (2)"),
        (nn.Sequential(nn.Conv2d(1, 2, 3, padding=1, padding_mode="reflect"), nn.Flatten()), "mode 'reflect'"),
        (Odd(lambda self, images: self.head(torch.tanh(images).flatten(1))), "tanh"),
        (Odd(lambda self, images: self.head((images * images).flatten(1))), "mul"),
        (Odd(lambda self, images: self.head(images.flatten(1)).softmax(1)), "softmax"),
        (Odd(lambda self, images: self.head(images[:1].expand(len(images), 1, 3, 4).flatten(1))), "cannot be followed"),
        (Odd(lambda self, images: self.head(images.flatten(1)) if images.sum() > 0 else images), "cannot be followed"),
        (Odd(lambda self, images: self.head((images + images.relu_()).flatten(1) - 0.5).relu_() * 1), ""),
        (Odd(lambda self, images: self.head((images * torch.ones(2, 1, 1)).flatten(1)[:, :12])), "repeats values"),
        (nn.Sequential(nn.AvgPool2d(2, divisor_override=-1), nn.Flatten(), nn.Linear(2, 3)), "does not answer"),
        (nn.Sequential(nn.Flatten(), nn.Linear(12, 3), nn.BatchNorm1d(3, track_running_stats=False)), "BatchNorm1d"),
    ],
)
def test_what_is_unknown_is_out_of_reach_by_name(model, words):
    """A value, not an error; the operator stands in the reason."""
    found = trace(model.eval(), (1, 3, 4))
    if not words:
        assert isinstance(found, Program)
    else:
        assert isinstance(found, OutOfReach)
        assert words in found.reason


def test_a_value_that_was_changed_in_place_is_noticed():
    """The shortcut adds what the in-place ReLU left behind: read as written, it would be another network."""

    def forward(self, images):
        values = self.head(images.flatten(1))
        return torch.relu_(values) * 2 + values

    found = trace(Odd(forward).eval(), (1, 3, 4))
    assert isinstance(found, OutOfReach)
    assert "does not answer as the network itself" in found.reason


def test_a_network_that_reads_the_size_of_its_batch_is_noticed():
    """What it answers to one image would depend on how many there are."""
    found = trace(Odd(lambda self, images: self.head(images.flatten(1) / images.size(0))).eval(), (1, 3, 4))
    assert isinstance(found, OutOfReach)
    assert "does not answer as the network itself" in found.reason


def test_large_networks_are_refused_by_size():
    """Before anything is copied."""
    wide = nn.Sequential(nn.Flatten(), nn.Linear(12, 2_000_000, bias=False), nn.ReLU(), nn.Flatten())
    found = trace(wide.eval(), (1, 3, 4))
    assert isinstance(found, OutOfReach)
    assert "24,000,000 parameters" in found.reason
    many = nn.Sequential(nn.Conv2d(1, 300, 1), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten()).eval()
    found = trace(many, (1, 30, 30))
    assert isinstance(found, OutOfReach)
    assert "270,000 values" in found.reason


def test_normalisation_is_part_of_the_program():
    """The program answers images in [0, 1] as the classifier does, in float64."""
    model = Normalised(residual(), parse_preprocess("mean=0.4,0.5;std=0.2,0.3")).eval()
    program = trace(model, (2, 8, 8))
    assert isinstance(program, Program)
    images = torch.rand(4, 2, 8, 8)
    assert torch.allclose(program.forward(images.double()), model.double()(images.double()), atol=1e-10)
