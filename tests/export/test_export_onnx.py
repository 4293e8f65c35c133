"""One ONNX file: right, whole, the same everywhere, and honest about what cannot be written."""

import dataclasses
import hashlib
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
import torchvision
from export_nets import checkpoint_of, small_resnet, unsettle
from torch import nn

from compressor.errors import ExportError, LoadError, OptionError
from compressor.export.form import Form
from compressor.export.onnx import export_onnx, fits_one_file
from compressor.export.parity import check_parity
from compressor.load.architectures import construct
from compressor.load.checkpoint import sha256_of_weights
from compressor.load.cifar_resnet import CifarResNet
from compressor.prune import plan, slim
from compressor.runtime import open_session
from compressor.types import Precision


def _graph(content: bytes) -> onnx.GraphProto:
    return onnx.load_from_string(content).graph


def _operators(content: bytes) -> list[str]:
    return [node.op_type for node in _graph(content).node]


def test_the_file_is_whole_and_plain(made):
    """Opset 18, named input and output with a free batch, no batch norm, no path, nothing outside the file."""
    _, content = made
    model = onnx.load_from_string(content)
    assert [(entry.domain, entry.version) for entry in model.opset_import] == [("", 18)]
    (entry,), (answer,) = model.graph.input, model.graph.output
    shapes = [
        [size.dim_param or size.dim_value for size in value.type.tensor_type.shape.dim] for value in (entry, answer)
    ]
    assert ([entry.name, answer.name], shapes) == (["images", "logits"], [["batch", 1, 8, 8], ["batch", 10]])
    assert "BatchNormalization" not in _operators(content)
    assert not any(part.metadata_props or part.doc_string for part in (*model.graph.node, *model.graph.initializer))
    for trace in (b".py", str(Path(__file__).parent).encode(), b"site-packages", b"stack_trace"):
        assert trace not in content


def test_the_file_says_what_it_is(made):
    """Labels, range, shape, preprocessing, versions and the digest of the slim checkpoint are inside."""
    checkpoint, content = made
    notes = open_session(content).metadata
    assert json.loads(notes["labels"]) == list(checkpoint.labels)
    assert json.loads(notes["input_shape"]) == [1, 8, 8]
    assert (notes["input_range"], notes["preprocess"]) == ("[0, 1]", checkpoint.preprocess.text())
    assert (notes["checkpoint_sha256"], notes["architecture"]) == ("ab" * 32, "cifar:resnet8")
    assert notes["torch_version"] == torch.__version__
    assert {"tool_version", "onnxscript_version", "opset", "batch", "precision"} <= set(notes)


@pytest.mark.parametrize("num", [1, 3, 8])
def test_the_file_normalises_itself(made, num):
    """Images in [0, 1] go in; the answer is that of the normalised torch model at any batch size."""
    checkpoint, content = made
    images = torch.rand(num, *checkpoint.input_shape)
    with torch.inference_mode():
        expected = checkpoint.classifier()(images).numpy()
    np.testing.assert_allclose(open_session(content).run(images.numpy()), expected, atol=1e-4)


def test_exporting_changes_nothing(made):
    """The caller's model keeps its weights, its mode and its gradients."""
    model = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.Flatten(), nn.Linear(72, 3)).train()
    before = sha256_of_weights(model.state_dict())
    content = export_onnx(checkpoint_of(model, (1, 8, 8), num_classes=3))
    assert sha256_of_weights(model.state_dict()) == before
    assert model.training
    assert all(parameter.requires_grad for parameter in model.parameters())
    images = torch.rand(4, 1, 8, 8)
    with torch.inference_mode():
        expected = model.eval()((images - 0.5) / 0.3).numpy()
    np.testing.assert_allclose(open_session(content).run(images.numpy()), expected, atol=1e-5)


PROGRAM = """
import hashlib, torch
from export_nets import small_resnet
from compressor.export.onnx import export_onnx, fits_one_file
torch.manual_seed(0)
print(hashlib.sha256(export_onnx(small_resnet(), checkpoint_sha256="ab" * 32)).hexdigest())
"""


@pytest.mark.slow
def test_the_same_bytes_twice_in_one_process(made, tmp_path, monkeypatch):
    """What was exported before, and from where, leaves no trace."""
    monkeypatch.chdir(tmp_path)
    assert export_onnx(made[0], checkpoint_sha256="ab" * 32) == made[1]


