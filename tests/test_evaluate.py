"""The one loop: equal bits whatever stands beside an image, and what a model may not answer."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from compressor.data import ImageSet, Normalised, open_data, parse_preprocess
from compressor.data.arrays import Labelled, splits_of_arrays
from compressor.data.splits import Wanted
from compressor.errors import CertifyError
from compressor.evaluate import Answers, chunk_size, evaluate, logits_of
from compressor.progress import Silent

CPU = torch.device("cpu")


def small_net(width: int = 8) -> nn.Module:
    """Return a conv-BN net with a 1x1 convolution; an odd width gives its linear layer rows that start anywhere."""
    net = nn.Sequential(
        nn.Conv2d(3, width, 3, padding=1, bias=False),
        nn.BatchNorm2d(width),
        nn.ReLU(),
        nn.Conv2d(width, 2 * width + 1, 1),
        nn.ReLU(),
        nn.Conv2d(2 * width + 1, 57, 3, stride=2),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(57, 10),
    )
    net(torch.rand(16, 3, 12, 12))
    return net.eval()


def image_set(num: int, shape: tuple[int, int] = (12, 12)) -> ImageSet:
    """Return random images."""
    pixels = np.random.default_rng(0).integers(0, 256, (num, *shape, 3), dtype=np.uint8)
    part = Labelled(split="test", images=pixels, labels=np.arange(num) % 10)
    made = splits_of_arrays([part], class_names=tuple("0123456789"), wanted=Wanted(spec="here")).test
    assert made is not None
    return made


SIZES = [
    ((3, 8, 8), 32),
    ((1, 28, 28), 32),
    ((3, 64, 64), 32),
    ((3, 65, 64), 16),
    ((3, 128, 128), 16),
    ((3, 224, 224), 8),
    ((3, 299, 299), 4),
    ((3, 1024, 1024), 2),
    ((3, 4000, 4000), 1),
]


@pytest.mark.parametrize(("shape", "expected"), SIZES)
def test_chunk_size(shape: tuple[int, int, int], expected: int) -> None:
    """The chunk follows from height and width alone."""
    assert chunk_size(shape) == expected


@pytest.mark.parametrize("width", [8, 7, 3])
def test_the_bits_of_a_logit_do_not_depend_on_company(width: int) -> None:
    """Whatever other images stand beside an image, and however many: its logits keep their bits."""
    model = small_net(width)
    images = torch.rand(70, 3, 12, 12)
    whole = logits_of(model, images, device=CPU)
    for num in (1, 3, 8, 31, 32, 33, 69):
        assert torch.equal(logits_of(model, images[:num], device=CPU), whole[:num])
    for others in (torch.zeros_like(images), torch.rand_like(images) * 100):
        for place in (0, 5, 31, 37, 69):
            mixed = others.clone()
            mixed[place] = images[place]
            assert torch.equal(logits_of(model, mixed, device=CPU)[place], whole[place])


def test_the_bits_of_a_logit_do_not_depend_on_threads() -> None:
    """One thread or three give the same bits, also behind 1x1 convolutions, and torch's own setting is put back."""
    model, images = small_net(), torch.rand(200, 3, 12, 12)
    before = torch.get_num_threads()
    found = []
    try:
        for threads in (1, 2, 3):
            torch.set_num_threads(threads)
            found.append(logits_of(model, images, device=CPU))
            assert torch.get_num_threads() == threads
    finally:
        torch.set_num_threads(before)
    assert torch.equal(found[0], found[1])
    assert torch.equal(found[0], found[2])


def test_logits_are_those_of_the_model() -> None:
    """A whole chunk gives the model's own bits; any batch gives its numbers, float32, without a gradient."""
    model, images = small_net(), torch.rand(40, 3, 12, 12)
    found = logits_of(model, images, device=CPU)
    assert found.dtype == torch.float32
    assert not found.requires_grad
    assert not found.is_inference()
    torch.testing.assert_close(found, model(images).detach())


def test_evaluate_is_logits_of_in_order() -> None:
    """Reading in groups changes no bit; predictions, right answers and accuracy follow from the logits."""
    model, images = small_net(), image_set(700)
    answers = evaluate(model, images)
    assert np.array_equal(answers.logits, logits_of(model, images.read(range(700)), device=CPU).numpy())
    assert np.array_equal(answers.predictions, answers.logits.argmax(1))
    assert answers.accuracy == pytest.approx((answers.logits.argmax(1) == images.labels).mean())
    assert answers.right.dtype == bool


def test_answers_know_what_is_right() -> None:
    """The first of equal logits is the prediction."""
    answers = Answers(logits=np.array([[1, 2], [3, 3], [0, -1]], np.float32), labels=np.array([1, 1, 0]))
    assert answers.predictions.tolist() == [1, 0, 0]
    assert answers.right.tolist() == [True, False, True]
    assert answers.accuracy == 2 / 3


