"""Every way of writing a file answers as the model does, in its own precision, and says how it was written."""

import hashlib
import subprocess
import sys
from collections import Counter

import numpy as np
import onnx
import pytest
import torch
from export_families import FAMILIES
from export_nets import checkpoint_of, unsettle
from torch import nn

from compressor.bench.latency import bench
from compressor.bench.turns import MIN_RUNS
from compressor.errors import ExportError, OptionError
from compressor.export import onnx as onnx_file
from compressor.export.form import PLAIN, Form
from compressor.export.onnx import export_onnx
from compressor.export.parity import MAX_REL, check_parity
from compressor.load.checkpoint import Checkpoint
from compressor.runtime import open_session
from compressor.runtime.mobile import to_ort
from compressor.runtime.rounding import to_fp16
from compressor.runtime.session import to_frames
from compressor.types import InputForm, Precision

FP16, INT8 = Form(precision=Precision.FP16), Form(precision=Precision.INT8)
FRAMES = Form(input_form=InputForm.UINT8_NHWC)


def calibration(checkpoint: Checkpoint, num: int = 20) -> np.ndarray:
    """Return images that int8 may take its ranges from."""
    return np.random.default_rng(1).random((num, *checkpoint.input_shape), dtype=np.float32)


def written(checkpoint: Checkpoint, form: Form) -> bytes:
    """Return the file of a checkpoint in some form."""
    return export_onnx(checkpoint, form, calibration=calibration(checkpoint), checkpoint_sha256="ab" * 32)


@pytest.fixture(scope="module", params=[FP16, INT8, FRAMES, Form(opset=13)], ids=["fp16", "int8", "frames", "opset13"])
def form(request: pytest.FixtureRequest) -> Form:
    """Return one way of writing."""
    return request.param


@pytest.fixture(scope="module")
def content(made: tuple[Checkpoint, bytes], form: Form) -> bytes:
    """Return the small residual network written that way."""
    return written(made[0], form)


def test_it_answers_as_the_model_does(made, form, content):
    """Parity holds on noise and on adversarial images, within what the precision allows."""
    parity = check_parity(made[0], content)
    assert (parity.decision, parity.precision) == ("passed", form.precision)
    assert 0 <= parity.max_rel <= MAX_REL[form.precision]
    assert parity.num_adversarial == 32


def test_it_says_how_it_was_written(form, content):
    """What a target has to know stands in the file: precision, operator set, what it takes."""
    session = open_session(content)
    takes = ("uint8", "NHWC", "[0, 255]") if form is FRAMES else ("float32", "NCHW", "[0, 1]")
    notes = session.metadata
    assert (notes["input_type"], notes["input_layout"], notes["input_range"]) == takes
    assert (notes["precision"], notes["opset"]) == (form.precision, str(form.opset))
    assert ("onnxruntime_version" in notes) == (form.precision is not Precision.FP32)
    assert session.image_shape == (1, 8, 8)


def test_it_is_the_standard_s(content, form):
    """Valid and sorted for the checker, no operator of anybody's own, no batch norm, nothing of this machine."""
    model = onnx.load_from_string(content)
    onnx.checker.check_model(model, full_check=True)
    assert [(entry.domain, entry.version) for entry in model.opset_import if not entry.domain] == [("", form.opset)]
    operators = {node.op_type for node in model.graph.node}
    assert "BatchNormalization" not in operators
    assert ("QuantizeLinear" in operators) == (form is INT8)
    assert not any(part.metadata_props or part.doc_string for part in (*model.graph.node, *model.graph.initializer))
    assert b"/tmp" not in content


def test_it_answers_any_number_of_images(made, content):
    """The batch is free in every form."""
    images = np.random.default_rng(2).random((5, 1, 8, 8), dtype=np.float32)
    session = open_session(content)
    whole = session.answer(images)
    assert whole.shape == (5, 10)
    np.testing.assert_allclose(
        np.concatenate([session.answer(images[row : row + 1]) for row in range(5)]), whole, rtol=1e-4
    )


