"""Disks that are full, read-only or gone: one sentence, exit 2, nothing half-written."""

import errno
import os
import shutil
import subprocess
import sys
from pathlib import Path

import made_up
import pytest
from real_bundle import STRICT

from cli import app
from cli.disk import of_the_machine
from compressor import files
from compressor.bundle import write, write_bundle
from compressor.errors import OutputError
from compressor.records import dump

NUMBERS = (errno.ENOSPC, errno.EROFS, errno.EDQUOT)


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Stand in a folder with a certificate and a policy."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("GITHUB_STEP_SUMMARY", raising=False)
    (tmp_path / "certificate.json").write_bytes(dump(made_up.certificate()))
    (tmp_path / "policy.toml").write_text(STRICT)
    return tmp_path


def _failing(number: int, after: int):
    """Return an fsync that fails at its call number `after`, as a disk does that fills up."""
    calls = []

    def sync(handle: int) -> None:
        calls.append(handle)
        if len(calls) > after:
            raise OSError(number, os.strerror(number))

    return sync


@pytest.mark.parametrize("number", NUMBERS)
@pytest.mark.parametrize("after", [0, 1])
def test_files_that_belong_together_appear_all_or_not(
    number: int, after: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whichever of two files finds the disk full, neither appears, what was there stays, and nothing is left aside."""
    (tmp_path / "a").write_text("before")
    monkeypatch.setattr(files.os, "fsync", _failing(number, after))
    with pytest.raises(OutputError, match=os.strerror(number)) as caught:
        files.write_all({tmp_path / "a": b"new", tmp_path / "b": b"new"})
    assert "--output" in caught.value.advice
    assert [path.name for path in tmp_path.iterdir()] == ["a"]
    assert (tmp_path / "a").read_text() == "before"
    assert not files.UNFINISHED


@pytest.mark.parametrize("number", NUMBERS)
@pytest.mark.parametrize("after", [0, 5])
def test_a_bundle_appears_whole_or_not(
    number: int, after: int, honest: dict[str, bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its folder is written aside, and goes when the disk fills up in the middle."""
    monkeypatch.setattr(write.os, "fsync", _failing(number, after))
    with pytest.raises(OutputError, match=os.strerror(number)):
        write_bundle(tmp_path / "exports", "tiny", honest, rejected=False, force=False)
    assert list((tmp_path / "exports").iterdir()) == []


@pytest.mark.parametrize("number", NUMBERS)
def test_a_command_says_one_sentence(
    number: int, here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """With what to do; the file that it was asked for is not there."""
    monkeypatch.setattr(files.os, "fsync", _failing(number, 0))
    assert app.run(["gate", "certificate.json", "--policy", "policy.toml", "-o", "verdict.txt"]) == 2
    words = capsys.readouterr().err
    assert words.startswith("error: cannot write verdict.txt: ")
    assert words.count("\n") == 2
    assert not list(here.glob("*verdict*"))


@pytest.mark.skipif(os.geteuid() == 0, reason="root writes in read-only folders")
def test_a_read_only_folder(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Is told before any work."""
    (here / "closed").mkdir(mode=0o500)
    assert app.run(["gate", "certificate.json", "--policy", "policy.toml", "-o", "closed/verdict.txt"]) == 2
    assert capsys.readouterr().err.startswith("error: cannot write in closed: ")


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), "No space left on device\n"),
        (OSError(errno.EIO, "Input/output error", "photos/1.png"), "Input/output error: photos/1.png\n"),
        (
            FileNotFoundError(errno.ENOENT, "No such file", "photos/1.png"),
            "photos/1.png has gone while it was in use\n",
        ),
    ],
)
def test_what_the_machine_does_is_no_fault_of_ours(
    error: OSError, words: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Wherever it comes up: exit 2 and one sentence. A file of our own that is missing is a fault of ours."""

    def raising(*args: object, **kwargs: object) -> int:
        raise error

    monkeypatch.setattr(app, "app", raising)
    assert app.run(["doctor"]) == 2
    assert capsys.readouterr().err.startswith(f"error: {words}  try: ")
    error.filename, error.errno = app.__file__, errno.ENOENT
    if isinstance(error, FileNotFoundError):
        assert app.run(["doctor"]) == 1


def test_a_folder_that_goes_while_a_result_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between writing aside and renaming: one sentence, and no half of it elsewhere."""
    place = tmp_path / "results"

    def gone(handle: int) -> None:
        shutil.rmtree(place)

    monkeypatch.setattr(files.os, "fsync", gone)
    with pytest.raises(OutputError, match="No such file"):
        files.write_whole(place / "record.json", b"{}")
    assert not list(tmp_path.iterdir())


def _gate(out: int, here: Path) -> subprocess.CompletedProcess[str]:
    line = [sys.executable, "-m", "cli", "gate", "certificate.json", "--policy", "policy.toml"]
    environment = os.environ | {"PYTHONPATH": str(Path(app.__file__).resolve().parents[1])}
    return subprocess.run(line, cwd=here, env=environment, stdout=out, stderr=subprocess.PIPE, text=True, check=False)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
def test_stdout_on_a_full_disk(here: Path) -> None:
    """Nobody saw the verdict, so it is 2; and Python says nothing of its own when it ends."""
    with Path("/dev/full").open("w") as full:
        done = _gate(full.fileno(), here)
    assert (done.returncode, done.stderr.splitlines()[0]) == (
        2, "error: cannot write the result to stdout: No space left on device",
    )  # fmt: skip
    assert done.stderr.count("\n") == 2


def test_a_reader_that_has_had_enough(here: Path) -> None:
    """`compress gate ... | head -1`: the verdict keeps its exit code."""
    reader, writer = os.pipe()
    os.close(reader)
    done = _gate(writer, here)
    os.close(writer)
    assert (done.returncode, done.stderr) == (3, "")


@pytest.mark.parametrize("error", [PermissionError, IsADirectoryError, NotADirectoryError])
def test_what_cannot_be_opened_is_no_fault_of_ours(error: type[OSError], tmp_path: Path) -> None:
    """The system's own word and the path, and what to do."""
    number = {PermissionError: errno.EACCES, IsADirectoryError: errno.EISDIR, NotADirectoryError: errno.ENOTDIR}[error]
    said = of_the_machine(error(number, os.strerror(number), str(tmp_path)))
    assert said is not None
    assert said[0] == f"{os.strerror(number)}: {tmp_path}"
    assert said[1]
