"""The whole route, on the digits: from a checkpoint to a bundle that verifies, twice to the same model."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import compressor
from cli import reports
from compressor.errors import DataError, MachineError, PolicyError, Rejected
from compressor.export.form import Form
from compressor.finetune import Recipe
from compressor.runtime.session import open_session
from compressor.task import Cut, Place, Task, Timing
from compressor.types import InputForm, Precision

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("brief_benchmarks")]

POLICY = """
schema = "compress.policy/1"
[accuracy]
min = 0.5
[[robustness]]
threat = "linf:1/32"
max_drop = 0.9
[[latency]]
provider = "cpu"
batch = 1
threads = 1
max_p50_ms = 1000
[[latency]]
provider = "cpu"
batch = 2
threads = 1
max_p50_ms = 1000
[evidence]
battery = "quick"
"""


@pytest.fixture
def task(tmp_path: Path) -> Task:
    """Return a small release: 60 images, the quick battery, one epoch."""
    policy = tmp_path / "policy.toml"
    policy.write_text(POLICY)
    return Task(
        data="digits",
        policy=policy,
        cut=Cut(ratio=0.3),
        recipe=Recipe(epochs=1, batch_size=64),
        control=True,
        num_images=60,
        output=tmp_path / "exports",
        place=Place(work_dir=tmp_path / "work"),
    )


def test_a_release_ends_with_a_bundle_that_holds(task: Task, digits_checkpoint: Path) -> None:
    """Passed, verified, and the shipped file answers as torch does at batch sizes 1, 3 and 8."""
    released = compressor.release(digits_checkpoint, task)
    assert released.verdict.decision == "passed"
    assert released.bundle.parent == task.output
    assert {"latency.json", "latency-cpu-b2-t1.json", "control.json"} <= {
        each.name for each in released.bundle.iterdir()
    }
    report = compressor.verify(released.bundle, data="digits", recheck=10)
    assert report.holds, report.contradictions
    session = open_session(released.bundle / "model.onnx")
    model = compressor.load(released.bundle / "model.safetensors").classifier()
    for batch in (1, 3, 8):
        images = np.random.default_rng(batch).random((batch, 1, 8, 8), dtype=np.float32)
        with torch.inference_mode():
            expected = model(torch.from_numpy(images)).numpy()
        np.testing.assert_allclose(session.run(images), expected, rtol=1e-4, atol=1e-4)


def test_a_report_written_later_is_the_one_that_the_release_wrote(
    task: Task, digits_checkpoint: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Byte for byte, with layers, epochs, the dense size, images that broke it and the command, from wherever."""
    typed = "compress release digits.safetensors --data digits"
    released = compressor.release(digits_checkpoint, replace(task, commands=(typed,)))
    monkeypatch.chdir(released.bundle)
    page = (released.bundle / "report.html").read_text()
    assert reports.write([Path()], "html") == reports.write([released.bundle], "html") == page
    for words in (
        "layer1.0.conv1: ",
        "accuracy of each epoch from ",
        "data:image/png",
        typed,
        f"compress verify {released.bundle.name}",
    ):
        assert words in page
    assert typed in (released.bundle / "README.md").read_text()
    assert str(task.output) not in page


def test_the_same_release_again_gives_the_same_model(task: Task, digits_checkpoint: Path, tmp_path: Path) -> None:
    """With the state of the first run or without any: same model file, same certified result."""
    first = compressor.release(digits_checkpoint, task)
    again = compressor.release(digits_checkpoint, replace(task, place=Place(work_dir=None), output=tmp_path / "again"))
    assert (first.bundle / "model.onnx").read_bytes() == (again.bundle / "model.onnx").read_bytes()
    results = [each.summary.certificate.result_sha256 for each in (first, again)]
    assert results[0] == results[1]


def test_a_model_below_its_policy_is_rejected(task: Task, digits_checkpoint: Path) -> None:
    """The bundle lands among the rejected ones, with the same files, and still holds."""
    task.policy.write_text(POLICY.replace("min = 0.5", "min = 0.999"))
    released = compressor.release(digits_checkpoint, task)
    assert released.verdict.decision == "failed"
    assert released.bundle.parent == task.output / "rejected"
    assert compressor.verify(released.bundle).holds


def test_a_module_in_memory_goes_the_same_way(task: Task, digits_checkpoint: Path) -> None:
    """The library takes a module where the command line takes a file."""
    dense = compressor.load(digits_checkpoint)
    source = {"arch": "cifar:resnet8", "preprocess": dense.preprocess, "input_size": (8, 8)}
    released = compressor.release(dense.model, replace(task, source=source, control=False))
    assert released.bundle.name.startswith("CifarResNet-")
    assert compressor.verify(released.bundle).holds


