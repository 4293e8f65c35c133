"""The model card: its eight lines really classify an image, and its front matter is read by others."""

import json
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import onnx
import pytest
from onnx import TensorProto, helper
from PIL import Image

from compressor.report import InputFacts, Summary, model_card
from compressor.report.card import example, trtexec

RGB = InputFacts(channels=3, height=8, width=6)


def brightest_channel(path: Path, image: InputFacts) -> None:
    """Write an ONNX file that answers with the channel of the highest mean."""
    shape = ["batch", image.channels, image.height, image.width]
    nodes = [
        helper.make_node("GlobalAveragePool", [image.name], ["mean"]),
        helper.make_node("Flatten", ["mean"], ["logits"]),
    ]
    graph = helper.make_graph(
        nodes,
        "brightest",
        [helper.make_tensor_value_info(image.name, TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["batch", image.channels])],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10), path)


@pytest.mark.parametrize(
    "image",
    [
        RGB,
        replace(RGB, resize=12, interp="bicubic"),
        replace(RGB, interp="lanczos", name="pixels"),
        replace(RGB, interp="nearest"),
    ],
)
def test_the_eight_lines_classify_an_image(tmp_path: Path, image: InputFacts) -> None:
    """A mostly green photo of another size is answered with green."""
    brightest_channel(tmp_path / "model.onnx", image)
    (tmp_path / "labels.txt").write_text("red\ngreen\nblue\n")
    Image.new("RGB", (40, 30), (10, 200, 60)).save(tmp_path / "photo.jpg")
    code = example(image)
    assert len(code.splitlines()) == 8
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout == "green\n"


def test_one_channel_becomes_a_batch_of_one_grey_image(tmp_path: Path) -> None:
    """Handwritten digits have one channel and no axis to move."""
    image = InputFacts(channels=1, height=8, width=8)
    brightest_channel(tmp_path / "model.onnx", image)
    (tmp_path / "labels.txt").write_text("grey\n")
    Image.new("RGB", (9, 9), (1, 2, 3)).save(tmp_path / "photo.jpg")
    done = subprocess.run(
        [sys.executable, "-c", example(image)], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert done.stdout == "grey\n"


def test_the_engine_is_built_for_several_batches() -> None:
    """TensorRT wants the shapes spelled out."""
    assert trtexec(RGB) == (
        "trtexec --onnx=model.onnx --minShapes=images:1x3x8x6 --optShapes=images:8x3x8x6 "
        "--maxShapes=images:32x3x8x6 --saveEngine=model.plan"
    )


def test_the_front_matter_holds_plain_values(summary: Summary) -> None:
    """Each line is `key: value` with a JSON value or a plain word, which YAML reads as is; no name breaks out."""
    card = model_card(replace(summary, licence="apache-2.0", name='x"\n---\nevil: true')).decode()
    head = card.split("---\n")[1]
    values = dict(re.fullmatch(r"([a-z_-]+): (.+)", line).groups() for line in head.splitlines())  # type: ignore[union-attr]
    assert values["license"] == '"apache-2.0"'
    assert json.loads(values["model-index"])[0]["results"][0]["metrics"][1]["value"] == 0.62
    assert "evil" not in values
    assert "decoding and resizing are outside it" in card
