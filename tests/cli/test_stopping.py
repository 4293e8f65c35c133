"""SIGTERM and Ctrl-C end the program with their own code, whatever other people's code makes of them."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from cli import app
from cli.screen import Screen
from cli.stopping import Stopping
from compressor.errors import Undecided

WAYS = {
    "ends with another error": "while not seen: wait()\nraise RuntimeError('half imported')",
    "goes on": "while True: wait()",
    "computes in native code": "while True: compute()",
    "is done": "while not seen: wait()",
    "was in a destructor": "Destroyed()\nwhile True: time.sleep(0.01); stopping.STOPPING.check()",
}
"""What code that swallows the exception of a signal may do next."""

SCRIPT = """
import hashlib, time
from pathlib import Path
from cli import app, stopping
from compressor import files

seen = []

def wait():
    try:
        print("ready", flush=True)
        time.sleep(30)
    except BaseException as error:
        seen.append(error)

class Destroyed:
    def __del__(self):
        print("ready", flush=True)
        time.sleep(30)

def compute():
    try:
        print("ready", flush=True)
        hashlib.pbkdf2_hmac("sha256", b"", b"", 10**9)
    except BaseException as error:  # the signal may come before the native code begins
        seen.append(error)

def command(*args, **kwargs):
    aside = Path("result.part")
    aside.write_text("half")
    files.UNFINISHED.add(aside)
    {way}

stopping.GRACE_SECONDS = 0.2
app.app = command
app.main()
"""


def _end(process: subprocess.Popen[str], number: int) -> tuple[int, str]:
    """Send a signal and return the exit code and the last words; fail if it does not end."""
    process.send_signal(number)
    try:
        _, words = process.communicate(timeout=20)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()
        pytest.fail("it did not end")
    return process.returncode, words


@pytest.mark.parametrize(
    ("number", "code", "word"), [(signal.SIGTERM, 143, "terminated"), (signal.SIGINT, 130, "inter")]
)
@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS.keys())
def test_a_swallowed_signal_still_ends_it(way: str, number: int, code: int, word: str, tmp_path: Path) -> None:
    """The code is the signal's, nothing half-written stays when it had to be ended hard, and it says one sentence."""
    script = SCRIPT.replace("{way}", way.replace("\n", "\n    "))
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    process = subprocess.Popen(
        [sys.executable, "-c", script],
        cwd=tmp_path,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    found, words = _end(process, number)
    assert found == code
    assert words.count(f"error: {word}") == 1
    assert "fault of ours" not in words
    assert "Exception ignored" not in words
    ended_hard = way in (WAYS["goes on"], WAYS["computes in native code"])
    assert (tmp_path / "result.part").exists() is not ended_hard


def test_a_swallowed_signal_comes_again_at_the_next_step(monkeypatch: pytest.MonkeyPatch) -> None:
    """Progress looks at the note, so that work ends behind a saved step and unwinds as ever."""
    saved = []

    def work(*args: object, **kwargs: object) -> int:
        with Screen(quiet=True).stage("work") as step:
            for number in range(1000):
                saved.append(number)
                if number == 2:
                    _swallowing(lambda: os.kill(os.getpid(), signal.SIGTERM))
                step.advance()
        return 0

    monkeypatch.setattr(app, "app", work)
    assert app.run(["doctor"]) == 143
    assert saved == [0, 1, 2]


def _swallowing(act: Callable[[], None]) -> None:
    """Do as an import hook does that catches everything."""
    try:
        act()
        time.sleep(5)
    except BaseException:  # noqa: BLE001 - that is the point
        return
    pytest.fail("the signal did not arrive")


def test_a_time_limit_is_undecided_unless_a_signal_came_first(monkeypatch: pytest.MonkeyPatch) -> None:
    """4 for the limit; who was terminated meanwhile hears 143."""

    def late(*args: object, **kwargs: object) -> int:
        raise Undecided("out of time")

    def late_and_terminated(*args: object, **kwargs: object) -> int:
        _swallowing(lambda: os.kill(os.getpid(), signal.SIGTERM))
        raise Undecided("out of time")

    monkeypatch.setattr(app, "app", late)
    assert app.run(["doctor"]) == 4
    monkeypatch.setattr(app, "app", late_and_terminated)
    assert app.run(["doctor"]) == 143


def test_afterwards_signals_do_what_they_did() -> None:
    """A library that calls the command line keeps its own handlers, and nothing is left open."""
    before = [signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM)]
    num_open = len(list(Path("/dev/fd").iterdir()))
    stopping = Stopping()
    with stopping.heeded():
        assert signal.getsignal(signal.SIGTERM) == stopping._arrived
    assert [signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM)] == before
    assert len(list(Path("/dev/fd").iterdir())) == num_open
    assert signal.set_wakeup_fd(-1) == -1


@pytest.mark.slow
@pytest.mark.parametrize(
    ("seconds", "number"),
    [
        (0.8, signal.SIGTERM), (2.0, signal.SIGINT), (3.0, signal.SIGTERM), (4.0, signal.SIGINT),
        (6.0, signal.SIGTERM), (10.0, signal.SIGINT),
    ],
)  # fmt: skip
def test_the_demo_ends_at_any_moment(seconds: float, number: int, tmp_path: Path) -> None:
    """While torch loads, while torch.export traces, while it trains: the code is the signal's, within seconds."""
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path), "OMP_NUM_THREADS": "1"}
    process = subprocess.Popen(
        [sys.executable, "-m", "cli", "demo"],
        cwd=tmp_path,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    time.sleep(seconds)
    assert _end(process, number)[0] == {signal.SIGTERM: 143, signal.SIGINT: 130}[signal.Signals(number)]
    assert not list(tmp_path.rglob("*.part"))
