"""An opened file answers what it must, refuses what it cannot take, and never falls back in silence."""

from pathlib import Path

import numpy as np
import pytest
from tiny_onnx import linear_onnx, random_weights

from compressor.errors import DataError, LoadError, MachineError, OptionError
from compressor.runtime import open_session
from compressor.runtime.gpu import read_driver
from compressor.runtime.machine import num_cores

SHAPE = (1, 4, 5)
WEIGHTS = random_weights(SHAPE)
FILE = linear_onnx(WEIGHTS, shape=SHAPE, labels='["a", "b", "c"]')

needs_no_gpu = pytest.mark.skipif(read_driver() is not None, reason="this machine has a GPU")


def _images(num: int) -> np.ndarray:
    return np.random.default_rng(1).random((num, *SHAPE), dtype=np.float32)


@pytest.mark.parametrize("num", [1, 3, 8])
def test_answers_are_those_of_the_matrix(num):
    """A linear file answers images @ weights, whatever the batch size."""
    images = _images(num)
    np.testing.assert_allclose(open_session(FILE).run(images), images.reshape(num, -1) @ WEIGHTS, rtol=1e-5)


def test_session_says_what_it_is(tmp_path: Path):
    """Provider, device, share of nodes, shape, classes and notes are read from the opened file, path or bytes."""
    path = tmp_path / "model.onnx"
    path.write_bytes(FILE)
    for model in (FILE, path, str(path)):
        session = open_session(model, threads=2)
        assert (session.provider, session.threads, session.batch) == ("cpu", 2, None)
        assert (session.input_shape, session.input_type, session.num_classes) == (SHAPE, "float32", 3)
        assert session.nodes_on_provider_fraction == 1.0
        assert session.device_name
        assert session.metadata["labels"] == '["a", "b", "c"]'


def test_unset_threads_are_the_cores():
    """None means as many threads as this process may use."""
    assert open_session(FILE, threads=None).threads == num_cores()


@pytest.mark.parametrize("num", [1, 4, 9])
def test_fixed_batch_is_padded(num):
    """A file bound to four images answers any number of them, as the dynamic file does."""
    fixed = open_session(linear_onnx(WEIGHTS, shape=SHAPE, batch=4))
    assert fixed.batch == 4
    np.testing.assert_allclose(fixed.run(_images(num)), open_session(FILE).run(_images(num)), rtol=1e-5)


def test_raw_bytes_are_taken_where_the_file_takes_them():
    """A uint8 file has uint8 as its input type, and refuses floats."""
    session = open_session(linear_onnx(WEIGHTS, shape=SHAPE, kind="uint8"))
    assert session.input_type == "uint8"
    pixels = np.full((2, *SHAPE), 3, dtype=np.uint8)
    np.testing.assert_allclose(session.run(pixels), 3 * np.tile(WEIGHTS.sum(axis=0), (2, 1)), rtol=1e-4)
    with pytest.raises(DataError, match="takes uint8 images, not float32"):
        session.run(_images(2))


@pytest.mark.parametrize(
    ("images", "message"),
    [
        (np.zeros((2, 1, 5, 4), np.float32), r"shape \(N, 1, 4, 5\), not \(2, 1, 5, 4\)"),
        (np.zeros(SHAPE, np.float32), "not"),
        (np.zeros((0, *SHAPE), np.float32), "not"),
        (np.zeros((2, *SHAPE), np.float64), "takes float32 images, not float64"),
    ],
)
def test_wrong_images_are_refused(images, message):
    """Another shape, no image, or another type is bad input with both sides named."""
    with pytest.raises(DataError, match=message):
        open_session(FILE).run(images)


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (b"", "cannot be opened"),
        (b"random bytes", "cannot be opened"),
        (FILE[: len(FILE) // 2], "cannot be opened"),
        (Path("absent.onnx"), "is not a file"),
        (Path(), "is not a file"),
        (linear_onnx(WEIGHTS, shape=SHAPE, kind="float64"), "not an image classifier"),
        (linear_onnx(WEIGHTS, shape=("channels", 4, 5)), "leaves the size of its images open"),
    ],
)
def test_what_is_no_classifier_is_refused(model, message, capfd):
    """Each is one clear sentence, and onnxruntime's own log stays silent."""
    with pytest.raises(LoadError, match=message):
        open_session(model)
    assert capfd.readouterr() == ("", "")


def test_bound_runs_stay_where_they_are():
    """What is timed on a device runs again and again, and refuses what the file is not made for."""
    run_once = open_session(FILE).on_device(_images(3))
    assert run_once() is run_once() is None
    with pytest.raises(DataError, match="takes batches of 4, not 3"):
        open_session(linear_onnx(WEIGHTS, shape=SHAPE, batch=4)).on_device(_images(3))


@pytest.mark.parametrize("options", [{"provider": "tpu"}, {"threads": 0}])
def test_unknown_options_are_refused(options):
    """A provider that does not exist, and no thread at all."""
    with pytest.raises(OptionError):
        open_session(FILE, **options)


@needs_no_gpu
@pytest.mark.parametrize("provider", ["cuda", "tensorrt"])
def test_a_provider_that_does_not_load_is_an_error(provider, capfd):
    """Without a GPU there is a reason and a fix, never a session on the CPU; the log is not shown."""
    with pytest.raises(MachineError, match=f"provider {provider}") as caught:
        open_session(FILE, provider=provider)
    assert caught.value.advice
    assert capfd.readouterr() == ("", "")


@needs_no_gpu
def test_a_broken_file_is_the_files_fault_on_any_provider():
    """Asking for a GPU does not turn a broken file into a broken machine."""
    with pytest.raises((LoadError, MachineError)):
        open_session(b"random bytes", provider="cuda")


@pytest.mark.gpu
@pytest.mark.parametrize("repeatable", [True, False])
def test_cuda_really_runs(repeatable):
    """On a GPU the answers are those of the matrix, and the share of nodes there is recorded."""
    session = open_session(FILE, provider="cuda", repeatable=repeatable)
    assert 0 < session.nodes_on_provider_fraction <= 1
    assert session.device_name != "unknown GPU"
    np.testing.assert_allclose(session.run(_images(3)), _images(3).reshape(3, -1) @ WEIGHTS, rtol=1e-4)
    run_once = session.on_device(_images(3))
    run_once()
    run_once()
