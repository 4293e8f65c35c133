"""Two runs of the same work: the second is told so, and what a dead one left behind blocks nobody."""

import errno
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from cli import app
from compressor import lock
from compressor.errors import OutputError
from compressor.files import UNFINISHED

HOLDER = """
import os, sys, time
from pathlib import Path
from compressor.lock import held
with held(Path(sys.argv[1]), what="this test", option="--work-dir"):
    if os.fork() == 0:
        print("held", flush=True)  # the child says it: by then it has let go of the lock
        os.close(1)
        time.sleep(20)
        os._exit(0)
    sys.stdin.readline()
"""
RUNNING = """
import sys, time
from cli import app
from compressor import shrink

def wait(*args, **kwargs):
    print("at work", file=sys.__stdout__, flush=True)
    sys.stdin.readline()
    raise SystemExit(0)

shrink.shrink = wait
app.main()
"""


@contextmanager
def process(script: str, *arguments: str, cwd: Path, word: str) -> Iterator[subprocess.Popen[str]]:
    """Run a script until it says a word, and end it afterwards."""
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    pipe = subprocess.PIPE
    started = subprocess.Popen(
        [sys.executable, "-W", "ignore", "-c", script, *arguments], cwd=cwd, env=environment, stdin=pipe, stdout=pipe,
        text=True,
    )  # fmt: skip
    assert started.stdin is not None
    assert started.stdout is not None
    try:
        assert started.stdout.readline() == f"{word}\n"
        yield started
    finally:
        started.kill()
        started.wait()
        started.stdin.close()
        started.stdout.close()


def test_a_lock_ends_with_its_process(tmp_path: Path) -> None:
    """While one process holds it, another is refused; when that was killed, its file and its children block nobody."""
    path = tmp_path / "work" / "a.lock"
    with process(HOLDER, str(path), cwd=tmp_path, word="held") as holder:
        with pytest.raises(OutputError, match=f"process {holder.pid} on "), lock.held(path, what="it", option="-w"):
            pytest.fail("two at once")
        holder.kill()
        holder.wait()
        assert path.exists()
        with lock.held(path, what="it", option="-w"):
            assert f"process {os.getpid()} " in path.read_text()
    assert not path.exists()


def test_nothing_is_left_behind(tmp_path: Path) -> None:
    """The file goes with the run, and so does a folder that was made for it; one that was there stays."""
    with lock.held(tmp_path / "new" / "a.lock", what="it", option="-w"):
        assert tmp_path / "new" / "a.lock" in UNFINISHED
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "old").mkdir()
    with lock.held(tmp_path / "old" / "a.lock", what="it", option="-w"):
        pass
    assert list(tmp_path.rglob("*")) == [tmp_path / "old"]


def test_a_lock_that_has_just_gone_is_taken_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between opening and locking the run before may remove the file: a lock on it would exclude nobody."""
    path = tmp_path / "a.lock"
    real = lock.fcntl.flock
    times = []

    def slow(handle: int, how: int) -> None:
        if not times:
            path.unlink()
        times.append(how)
        real(handle, how)

    monkeypatch.setattr(lock.fcntl, "flock", slow)
    with lock.held(path, what="it", option="-w"):
        assert len(times) == 2
        assert path.exists()


@pytest.mark.parametrize("number", [errno.EROFS, errno.EACCES, errno.ENOSPC])
def test_a_place_that_cannot_be_written_is_one_sentence(
    number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the option that chooses another."""

    def full(*args: object) -> int:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(lock.os, "open", full)
    with pytest.raises(OutputError, match=f"cannot write in {tmp_path}: {os.strerror(number)}") as caught:
        lock.held(tmp_path / "a.lock", what="it", option="--work-dir").__enter__()
    assert "--work-dir" in caught.value.advice


def test_drives_without_locks_are_worked_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Runs are not told apart there, and none is stopped; the same where the system knows no such locks."""

    def none(*args: object) -> None:
        raise OSError(errno.ENOLCK, "no locks available")

    monkeypatch.setattr(lock.fcntl, "flock", none)
    with lock.held(tmp_path / "a.lock", what="it", option="-w"), lock.held(tmp_path / "a.lock", what="it", option="-w"):
        assert (tmp_path / "a.lock").exists()
    monkeypatch.setattr(lock, "fcntl", None)
    with lock.held(tmp_path / "b.lock", what="it", option="-w"):
        assert not (tmp_path / "b.lock").exists()


@pytest.mark.slow
def test_the_same_command_twice(digits_checkpoint: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Two real processes: the second ends with 2 and one sentence; other work in the same place goes on."""
    line = ["prune", str(digits_checkpoint), "--work-dir", str(tmp_path / "state"), "-o", str(tmp_path / "a.pt")]
    with process(RUNNING, *line, "--ratio", "0.5", cwd=tmp_path, word="at work") as first:
        assert app.run([*line, "--ratio", "0.5", "--quiet"]) == 2
        words = capsys.readouterr().err
        assert words.startswith(f"error: this compress prune is at work in {tmp_path / 'state'} already: ")
        assert f"process {first.pid} on " in words
        assert words.count("\n") == 2
        assert not (tmp_path / "a.pt").exists()
        for other in (["--ratio", "0.3"], ["--ratio", "0.5", "--no-resume"], ["--ratio", "0.5", "--seed", "1"]):
            assert app.run([*line, *other, "--force"]) == 0
        assert first.stdin is not None
        first.stdin.write("\n")
        first.stdin.flush()
        assert first.wait(timeout=60) == 2  # its own code ended it
    assert app.run([*line, "--ratio", "0.5", "--force"]) == 0
    assert not (tmp_path / "state").exists()


def test_the_first_process_stands_for_all(monkeypatch: pytest.MonkeyPatch) -> None:
    """Under torchrun the others do not ask: they would meet the lock of their own first."""
    from cli.alone import is_first

    assert is_first()
    monkeypatch.setenv("TORCHELASTIC_RUN_ID", "none")
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setenv("RANK", "1")
    assert not is_first()
    monkeypatch.setenv("RANK", "0")
    assert is_first()