def test_a_policy_on_corruptions_has_them_measured_and_judged(task: Task, digits_checkpoint: Path) -> None:
    """Demanding something of corruptions is asking for them: dense and slim are corrupted, judged and verified."""
    task.policy.write_text(POLICY + "[corruptions]\nmin = 0.2\n")
    released = compressor.release(digits_checkpoint, replace(task, control=False))
    found = next(each for each in released.verdict.conditions if each.id == "corruptions.min")
    assert (found.decision, found.interval is not None) == ("passed", True)
    assert {column.name for column in released.summary.columns if column.corrupted} == {"dense", "slim"}
    assert "Common corruptions" in (released.bundle / "report.html").read_text()
    assert compressor.verify(released.bundle).holds


def test_a_dense_model_that_no_onnx_file_can_hold_is_released_slim(
    task: Task, digits_checkpoint: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the limit between dense and slim, the bundle holds the slim file, timed alone."""
    monkeypatch.setattr("compressor.export.onnx.MAX_BYTES", digits_checkpoint.stat().st_size - 10_000)
    released = compressor.release(digits_checkpoint, replace(task, cut=Cut(ratio=0.5), control=False))
    dense = next(column for column in released.summary.columns if column.name == "dense")
    assert (dense.num_bytes, dense.p50_ms, released.summary.ratio_p50) == (None, None, None)
    assert dense.params is not None
    assert compressor.verify(released.bundle).holds


def test_nothing_is_begun_that_cannot_be_judged(task: Task, digits_checkpoint: Path, tmp_path: Path) -> None:
    """A bad policy, or data without a test split, stops before any work."""
    task.policy.write_text("")
    with pytest.raises(PolicyError):
        compressor.release(digits_checkpoint, task)
    task.policy.write_text(POLICY)
    images = np.zeros((40, 1, 8, 8), np.uint8)
    np.savez(tmp_path / "train-only.npz", x_train=images, y_train=np.arange(40) % 10)
    with pytest.raises(DataError):
        compressor.release(digits_checkpoint, replace(task, data=str(tmp_path / "train-only.npz")))
    assert not task.output.exists()


@pytest.mark.parametrize(
    ("form", "precision"),
    [
        (Form(precision=Precision.INT8, input_form=InputForm.UINT8_NHWC), "int8"),
        (Form(precision=Precision.FP16, opset=17), "fp16"),
    ],
)
def test_a_rounded_file_has_a_release_of_its_own(
    task: Task, digits_checkpoint: Path, form: Form, precision: str
) -> None:
    """Its own parity, certificate, replay and mobile file; the bundle holds, and says what it is about."""
    task = replace(task, form=form, also_ort=True, control=False, prove=True)
    released = compressor.release(digits_checkpoint, task)
    assert released.verdict.decision == "passed"
    parity = json.loads((released.bundle / "parity.json").read_bytes())
    assert (parity["precision"], parity["decision"]) == (precision, "passed")
    result = json.loads((released.bundle / "certificate.json").read_bytes())["result"]
    assert result["artefact"]["precision"] == precision
    assert f"The file computes in {precision}" in result["claim"]
    assert result["threats"][0]["proved_accuracy"] is None
    assert f"the file computes in {precision}" in result["threats"][0]["proof"]["out_of_reach"]
    report = compressor.verify(released.bundle, data="digits", recheck=10)
    assert report.holds, report.contradictions
    mobile = released.bundle / "model.ort"
    other = (released.bundle / "model.onnx").read_bytes()
    images = np.random.default_rng(0).random((3, 1, 8, 8), dtype=np.float32)
    np.testing.assert_allclose(open_session(mobile).answer(images), open_session(other).answer(images), atol=0.05)


def test_a_file_that_does_not_agree_is_kept_among_the_rejected(
    task: Task, digits_checkpoint: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is never certified, and what there is of it can be looked into."""
    monkeypatch.setattr("compressor.export.parity.MAX_REL", dict.fromkeys(Precision, 0.0))
    with pytest.raises(Rejected, match=r"does not answer as the torch model on cpu.*kept in .*rejected"):
        compressor.release(digits_checkpoint, replace(task, control=False))
    (kept,) = (task.output / "rejected").iterdir()
    assert {"model.onnx", "model.safetensors", "parity.json", "SHA256SUMS"} <= {each.name for each in kept.iterdir()}
    assert json.loads((kept / "parity.json").read_bytes())["decision"] == "failed"
    assert [each.name for each in task.output.iterdir()] == ["rejected"]


@pytest.mark.parametrize(
    ("changes", "error", "said"),
    [
        ({"timing": Timing(provider="tensorrt")}, MachineError, "provider tensorrt"),
        ({"accept": {"acuracy.min": "a demo"}}, PolicyError, "names no condition"),
    ],
)
def test_what_only_the_end_needs_is_asked_for_at_the_beginning(
    changes: dict[str, Any], error: type[Exception], said: str, task: Task, digits_checkpoint: Path
) -> None:
    """A provider that does not load here, and an id that the policy does not have: nothing is trained before."""
    with pytest.raises(error, match=said):
        compressor.release(digits_checkpoint, replace(task, **changes))
    assert not list(task.place.work_dir.rglob("*.pt"))