def test_modes_are_restored() -> None:
    """Each module keeps its own mode, BatchNorm its statistics, also when the model fails."""
    model = small_net().train()
    model[1].eval()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    evaluate(model, image_set(5))
    assert model.training
    assert not model[1].training
    assert model[3].training
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    with pytest.raises(CertifyError):
        logits_of(model, torch.rand(2, 1, 12, 12), device=CPU)
    assert model.training
    assert not model[1].training


class Answering(nn.Module):
    """Answers what a function makes of the images."""

    def __init__(self, answer: object) -> None:
        super().__init__()
        self.answer = answer

    def forward(self, images: Tensor) -> object:
        """Return the function's value."""
        return self.answer(images)


def nan_for_bright(images: Tensor) -> Tensor:
    """Answer NaN for images that are all 1."""
    logits = images.flatten(1)[:, :10].clone()
    logits[(images == 1).all(dim=(1, 2, 3))] = torch.nan
    return logits


def refuses(images: Tensor) -> Tensor:
    """Raise as vision transformers do, with no word."""
    raise AssertionError


BAD = {
    "a tuple": (lambda images: (images,), "with a tuple, not with logits (32, classes)"),
    "four axes": (lambda images: images, "with a tensor of shape (32, 3, 12, 12)"),
    "one row": (lambda images: images.flatten(1)[:1], "with a tensor of shape (1, 432)"),
    "no word": (refuses, "cannot take images of 3x12x12 (channels, height, width): AssertionError"),
    "another shape": (nn.Linear(7, 2), "cannot take images of 3x12x12 (channels, height, width)"),
}


@pytest.mark.parametrize(("answer", "message"), BAD.values(), ids=BAD)
def test_refuses(answer: object, message: str) -> None:
    """A model that does not answer with logits is refused, with an advice."""
    with pytest.raises(CertifyError) as refused:
        logits_of(Answering(answer), torch.rand(3, 3, 12, 12), device=CPU)
    assert message in refused.value.message
    assert refused.value.advice


def test_names_the_image_that_gives_nan() -> None:
    """NaN and infinity stop the run and name the first such image; padding never counts."""
    images = torch.rand(40, 3, 12, 12)
    images[37] = 1
    with pytest.raises(CertifyError, match="NaN or infinity for image 37"):
        logits_of(Answering(nan_for_bright), images, device=CPU)
    pixels = np.zeros((40, 12, 12, 3), np.uint8)
    pixels[38] = 255
    part = Labelled(split="test", images=pixels, labels=np.zeros(40, np.int64))
    named = splits_of_arrays([part], class_names=None, wanted=Wanted(spec="here")).test
    assert named is not None
    with pytest.raises(CertifyError, match="for image test/38"):
        evaluate(Answering(nan_for_bright), named)
    divides = Answering(lambda images: 1 / images.flatten(1)[:, :10])
    assert logits_of(divides, images.clamp(min=0.1), device=CPU).isfinite().all()


class Counting(Silent):
    """Counts what it is told."""

    def __init__(self) -> None:
        self.count = 0

    def stage(self, name: str, *, total: int | None = None, unit: str = "") -> "Counting":
        """Note the total."""
        self.total = total
        return self

    def __enter__(self) -> "Counting":
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def advance(self, amount: int = 1, note: str = "") -> None:
        """Count."""
        self.count += amount


def test_progress_counts_images() -> None:
    """The listener hears of every image once."""
    listener = Counting()
    evaluate(small_net(), image_set(600), progress=listener)
    assert listener.count == listener.total == 600


@pytest.mark.shared_data
def test_the_published_cnn_has_its_published_accuracy(shared_data: Path) -> None:
    """cifar_cnn_a_mix answers 79.0 % of the 200 lossless images right, as its authors say."""
    model = nn.Sequential(
        nn.Conv2d(3, 16, 4, stride=2, padding=1),
        nn.ReLU(),
        nn.Conv2d(16, 32, 4, stride=2, padding=1),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(2048, 100),
        nn.ReLU(),
        nn.Linear(100, 10),
    )
    stored = torch.load(shared_data / "checkpoints/cifar_cnn_a_mix.model", weights_only=True, map_location="cpu")
    state = stored.get("state_dict", stored)
    if isinstance(state, list):
        state = state[0]
    model.load_state_dict(state)
    preprocess = parse_preprocess("mean=125.3/255,123/255,113.9/255;std=63/255,62.1/255,66.7/255")
    images = open_data(str(shared_data / "sdp-cifar10-200.npz"), preprocess=preprocess).need("test")
    assert evaluate(Normalised(model, preprocess), images).accuracy == 0.79


@pytest.mark.gpu
def test_a_gpu_answers_the_same_and_gives_the_model_back() -> None:
    """On a GPU the numbers agree in float32, are repeatable, and the model returns to where it was."""
    model, images = small_net(), image_set(100)
    there = evaluate(model, images, device="cuda")
    assert np.array_equal(there.logits, evaluate(model, images, device="cuda").logits)
    np.testing.assert_allclose(there.logits, evaluate(model, images).logits, rtol=1e-4, atol=1e-5)
    assert all(parameter.device.type == "cpu" for parameter in model.parameters())
