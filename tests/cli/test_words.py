"""Results on stdout and nothing else there; commands that are told can be typed as they stand."""

import io
import json
import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from cli.app import run
from compressor.load import CifarResNet

NETWORK = """
import torch
from torch import nn

print("hello from the script")


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        print("hello from the network")
        self.conv, self.head = nn.Conv2d(1, 8, 3), nn.Linear(8, 4)

    def forward(self, images):
        print("hello from the forward pass")
        return self.head(self.conv(images).mean(dim=(2, 3)))
"""


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Stand in a folder with a script that talks, and its weights."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "net.py").write_text(NETWORK)
    torch.manual_seed(0)
    state = {"conv.weight": (8, 1, 3, 3), "conv.bias": (8,), "head.weight": (4, 8), "head.bias": (4,)}
    torch.save({name: torch.randn(shape) for name, shape in state.items()}, tmp_path / "net.pt")
    return tmp_path


def test_what_the_users_code_prints_is_no_result(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A record on stdout can be read, whatever scripts and networks say."""
    capsys.readouterr()
    assert run(["inspect", "net.pt", "--arch", "net.py:Net", "--input-size", "8", "--json"]) == 0
    shown = capsys.readouterr()
    assert json.loads(shown.out)
    assert "hello from the network" in shown.err
    assert "hello from the forward pass" in shown.err


@pytest.mark.slow
def test_a_terminal_without_the_letters_of_a_name(here: Path) -> None:
    """They are written as escapes: what a name is made of is no fault of ours."""
    (here / "n\u00e9t \u2603.pt").write_bytes((here / "net.pt").read_bytes())
    line = [sys.executable, "-m", "cli", "inspect", "n\u00e9t \u2603.pt", "--arch", "net.py:Net", "--input-size", "8"]
    root = str(Path(__file__).resolve().parents[2])
    environment = os.environ | {"PYTHONIOENCODING": "ascii", "PYTHONPATH": root}
    done = subprocess.run(line, capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == 0, done.stderr
    assert "n\\xe9t \\u2603.pt" in done.stdout


def test_a_command_that_is_told_can_be_typed(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With spaces and accents in the path; and export calls the bundle by what a folder's name can hold."""
    (here / "my nets").mkdir()
    torch.save(CifarResNet(8, in_channels=1).state_dict(), here / "my nets" / "my n\u00e9t (v1).pt")
    assert run(["inspect", "my nets/my n\u00e9t (v1).pt", "--input-size", "8"]) == 0
    command = capsys.readouterr().out.rstrip().splitlines()[-1].removeprefix("next: ")
    assert shlex.split(command)[:3] == ["compress", "prune", "my nets/my n\u00e9t (v1).pt"]
    assert run(["export", "my nets/my n\u00e9t (v1).pt", "--input-size", "8", "--preprocess", "none", "--dry-run"]) == 0
    assert "exports/my-n-t-v1-DIGEST8/" in capsys.readouterr().out


def test_streams_that_are_no_text_files_are_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """As where a notebook has put its own in their place."""
    from cli import app

    monkeypatch.setattr(sys, "stdout", io.StringIO())
    monkeypatch.setattr(sys, "argv", ["compress", "--version"])
    with pytest.raises(SystemExit) as ended:
        app.main()
    assert ended.value.code == 0