@pytest.mark.slow
def test_the_same_bytes_in_any_process_and_folder(made, tmp_path):
    """Another process, another folder, another hash seed: the same digest."""
    elsewhere = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        cwd=tmp_path,
        env={"PYTHONPATH": ":".join(sys.path), "PYTHONHASHSEED": "7", "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert elsewhere.stdout.strip() == hashlib.sha256(made[1]).hexdigest()
    assert elsewhere.stderr == ""


def test_one_stated_batch_size():
    """A number instead of dynamic binds the file to it, at input and output."""
    content = export_onnx(checkpoint_of(nn.Sequential(nn.Flatten(), nn.Linear(64, 3)), (1, 8, 8), 3), Form(batch="4"))
    assert open_session(content).batch == 4


class _FixedBatch(nn.Module):
    def __init__(self):
        super().__init__()
        self.head = nn.Linear(64, 3)

    def forward(self, images):
        return self.head(images.view(2, -1))


class _Branch(_FixedBatch):
    def forward(self, images):
        return self.head(images.flatten(1) if images.sum() > 0 else -images.flatten(1))


class _Attends(_FixedBatch):
    def forward(self, images):
        rows = images.flatten(1).unsqueeze(1)
        return self.head(nn.functional.scaled_dot_product_attention(rows, rows, rows).flatten(1))


class _Wide(_FixedBatch):
    def forward(self, images):
        return self.head(images.flatten(1)).repeat(1, 2)


@pytest.mark.parametrize(
    ("model", "options", "kind", "message"),
    [
        (_FixedBatch(), {}, ExportError, "tracing fixed it: 2 and 2"),
        (_FixedBatch(), {"opset": 17}, ExportError, "does not run|tracing fixed it"),
        (_Branch(), {}, ExportError, "torch cannot export this model: .*data-dependent"),
        (_Wide(), {}, ExportError, r"answers \(1, 6\) to 1 images"),
        (
            _Attends(),
            {"opset": 13},
            ExportError,
            "opset 13 cannot hold this model's operator scaled_dot.*that can is 14",
        ),
        (nn.Flatten(), {"opset": 12}, ExportError, "opset 12 cannot be written; the lowest is 13"),
        (nn.Flatten(), {"opset": 21}, ExportError, "the highest 20"),
        (nn.Flatten(), {"batch": "some"}, OptionError, "neither dynamic nor a number"),
        (nn.Flatten(), {"batch": 0}, OptionError, "neither dynamic nor a number"),
        (nn.Flatten(), {"precision": Precision.INT8}, ExportError, "there are none to calibrate on"),
    ],
)
def test_what_cannot_be_written_is_said(model, options, kind, message, capfd):
    """One sentence with the exporter's own first reason, and no chatter."""
    with pytest.raises(kind, match=message) as caught:
        export_onnx(checkpoint_of(model, (1, 8, 8), num_classes=3), Form(**options))
    assert caught.value.advice
    assert capfd.readouterr() == ("", "")


def test_preprocessing_must_be_known():
    """Without it the file would not know its own input."""
    with pytest.raises(LoadError, match="does not say how images are normalised"):
        export_onnx(checkpoint_of(nn.Flatten(), (1, 8, 8), 64, preprocess=None))


def _without_memory(name):
    """Return a checkpoint whose weights have shapes but no values: nothing that is done to it may read or copy them."""
    model = construct(f"torchvision:{name}", {}, initialise=False)
    small = checkpoint_of(nn.Sequential(nn.Flatten(), nn.Linear(3, 2)), (3, 224, 224), 1000)
    return dataclasses.replace(small, model=model)


@pytest.mark.parametrize(("name", "gib"), [("vit_h_14", "2.4"), ("regnet_y_128gf", "2.4")])
def test_a_model_over_two_gib_is_refused(name, gib):
    """One protobuf file holds at most 2 GiB; this is found out before anything is copied."""
    dense = _without_memory(name)
    assert not fits_one_file(dense)
    with pytest.raises(ExportError, match=f"needs {gib} GiB, and one ONNX file holds at most 2 GiB") as caught:
        export_onnx(dense)
    assert "prune it" in caught.value.advice


@pytest.mark.parametrize("name", ["convnext_large", "vgg19_bn", "vit_l_16"])
def test_the_next_largest_models_fit(name):
    """Nothing below 2 GiB is refused for its size."""
    assert fits_one_file(_without_memory(name))


@pytest.mark.slow
def test_the_slim_one_of_a_model_that_is_too_large_goes_through(monkeypatch):
    """With the limit between dense and slim, the dense one is refused and the slim one is written and agrees."""
    dense = small_resnet()
    slim_one = slim(dense, plan(dense, ratio=0.5))
    slim_file = export_onnx(slim_one)
    monkeypatch.setattr("compressor.export.onnx.MAX_BYTES", len(slim_file))
    with pytest.raises(ExportError, match="one ONNX file holds at most 2 GiB"):
        export_onnx(dense)
    assert export_onnx(slim_one) == slim_file
    assert check_parity(slim_one, slim_file).decision == "passed"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("build", "shape", "opset"),
    [
        (lambda: CifarResNet(20, width=13), (3, 33, 31), 18),
        (lambda: CifarResNet(20, width=13), (3, 33, 31), 20),
        (lambda: torchvision.models.resnet18(num_classes=10), (3, 64, 64), 18),
        (lambda: torchvision.models.mobilenet_v2(num_classes=10), (3, 64, 64), 19),
    ],
)
def test_real_architectures_agree(build, shape, opset):
    """Odd widths and sizes, padded shortcuts, depthwise convolutions: no batch norm left, and parity holds."""
    model = build()
    unsettle(model)
    checkpoint = checkpoint_of(model, shape, num_classes=10)
    content = export_onnx(checkpoint, Form(opset=opset))
    assert "BatchNormalization" not in _operators(content)
    assert check_parity(checkpoint, content).decision == "passed"
