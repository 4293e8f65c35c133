"""Real processes, ended at any time in every way there is: taken up again, training ends in the same bytes."""

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from compressor.finetune import History
from compressor.records import parse

TRAIN = ("--data", "digits", "--epochs", "60")
TORCHRUN = (sys.executable, "-m", "torch.distributed.run", "--standalone", "--no-python", "--nproc-per-node", "2")


def command(checkpoint: Path, output: Path, *more: str, state: Path) -> list[str]:
    """Return the command line of one run."""
    line = [sys.executable, "-m", "cli", "finetune", str(checkpoint), *TRAIN, "--quiet"]
    return [*line, "--output", str(output), "--work-dir", str(state), *more]


def started(line: Sequence[str]) -> subprocess.Popen[str]:
    """Start it in a session of its own, with this checkout first on its path."""
    path = os.pathsep.join([str(Path(__file__).resolve().parents[2]), *sys.path])
    return subprocess.Popen(
        line, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=os.environ | {"PYTHONPATH": path}
    )


def finished(line: Sequence[str]) -> None:
    """Run it to its end."""
    process = started(line)
    _, words = process.communicate(timeout=240)
    assert process.returncode == 0, words


def interrupted(process: subprocess.Popen[str], number: int, state: Path, pause: float) -> tuple[int, str]:
    """Wait until another epoch has been saved and a little longer, send the signal; return exit code and last words."""
    before = newest(state)
    deadline = time.monotonic() + 120
    while newest(state) == before:
        assert time.monotonic() < deadline, "nothing was saved"
        assert process.poll() is None, process.communicate()[1]
        time.sleep(0.01)
    time.sleep(pause)
    assert process.poll() is None, "it ended before it could be interrupted"
    process.send_signal(number)
    _, words = process.communicate(timeout=60)
    return process.returncode, words


def newest(state: Path) -> int:
    """Return when the state was last written, 0 for never."""
    return max((path.stat().st_mtime_ns for path in (state / "finetune").glob("*.pt")), default=0)


def losses(output: Path) -> list[float]:
    """Return the loss of each epoch, as the history beside the checkpoint tells it."""
    path = output.with_suffix(".history.json")
    return [epoch.loss for epoch in parse(path.read_bytes(), History, source=str(path)).epochs]


@pytest.fixture(scope="module")
def straight(digits_checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return what a run writes that nobody interrupts."""
    folder = tmp_path_factory.mktemp("straight")
    output = folder / "straight.safetensors"
    finished(command(digits_checkpoint, output, state=folder / "state"))
    return output


@pytest.mark.slow
def test_ended_in_every_way_and_taken_up_again_it_writes_the_same_bytes(
    digits_checkpoint: Path, straight: Path, tmp_path: Path
) -> None:
    """Kill -9, SIGTERM, Ctrl-C and a time limit, each at a random moment; then one run to the end."""
    resumed, state = tmp_path / "resumed.safetensors", tmp_path / "state"
    line, draw = command(digits_checkpoint, resumed, state=state), random.Random("kill")
    endings = [(signal.SIGTERM, 143), (signal.SIGKILL, -9), (signal.SIGINT, 130)]
    for number, code in endings:
        found, words = interrupted(started(line), number, state, pause=draw.uniform(0.0, 0.4))
        assert found == code, words
        assert not resumed.exists()
    limited = started([*line, "--time-limit", "1s"])
    _, words = limited.communicate(timeout=60)
    assert limited.returncode == 4, words
    assert not resumed.exists()
    finished(line)
    assert resumed.read_bytes() == straight.read_bytes()
    assert losses(resumed) == losses(straight)


@pytest.mark.slow
def test_two_processes_end_together_and_one_takes_up(digits_checkpoint: Path, straight: Path, tmp_path: Path) -> None:
    """One of two is killed, and torchrun says which; then both are terminated; one goes on to what it would have found.

    Nothing is written before that, and there is one writer.
    """
    resumed, state = tmp_path / "resumed.safetensors", tmp_path / "state"
    line = command(digits_checkpoint, resumed, state=state)
    both = started([*TORCHRUN, *line])
    deadline = time.monotonic() + 120
    while not newest(state):
        assert time.monotonic() < deadline, "nothing was saved"
        time.sleep(0.01)
    os.kill(second_of(both.pid), signal.SIGKILL)
    _, words = both.communicate(timeout=60)
    assert both.returncode == 1
    assert "Signal 9 (SIGKILL)" in words
    assert not resumed.exists()
    code, words = interrupted(started([*TORCHRUN, *line]), signal.SIGTERM, state, pause=0.3)
    assert code != 0, words
    assert not resumed.exists()
    assert len(list((state / "finetune").iterdir())) == 1
    finished(line)
    assert losses(resumed) == pytest.approx(losses(straight), abs=1e-4)


def second_of(parent: int) -> int:
    """Return the process of rank 1 below torchrun."""
    for entry in (entry for entry in Path("/proc").iterdir() if entry.name.isdigit()):
        is_child = f"PPid:\t{parent}\n" in (entry / "status").read_text()
        if is_child and "\0RANK=1\0" in (entry / "environ").read_text():
            return int(entry.name)
    pytest.fail("there is no second process")
