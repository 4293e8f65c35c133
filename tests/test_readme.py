"""The README is a promise: its commands and its Python are run, and its policy is read."""

import re
import shlex
from pathlib import Path

import pytest
import torch

from cli.app import COMMANDS, run
from compressor.data import open_data
from compressor.gate.policy import parse_policy
from compressor.load import load

README = (Path(__file__).resolve().parents[1] / "README.md").read_text()


def _blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README, flags=re.DOTALL)


def test_every_command_is_a_command() -> None:
    """Each `compress ...` line of the README names a command that exists, with options that exist."""
    lines = [line.removeprefix("$ ") for block in _blocks("console") for line in block.splitlines() if "$ " in line]
    ours = [shlex.split(line) for line in lines if line.startswith("compress ")]
    assert len(ours) >= 5
    for words in ours:
        assert words[1] in COMMANDS


def test_policy_is_one() -> None:
    """The policy in the README is accepted by the gate."""
    for text in _blocks("toml"):
        assert parse_policy(text, "README.md").accuracy.min == 0.90


@pytest.mark.slow
def test_slim_model_trains_in_anyones_loop(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, digits_checkpoint: Path
) -> None:
    """Prune, train the slim model in a plain loop, certify the result: as the README says."""
    monkeypatch.chdir(tmp_path)
    assert run(["prune", str(digits_checkpoint), "--ratio", "0.3", "-o", "digits-slim.safetensors"]) == 0
    before = load("digits-slim.safetensors").model.state_dict()
    train = open_data("digits", preprocess=None).train
    assert train is not None
    order = torch.randperm(len(train))
    labels = torch.from_numpy(train.labels)
    loader = [(train.read(part.tolist()), labels[part]) for part in order.split(32)]
    (code,) = _blocks("python")
    exec(compile(code, "README.md", "exec"), {"loader": loader})
    tuned = torch.load("tuned.pt", weights_only=True)
    assert any(not torch.equal(tuned[name], before[name]) for name in before)
    (line,) = [line for block in _blocks("console") for line in block.splitlines() if "slim:" in line]
    words = shlex.split(line.removeprefix("$ "))[1:]
    assert run([*words, "--num-images", "60", "--battery", "quick", "--quiet"]) == 0
    assert Path("certificate.json").is_file()
    assert Path("outcomes.npz").is_file()
