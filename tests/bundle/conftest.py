"""A linear classifier as an ONNX file, and a bundle around it whose other files are only words."""

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from compressor.bundle import write_bundle
from compressor.bundle.names import JUDGED, MODEL, REPLAY, REPLAY_SCRIPT, VERDICT
from compressor.bundle.replay_images import Adversarial, replay_bytes
from compressor.bundle.replay_script import replay_script
from compressor.files import sha256_of_bytes

SHAPE = (1, 4, 4)
NUM_CLASSES = 3


def linear_weights(seed: int = 0) -> np.ndarray:
    """Return (16, 3) float32 weights."""
    return np.random.default_rng(seed).normal(size=(int(np.prod(SHAPE)), NUM_CLASSES)).astype(np.float32)


def linear_onnx(seed: int = 0, batch: int | str = "batch") -> bytes:
    """Return an ONNX file that computes `flatten(images) @ weights`."""
    weights = numpy_helper.from_array(linear_weights(seed), "weights")
    nodes = [
        helper.make_node("Flatten", ["images"], ["flat"]),
        helper.make_node("MatMul", ["flat", "weights"], ["out"]),
    ]
    graph = helper.make_graph(
        nodes,
        "linear",
        [helper.make_tensor_value_info("images", TensorProto.FLOAT, [batch, *SHAPE])],
        [helper.make_tensor_value_info("out", TensorProto.FLOAT, [batch, NUM_CLASSES])],
        [weights],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    onnx.checker.check_model(model)
    return model.SerializeToString()


def linear_replay(model: bytes, seed: int = 0) -> bytes:
    """Return the replay.npz of `linear_onnx(seed)`, with answers computed by numpy."""
    generator = np.random.default_rng(1)
    weights = linear_weights(seed)

    def answer(images: np.ndarray) -> np.ndarray:
        return images.reshape(len(images), -1) @ weights

    return replay_bytes(
        generator.integers(0, 256, size=(10, *SHAPE), dtype=np.uint8),
        generator.integers(0, NUM_CLASSES, size=10),
        [
            Adversarial(
                threat="linf:8/255",
                images=generator.random((5, *SHAPE), dtype=np.float32),
                labels=generator.integers(0, NUM_CLASSES, size=5),
            )
        ],
        answer=answer,
        artefact_sha256=sha256_of_bytes(model),
    )


@pytest.fixture
def files() -> dict[str, bytes]:
    """Return the files of a bundle: a real model, its replay and script, and words."""
    model = linear_onnx()
    words = {name: f"this is {name}\n".encode() for name in JUDGED}
    verdict = b'{"accepted": []}'
    return {**words, MODEL: model, VERDICT: verdict, REPLAY: linear_replay(model), REPLAY_SCRIPT: replay_script()}


@pytest.fixture
def folder(files: dict[str, bytes], tmp_path: Path) -> Path:
    """Return a written bundle."""
    return write_bundle(tmp_path / "exports", "linear", files, rejected=False, force=False)


@pytest.fixture
def fixed_folder(files: dict[str, bytes], tmp_path: Path) -> Path:
    """Return a written bundle whose model takes four images at a time, no more and no fewer."""
    model = linear_onnx(batch=4)
    files = {**files, MODEL: model, REPLAY: linear_replay(model)}
    return write_bundle(tmp_path / "exports", "fixed", files, rejected=False, force=False)


@pytest.fixture
def other_folder(files: dict[str, bytes], tmp_path: Path) -> Path:
    """Return a written bundle with another model than the one whose answers were stored, and fresh sums."""
    files = {**files, MODEL: linear_onnx(seed=7)}
    return write_bundle(tmp_path / "exports", "other", files, rejected=False, force=False)
