"""Parity notices any file that is not the model, and says so in its record."""

import json

import numpy as np
import onnx
import pytest
import torch
from export_nets import checkpoint_of
from onnx import numpy_helper
from tiny_onnx import linear_onnx, random_weights
from torch import nn

from compressor.data.images import ImageSet
from compressor.data.preprocess import Preprocess
from compressor.errors import MachineError
from compressor.export.onnx import export_onnx
from compressor.export.parity import MAX_REL, check_parity
from compressor.export.record import Parity
from compressor.files import sha256_of_bytes
from compressor.load.cifar_resnet import CifarResNet
from compressor.records import dump, parse
from compressor.runtime.gpu import read_driver
from compressor.types import Precision


def _image_set(pixels: torch.Tensor, labels: np.ndarray) -> ImageSet:
    return ImageSet(
        role="test",
        labels=labels,
        names=tuple(str(index) for index in range(len(labels))),
        class_names=tuple(str(index) for index in range(10)),
        shape=tuple(pixels.shape[1:]),
        reader=lambda wanted: pixels[torch.as_tensor(list(wanted))],
        hasher=lambda index: sha256_of_bytes(pixels[index].numpy().tobytes()),
    )


def _images(num: int, shape=(1, 8, 8)) -> ImageSet:
    """Return noise with labels in turn, as any data set would hold it."""
    pixels = torch.randint(0, 256, (num, *shape), dtype=torch.uint8, generator=torch.Generator().manual_seed(3))
    return _image_set(pixels, np.arange(num, dtype=np.int64) % 10)


def _with_changed_weight(content: bytes, name: str, change) -> bytes:
    model = onnx.load_from_string(content)
    (tensor,) = (each for each in model.graph.initializer if each.name == name)
    values = numpy_helper.to_array(tensor).copy()
    values.flat[0] = change(values.flat[0])
    tensor.CopyFrom(numpy_helper.from_array(values, name))
    return bytes(model.SerializeToString())


def test_the_file_agrees_with_its_model(made):
    """On real images: passed, all three batch sizes, both accuracies, both sizes; the record survives JSON."""
    checkpoint, content = made
    parity = check_parity(checkpoint, content, images=_images(50), checkpoint_bytes=123)
    assert parity.decision == "passed"
    assert (parity.num_images, parity.batches, parity.provider) == (50, (1, 3, 8), "cpu")
    assert (parity.bytes_model, parity.bytes_checkpoint) == (len(content), 123)
    assert parity.artefact_sha256 == sha256_of_bytes(content)
    assert parity.agreement == 1.0
    assert 0 <= parity.max_rel <= MAX_REL[Precision.FP32] / 10
    assert parity.accuracy_torch == parity.accuracy_onnx is not None
    assert parse(dump(parity), Parity, source="parity.json") == parity


def test_without_images_noise_is_used(made):
    """No labels, so no accuracies; the same seed gives the same figures."""
    first, second = (check_parity(*made, images=None) for _ in range(2))
    assert first.decision == "passed"
    assert first.accuracy_torch is first.accuracy_onnx is None
    assert (first.max_abs, first.num_images) == (second.max_abs, second.num_images)


def test_at_most_so_many_images_spread_over_all(made):
    """Images sorted by class must not leave the last classes out."""
    seen: list[int] = []
    images = _images(100)
    reader = images.reader
    object.__setattr__(images, "reader", lambda wanted: (seen.extend(wanted), reader(wanted))[1])
    assert check_parity(*made, images=images, num_images=10).num_images == 10
    assert (min(seen), max(seen)) == (0, 99)


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("model.linear.weight", lambda value: value + 0.5),
        ("model.conv1.weight", lambda value: -value - 0.1),
        ("model.linear.bias", lambda value: value + 0.1),
        ("model.linear.bias", lambda value: np.float32(np.nan)),
        ("model.linear.bias", lambda value: np.float32(np.inf)),
    ],
)
def test_one_changed_weight_fails(made, name, change):
    """Negative control: a single weight of the file is not the model's, or not even a number."""
    checkpoint, content = made
    parity = check_parity(checkpoint, _with_changed_weight(content, name, change), images=_images(24))
    assert parity.decision == "failed"
    assert parity.max_rel > MAX_REL[Precision.FP32]
    assert "NaN" not in json.dumps(json.loads(dump(parity)))


@pytest.mark.parametrize(("shape", "num_classes"), [((1, 8, 8), 10), ((1, 8, 8), 7), ((3, 8, 8), 10), ((1, 9, 9), 10)])
def test_another_model_fails(made, shape, num_classes):
    """A file of other weights, other classes or another input size is a disagreement, not an exception."""
    other = linear_onnx(random_weights(shape, num_classes), shape=shape)
    parity = check_parity(made[0], other, images=_images(24))
    assert parity.decision == "failed"
    assert parity.agreement < 1


def test_a_file_of_one_batch_size_is_compared_at_it():
    """A stated batch is the only one that is run."""
    shape, weights = (1, 8, 8), random_weights((1, 8, 8))
    model = nn.Sequential(nn.Flatten(), nn.Linear(64, 3, bias=False))
    model[1].weight = nn.Parameter(torch.from_numpy(weights.T.copy()))
    checkpoint = checkpoint_of(model.eval(), shape, num_classes=3, preprocess=Preprocess(mean=(), std=()))
    plain = linear_onnx(weights, shape=shape, batch=4)
    parity = check_parity(checkpoint, plain)
    assert (parity.decision, parity.batches) == ("passed", (4,))


@pytest.mark.slow
@pytest.mark.shared_data
def test_a_published_checkpoint_on_real_images(shared_data):
    """The trained resnet20 answers 200 lossless CIFAR-10 images alike in both, and about as well as published."""
    state = torch.load(shared_data / "checkpoints" / "resnet20-12fca82f.th", map_location="cpu", weights_only=True)
    model = CifarResNet(20).eval()
    model.load_state_dict({name.removeprefix("module."): value for name, value in state["state_dict"].items()})
    checkpoint = checkpoint_of(model, (3, 32, 32), num_classes=10, architecture="cifar:resnet20")
    with np.load(shared_data / "sdp-cifar10-200.npz") as stored:
        images = _image_set(torch.from_numpy(stored["x_test"]).permute(0, 3, 1, 2).contiguous(), stored["y_test"])
    parity = check_parity(checkpoint, export_onnx(checkpoint), images=images)
    assert (parity.decision, parity.agreement) == ("passed", 1.0)
    assert parity.max_rel < 1e-5
    assert parity.accuracy_torch == parity.accuracy_onnx > 0.88


@pytest.mark.skipif(read_driver() is not None, reason="this machine has a GPU")
def test_a_missing_provider_is_an_error(made):
    """There is no parity on a provider that does not load."""
    with pytest.raises(MachineError, match="provider cuda"):
        check_parity(*made, provider="cuda")
