"""Files given by mistake: each gets a sentence of its own, and advice that fits it."""

import os
import zipfile
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from compressor.errors import LoadError
from compressor.load import load


@pytest.mark.parametrize(
    ("name", "content", "message", "advice"),
    [
        ("x.pt", b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a", "pointer of Git LFS", "git lfs pull"),
        ("x.pt", b"<!DOCTYPE html><html>404</html>", "is a web page", "download the file itself"),
        ("x.safetensors", b"<html><body>", "is a web page", "download the file itself"),
        ("model.safetensors.index.json", b'{"weight_map": {}}', "lists the parts", "put the parts together"),
        ("x.npz", b"PK\x03\x04", "archive of numpy arrays", "state dict"),
        ("x.pt2", b"PK\x03\x04", "program of torch.export", "state dict"),
        ("x.onnx", b"\x08\x07", "an ONNX model", "state dict"),
        ("x.pt", b"", "is empty", "again"),
        ("x.pt", b"hello", "neither", "torch.save"),
    ],
)
def test_other_kinds_are_told_apart(tmp_path: Path, name: str, content: bytes, message: str, advice: str) -> None:
    """By name or first bytes; nothing more is read."""
    (tmp_path / name).write_bytes(content)
    with pytest.raises(LoadError, match=message) as caught:
        load(tmp_path / name)
    assert advice in caught.value.advice


def test_one_part_of_several_is_refused_and_a_whole_one_is_not(tmp_path: Path) -> None:
    """`-00001-of-00002` lacks half of the network; `-00001-of-00001` lacks nothing."""
    save_file({"a": torch.zeros(3)}, tmp_path / "model-00001-of-00002.safetensors")
    with pytest.raises(LoadError, match="part 1 of 2") as caught:
        load(tmp_path / "model-00001-of-00002.safetensors")
    assert "put the parts together" in caught.value.advice
    save_file({"a": torch.zeros(3)}, tmp_path / "model-00001-of-00001.safetensors")
    with pytest.raises(LoadError, match="fit no architecture"):
        load(tmp_path / "model-00001-of-00001.safetensors")


def test_a_program_of_torch_export_is_known_by_its_content(tmp_path: Path, resnet8: torch.nn.Module) -> None:
    """Whatever its ending."""
    program = torch.export.export(resnet8.eval(), (torch.zeros(2, 1, 8, 8),))
    torch.export.save(program, tmp_path / "x.pt2")
    (tmp_path / "x.pt2").rename(tmp_path / "x.pt")
    with pytest.raises(LoadError, match=r"program of torch\.export"):
        load(tmp_path / "x.pt")


def test_a_pipe_is_refused_without_waiting_for_it(tmp_path: Path) -> None:
    """Opening one would hang until somebody writes."""
    os.mkfifo(tmp_path / "x.pt")
    with pytest.raises(LoadError, match="a device or a pipe"):
        load(tmp_path / "x.pt")


def test_an_archive_of_something_else_is_refused(tmp_path: Path) -> None:
    """A zip file without weights, and one that only looks like a checkpoint."""
    for member, message in ("readme.txt", "without weights"), ("x/data.pkl", "truncated or damaged"):
        with zipfile.ZipFile(tmp_path / "x.pt", "w") as archive:
            archive.writestr(member, b"\x80\x02}q\x00.")
        with pytest.raises(LoadError, match=message) as caught:
            load(tmp_path / "x.pt")
        assert "PyTorch" not in caught.value.message
