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
from compressor.report.card import as_yaml, example, trtexec

RGB = InputFacts(channels=3, height=8, width=6)


def brightest_channel(path: Path, image: InputFacts) -> None:
    """Write an ONNX file that answers with the channel of the highest mean."""
    shape = ["batch", *image.sizes]
    nodes = [
        helper.make_node("Cast", [image.name], ["floats"], to=TensorProto.FLOAT),
        helper.make_node("Transpose", ["floats"], ["planes"], perm=[0, 3, 1, 2] if image.takes_bytes else [0, 1, 2, 3]),
        helper.make_node("GlobalAveragePool", ["planes"], ["mean"]),
        helper.make_node("Flatten", ["mean"], ["logits"]),
    ]
    taken = TensorProto.UINT8 if image.takes_bytes else TensorProto.FLOAT
    graph = helper.make_graph(
        nodes,
        "brightest",
        [helper.make_tensor_value_info(image.name, taken, shape)],
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
        replace(RGB, kind="uint8"),
        replace(RGB, kind="uint8", resize=12),
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


@pytest.mark.parametrize("kind", ["float32", "uint8"])
def test_one_channel_becomes_a_batch_of_one_grey_image(tmp_path: Path, kind: str) -> None:
    """Handwritten digits have one channel and no axis to move."""
    image = InputFacts(channels=1, height=8, width=8, kind=kind)
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
        "--maxShapes=images:32x3x8x6 --noTF32 --saveEngine=model.plan"
    )
    assert "--optShapes=images:8x8x6x3 " in trtexec(replace(RGB, kind="uint8"))


def test_the_front_matter_holds_plain_values(summary: Summary) -> None:
    """Each line is `key: value` with a JSON value or a plain word, which YAML reads as is; no name breaks out."""
    card = model_card(replace(summary, name='x"\n---\nevil: true')).decode()
    head = card.split("---\n")[1]
    values = dict(re.fullmatch(r"([a-z_-]+): (.+)", line).groups() for line in head.splitlines())  # type: ignore[union-attr]
    assert json.loads(values["model-index"])[0]["results"][0]["metrics"][1]["value"] == 0.62
    assert "evil" not in values
    assert "decoding and resizing are outside it" in card


def test_what_the_certificate_does_not_cover_stands_in_the_card(summary: Summary) -> None:
    """This file under onnxruntime; not an engine, and not what happens to a photo before."""
    card = model_card(summary).decode()
    assert "decoding and resizing are outside it" in card
    assert "The certificate covers `model.onnx` under onnxruntime." in card
    assert "only its own replay covers it" in card
    assert trtexec(RGB).replace("8x6", "32x32") in card
    assert "float32 (n, 3, 32, 32), values in [0, 1]" in card
    bytes_ = model_card(replace(summary, image=InputFacts(channels=3, height=4, width=5, kind="uint8"))).decode()
    assert "uint8 (n, 4, 5, 3), values in [0, 255]" in bytes_


AWKWARD = "a: b # c\n--- \u00e9\u2028\x85\x7f 'q' \"d\" {x} [y] & *z !t |\U0001f600 \\ %"
"""Whatever YAML gives a meaning to."""


def test_yaml_reads_the_front_matter_as_it_was_meant(summary: Summary) -> None:
    """Also names with colons, quotes, line separators and characters outside the first 65,536."""
    yaml = pytest.importorskip("yaml", reason="PyYAML comes with the extra dev")
    assert yaml.safe_load(as_yaml([AWKWARD, {"k": 0.5, "n": None}])) == [AWKWARD, {"k": 0.5, "n": None}]
    card = model_card(replace(summary, name=AWKWARD)).decode()
    head = yaml.safe_load(card.split("---\n")[1])
    assert head["model-index"][0]["name"] == AWKWARD
    assert (head["library_name"], head["pipeline_tag"]) == ("onnx", "image-classification")
    assert [each["value"] for each in head["model-index"][0]["results"][0]["metrics"]] == [0.851, 0.62, 0.412]


def test_hugging_face_reads_the_card(summary: Summary) -> None:
    """Its own library finds the name, the data and each result."""
    hub = pytest.importorskip("huggingface_hub", reason="huggingface_hub comes with timm")
    found = hub.ModelCard(model_card(summary).decode()).data
    assert found.model_name == summary.name
    assert [(each.dataset_name, each.metric_type, each.metric_value) for each in found.eval_results] == [
        ("cifar10-jpeg", "accuracy", 0.851),
        ("cifar10-jpeg", "accuracy", 0.62),
        ("cifar10-jpeg", "accuracy", 0.412),
    ]