def test_fewer_bits_make_a_smaller_file():
    """Half and a quarter of the weights' bytes, and a rest of names and scales."""
    checkpoint = checkpoint_of(
        nn.Sequential(nn.Flatten(), nn.Linear(3072, 64), nn.ReLU(), nn.Linear(64, 10)), (3, 32, 32), 10
    )
    plain, half, quarter = (len(written(checkpoint, form)) for form in (PLAIN, FP16, INT8))
    weights = 4 * (3072 * 64 + 640)
    assert plain - half == pytest.approx(weights / 2, rel=0.01)
    assert plain - quarter == pytest.approx(weights * 3 / 4, rel=0.01)


def test_raw_frames_give_the_answers_of_their_images(made):
    """A frame is its image, rounded to bytes: what lies on the grid of bytes is answered as float images are."""
    checkpoint, plain = made
    frames = np.random.default_rng(3).integers(0, 256, (6, 8, 8, 1), dtype=np.uint8)
    images = frames.transpose(0, 3, 1, 2).astype(np.float32) / np.float32(255)
    session = open_session(written(checkpoint, FRAMES))
    assert session.takes_frames
    np.testing.assert_array_equal(to_frames(images), frames)
    np.testing.assert_array_equal(session.seen(images), images)
    np.testing.assert_allclose(session.run(frames), open_session(plain).run(images), atol=1e-4)
    np.testing.assert_array_equal(session.run(frames), session.answer(images + 0.4 / 255))


def test_two_wide_files_stay_apart(made):
    """A colour frame keeps its rows, columns and channels apart: a file of (3, 6, 4) takes (6, 4, 3)."""
    checkpoint = checkpoint_of(nn.Sequential(nn.Conv2d(3, 4, 3), nn.Flatten(), nn.Linear(32, 3)), (3, 6, 4), 3)
    session = open_session(written(checkpoint, FRAMES))
    assert (session.input_shape, session.image_shape) == ((6, 4, 3), (3, 6, 4))
    assert check_parity(checkpoint, written(checkpoint, FRAMES)).decision == "passed"


def test_a_stated_batch_is_calibrated_in_that_batch():
    """More images than fit one batch, and not a multiple of it."""
    checkpoint = checkpoint_of(nn.Sequential(nn.Flatten(), nn.Linear(64, 3)), (1, 8, 8), 3)
    content = written(checkpoint, Form(precision=Precision.INT8, batch=8, input_form=InputForm.UINT8_NHWC))
    assert open_session(content).batch == 8
    assert check_parity(checkpoint, content).decision == "passed"


def test_a_stated_batch_below_opset_18(made):
    """The older exporter binds input and output to it as well."""
    content = written(made[0], Form(opset=17, batch=1))
    assert open_session(content).batch == 1
    assert [dim.dim_value for dim in _dims(content)] == [1, 10]
    assert check_parity(made[0], content).decision == "passed"


def _dims(content: bytes):
    return onnx.load_from_string(content).graph.output[0].type.tensor_type.shape.dim


@pytest.mark.slow
def test_other_ranges_give_other_files():
    """Calibration decides the bytes of an int8 file, and of no other one."""
    checkpoint = checkpoint_of(nn.Sequential(nn.Flatten(), nn.Linear(64, 3)), (1, 8, 8), 3)
    images = calibration(checkpoint)
    assert export_onnx(checkpoint, INT8, calibration=images) != export_onnx(checkpoint, INT8, calibration=images / 2)
    assert export_onnx(checkpoint, FP16, calibration=images) == export_onnx(checkpoint, FP16)


def test_wrong_ranges_fail_parity():
    """Negative control: ranges from black images cut every activation off, and int8's own limit notices."""
    torch.manual_seed(0)
    checkpoint = checkpoint_of(
        nn.Sequential(nn.Flatten(), nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 3)), (1, 8, 8), 3
    )
    dark = np.full((4, 1, 8, 8), 0.5, dtype=np.float32)
    assert check_parity(checkpoint, export_onnx(checkpoint, INT8, calibration=dark)).decision == "failed"


def test_float16_cannot_hold_everything():
    """A weight beyond its range is named, never cut off."""
    model = nn.Sequential(nn.Flatten(), nn.Linear(64, 3))
    with torch.no_grad():
        model[1].weight[0, 0] = 1e5
    with pytest.raises(ExportError, match=r"fp16 cannot hold .*weight: it reaches 1e\+05, and fp16 ends at 65,504"):
        export_onnx(checkpoint_of(model, (1, 8, 8), 3), FP16)


