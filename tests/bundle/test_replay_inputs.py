"""Files that take other images than float32 NCHW: raw bytes with channels last, float16, and files that round."""

import runpy
from pathlib import Path

import numpy as np
import pytest
from replaying import replay
from tiny_onnx import linear_onnx, random_weights

from compressor.bundle import write_bundle
from compressor.bundle.names import MODEL, REPLAY
from compressor.bundle.replay_images import Adversarial, replay_bytes
from compressor.bundle.replay_script import replay_script
from compressor.export.record import Parity
from compressor.files import sha256_of_bytes
from compressor.records import parse

BYTES = {"kind": "uint8", "input_type": "uint8", "input_layout": "NHWC", "input_range": "[0, 255]"}


def written(
    files: dict[str, bytes], place: Path, model: bytes, answer, shape: tuple[int, int, int], *, whole: bool = True
) -> Path:
    """Write a bundle around a model; `answer` says what it answers to (n, C, H, W) float32 in [0, 1].

    With `whole` adversarial images are whole 255ths, otherwise anything.
    """
    generator = np.random.default_rng(1)
    near = generator.random((5, *shape), dtype=np.float32)
    near = np.rint(near * np.float32(255)) / np.float32(255) if whole else near
    content = replay_bytes(
        generator.integers(0, 256, size=(9, *shape), dtype=np.uint8),
        None,
        [Adversarial(threat="linf:8/255", images=near, labels=np.zeros(5, np.int64))],
        answer=answer,
        artefact_sha256=sha256_of_bytes(model),
    )
    return write_bundle(place, "net", {**files, MODEL: model, REPLAY: content}, rejected=False, force=False)


@pytest.mark.parametrize("shape", [(3, 4, 5), (1, 4, 4), (3, 3, 3)])
def test_raw_bytes_with_channels_last(files: dict[str, bytes], tmp_path: Path, shape: tuple[int, int, int]) -> None:
    """Stored (n, C, H, W) images become (n, H, W, C) bytes, exactly; also where no size tells the axes apart."""
    weights = random_weights(shape)
    last = (*shape[1:], shape[0])
    model = linear_onnx(weights, shape=last, **BYTES)

    def answer(images: np.ndarray) -> np.ndarray:
        pixels = np.rint(images * 255).transpose(0, 2, 3, 1)
        return (pixels.reshape(len(images), -1) @ weights).astype(np.float32)

    done = replay(written(files, tmp_path, model, answer, shape), "--batch", "1", "4", "--runs", "10", "--threads", "2")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "rounded" not in done.stdout
    assert "batch 4, 2 threads" in done.stdout


@pytest.mark.parametrize("num", [0, 1, 3])
def test_images_between_two_bytes_are_counted(num: int, tmp_path: Path) -> None:
    """Each image once, whatever the number of its pixels; none where a bundle holds no adversarial images."""
    (tmp_path / "replay.py").write_bytes(replay_script())
    count = runpy.run_path(str(tmp_path / "replay.py"), run_name="replay")["rounded_images"]
    taken = type("Input", (), {"type": "tensor(uint8)"})
    session = type("Session", (), {"get_inputs": lambda self: [taken]})()
    between = np.full((num, 1, 4, 4), 0.5, dtype=np.float32)
    stored = {"probe_images": np.zeros((2, 1, 4, 4), dtype=np.uint8), "adversarial_images": between}
    assert count(np, session, stored) == num


def test_images_between_two_bytes_are_rounded_and_it_says_so(files: dict[str, bytes], tmp_path: Path) -> None:
    """What a model of bytes can see of them; never silently."""
    shape = (1, 4, 4)
    weights = random_weights(shape)
    model = linear_onnx(weights, shape=(4, 4, 1), **BYTES)

    def answer(images: np.ndarray) -> np.ndarray:
        return (np.rint(images * 255).reshape(len(images), -1) @ weights).astype(np.float32)

    done = replay(written(files, tmp_path, model, answer, shape, whole=False), "--runs", "10")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "5 stored images lie between two bytes and are rounded" in done.stdout


def test_a_model_of_half_precision(files: dict[str, bytes], tmp_path: Path) -> None:
    """It takes and answers float16; differences of its rounding are allowed."""
    shape = (1, 4, 4)
    weights = random_weights(shape)
    model = linear_onnx(weights, shape=shape, kind="float16", precision="fp16")

    def answer(images: np.ndarray) -> np.ndarray:
        return images.reshape(len(images), -1) @ weights

    folder = written(files, tmp_path, model, answer, shape)
    done = replay(folder, "--runs", "10", "--output", str(tmp_path / "results"))
    assert done.returncode == 0, done.stdout + done.stderr
    found = parse((tmp_path / "results" / "parity.json").read_bytes(), Parity, source="parity.json")
    assert 1e-6 < found.max_rel < 2e-3


@pytest.mark.parametrize(("precision", "code"), [("fp32", 3), ("int8", 0), ("fp16", 0)])
def test_how_far_apart_answers_may_be_depends_on_the_precision(
    files: dict[str, bytes], tmp_path: Path, precision: str, code: int
) -> None:
    """Half a percent of the largest logit is rounding for int8 and fp16, and a fault in float32."""
    shape = (1, 4, 4)
    weights = random_weights(shape)
    model = linear_onnx(weights, shape=shape, precision=precision)

    def answer(images: np.ndarray) -> np.ndarray:
        return images.reshape(len(images), -1) @ weights * np.float32(1.005)

    done = replay(written(files, tmp_path, model, answer, shape), "--runs", "10")
    assert done.returncode == code, done.stdout + done.stderr


def test_a_model_of_other_images_cannot_be_run(files: dict[str, bytes], tmp_path: Path) -> None:
    """Double precision, or another size than the stored images: 2, with both said."""
    weights = random_weights((1, 4, 4))

    def answer(images: np.ndarray) -> np.ndarray:
        return images.reshape(len(images), -1)[:, :16] @ weights

    for name, shape, kind, words in (
        ("double", (1, 4, 4), "float64", "takes tensor(double)"),
        ("size", (1, 5, 5), "float32", "images of shape [1, 4, 4], and the stored ones do not fit"),
    ):
        model = linear_onnx(weights, shape=(1, 4, 4), kind=kind)
        done = replay(written(files, tmp_path / name, model, answer, shape), "--runs", "10")
        assert done.returncode == 2, done.stdout + done.stderr
        assert words in done.stderr


def test_a_provider_by_its_own_name(folder: Path) -> None:
    """Any that onnxruntime lists may be named in full; where one is not there, those that are there are told."""
    assert replay(folder, "--runs", "10", "--provider", "CPUExecutionProvider").returncode == 0
    done = replay(folder, "--runs", "10", "--provider", "HexagonExecutionProvider")
    assert done.returncode == 2
    assert "no HexagonExecutionProvider" in done.stderr
    assert "CPUExecutionProvider" in done.stderr
