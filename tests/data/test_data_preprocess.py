"""What a preprocess spec may say, and that its text reads back as the same thing."""

import pytest
import torch
from torch import nn

from compressor.data import Normalised, Preprocess, parse_preprocess
from compressor.errors import OptionError
from compressor.records import dump, parse

READS = [
    ("none", Preprocess(mean=(), std=())),
    ("imagenet", Preprocess(mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225))),
    ("CIFAR10", Preprocess(mean=(0.4914, 0.4822, 0.4465), std=(0.2470, 0.2435, 0.2616))),
    ("mean=0.5;std=0.25", Preprocess(mean=(0.5,), std=(0.25,))),
    ("std=.2, .3,1 ; mean=0,1e-1,0.5", Preprocess(mean=(0.0, 0.1, 0.5), std=(0.2, 0.3, 1.0))),
    ("mean=125.3/255;std=63/255", Preprocess(mean=(125.3 / 255,), std=(63 / 255,))),
    ("none;resize=184;crop=160", Preprocess(mean=(), std=(), resize=184, crop=160)),
    ("imagenet;interp=bicubic", Preprocess(mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225), interp="bicubic")),
]


@pytest.mark.parametrize(("text", "expected"), READS)
def test_reads(text: str, expected: Preprocess) -> None:
    """Names, lists, fractions and settings are read, in any case and with any spaces."""
    read = parse_preprocess(text)
    assert read.mean == pytest.approx(expected.mean, abs=1e-15)
    assert read.std == pytest.approx(expected.std, abs=1e-15)
    assert (read.resize, read.crop, read.interp) == (expected.resize, expected.crop, expected.interp)


@pytest.mark.parametrize("preprocess", [expected for _, expected in READS])
def test_text_reads_back(preprocess: Preprocess) -> None:
    """The canonical text, and the JSON record, give the same preprocess back, to the last bit."""
    assert parse_preprocess(preprocess.text()) == preprocess
    assert parse(dump(preprocess), Preprocess, source="here") == preprocess


def test_known_values_have_short_texts() -> None:
    """A known mean and std is written by its name."""
    assert parse_preprocess("mean=0.485,0.456,0.406;std=0.229,0.224,0.225;crop=32").text() == "imagenet;crop=32"


BAD = [
    ("", "neither a name"),
    ("imagnet", "neither a name"),
    ("mean=0.5", "both mean= and std="),
    ("std=0.5;resize=4", "both mean= and std="),
    ("mean=0.5;std=0.5,0.5", "1 values of mean but 2 of std"),
    ("mean=0.5;std=0", "must be above 0"),
    ("mean=0.5;std=nan", "must be above 0"),
    ("mean=0.5;std=1/0", "not a list of numbers"),
    ("mean=a;std=1", "not a list of numbers"),
    ("mean=;std=", "not a list of numbers"),
    ("mean=125;std=63", "must lie in [0, 1]"),
    ("mean=-0.5;std=1", "must lie in [0, 1]"),
    ("imagenet;mean=0.5;std=0.5", "both a name and"),
    ("none;resize=0", "at least 1 pixel"),
    ("none;resize=big", "not a number of pixels"),
    ("none;resize=160;crop=184", "smaller than crop"),
    ("none;interp=cubic", "is unknown"),
    ("none;crop=4;crop=5", "cannot read"),
    ("none;size=4", "cannot read"),
    ("none;", "cannot read"),
]


@pytest.mark.parametrize(("text", "message"), BAD)
def test_refuses(text: str, message: str) -> None:
    """Anything else is one clear sentence and an advice."""
    with pytest.raises(OptionError) as refused:
        parse_preprocess(text)
    assert message in refused.value.message
    assert refused.value.advice


def test_channels_must_fit() -> None:
    """Three means do not normalise grey images; no mean fits all."""
    parse_preprocess("none").check_channels(1)
    parse_preprocess("imagenet").check_channels(3)
    with pytest.raises(OptionError, match="3 values of mean and std, but images have 1 channel"):
        parse_preprocess("imagenet").check_channels(1)


def test_normalised_is_the_model_on_normalised_images() -> None:
    """Normalised(model)(x) equals model((x - mean) / std); without normalisation it is the model itself."""
    model = nn.Flatten()
    images = torch.rand(2, 3, 4, 4)
    mean, std = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    expected = ((images - mean.view(3, 1, 1)) / std.view(3, 1, 1)).flatten(1)
    normalised = Normalised(model.eval(), parse_preprocess("imagenet"))
    assert torch.equal(normalised(images), expected)
    assert not normalised.training
    assert normalised.mean.shape == normalised.std.shape == (1, 3, 1, 1)
    assert torch.equal(Normalised(model, parse_preprocess("none"))(images), images.flatten(1))