def test_what_has_nothing_to_round_is_said():
    """A network without a weight cannot be int8."""
    with pytest.raises(ExportError, match=r"no operator of this model can be computed in int8"):
        written(checkpoint_of(nn.Flatten(), (1, 8, 8), 64), INT8)


@pytest.mark.parametrize(("options", "words"), [({"precision": "fp8"}, "'fp8'"), ({"input_form": "nchw"}, "'nchw'")])
def test_an_unknown_form_is_refused(options, words):
    """The valid names are told."""
    with pytest.raises(OptionError, match=words) as caught:
        Form(**options)
    assert "use one of" in caught.value.advice


def test_the_mobile_file_is_the_same_graph(made):
    """Read back by onnxruntime, it answers what the ONNX file answers."""
    ort = to_ort(made[1])
    assert ort[4:8] == b"ORTM"
    images = np.random.default_rng(4).random((3, 1, 8, 8), dtype=np.float32)
    np.testing.assert_allclose(open_session(ort).run(images), open_session(made[1]).run(images), rtol=1e-4, atol=1e-5)


PROGRAM = """
import hashlib, sys, torch
sys.path[:0] = {path}
from export_nets import small_resnet
from test_export_forms import FP16, INT8, written
torch.manual_seed(0)
network = small_resnet()
print([hashlib.sha256(written(network, form)).hexdigest() for form in (FP16, INT8)])
"""


@pytest.mark.slow
def test_the_same_bytes_in_any_process_and_folder(made, tmp_path):
    """Rounding, too, gives the same digest in another process, folder and hash seed."""
    program = PROGRAM.format(path=sys.path)
    elsewhere = subprocess.run(
        [sys.executable, "-c", program],
        cwd=tmp_path,
        env={"PYTHONHASHSEED": "7", "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=True,
    )
    here = [hashlib.sha256(written(made[0], form)).hexdigest() for form in (FP16, INT8)]
    assert elsewhere.stdout.strip() == str(here)


def test_nodes_come_after_what_they_read(made):
    """The converter's casts stand at the end; here each node finds its inputs made."""
    graph = to_fp16(onnx.load_from_string(made[1])).graph
    known = {value.name for value in (*graph.input, *graph.initializer)}
    for node in graph.node:
        assert known.issuperset(name for name in node.input if name)
        known.update(node.output)


@pytest.fixture
def traced_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Follow a network once for all precisions, which begin with the same graph."""
    kept: dict[tuple[object, ...], bytes] = {}
    trace = onnx_file._traced

    def once(checkpoint: Checkpoint, form: Form) -> onnx.ModelProto:
        key = (checkpoint.sha256, form.opset, form.batch, form.input_form)
        if key not in kept:
            kept[key] = trace(checkpoint, form).SerializeToString()
        return onnx.load_from_string(kept[key])

    monkeypatch.setattr(onnx_file, "_traced", once)


@pytest.mark.slow
@pytest.mark.parametrize("name", FAMILIES)
@pytest.mark.usefixtures("traced_once")
def test_twelve_families_in_every_precision(name):
    """Export, parity, latency, a mobile file: float32 by both exporters, float16 and int8.

    A few blocks of each kind: whole networks go the whole way in tests/test_coverage.py, and one of them here.
    """
    torch.manual_seed(0)
    model = FAMILIES[name]().eval()
    unsettle(model)
    checkpoint = checkpoint_of(model, (3, 64, 64), num_classes=10)
    for each in (PLAIN, INT8, FP16, Form(opset=17)):
        content = written(checkpoint, each)
        parity = check_parity(checkpoint, content)
        assert (parity.decision, parity.precision) == ("passed", each.precision), parity
        assert len(to_ort(content)) > 0
        assert not _unfolded(content)
        if each is PLAIN:
            assert bench(content, num_runs=MIN_RUNS).rows[0].p50_ms > 0


def _unfolded(content: bytes) -> list[str]:
    """Return the batch norms that read nothing but a convolution which nobody else reads."""
    graph = onnx.load_from_string(content).graph
    makers = {name: node for node in graph.node for name in node.output}
    readers = Counter(name for node in graph.node for name in node.input)
    norms = [node for node in graph.node if node.op_type == "BatchNormalization" and node.input[0] in makers]
    return [node.name for node in norms if makers[node.input[0]].op_type == "Conv" and readers[node.input[0]] == 1]
