"""The whole folder appears at once, or nothing does."""

import errno
import multiprocessing
from contextlib import nullcontext
from pathlib import Path

import pytest

from compressor.bundle import check_sums, write_bundle
from compressor.bundle import write as write_module
from compressor.errors import OutputError


def contents(folder: Path) -> dict[str, bytes]:
    """Return every file below a folder."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_bundle_appears_whole(files: dict[str, bytes], tmp_path: Path) -> None:
    """The folder holds the files and their list, and nothing is left beside it."""
    folder = write_bundle(tmp_path, "net", files, rejected=False, force=False)
    assert {**files, "SHA256SUMS": (folder / "SHA256SUMS").read_bytes()} == contents(folder)
    assert [path.name for path in tmp_path.iterdir()] == [folder.name]
    assert folder.name.startswith("net-")
    assert check_sums(folder) == ()


def test_a_rejected_bundle_lies_apart(files: dict[str, bytes], tmp_path: Path) -> None:
    """What must not be shipped is not found where shipped bundles are."""
    folder = write_bundle(tmp_path, "net", files, rejected=True, force=False)
    assert folder.parent == tmp_path / "rejected"


def test_the_same_again_is_fine_and_keeps_signatures(files: dict[str, bytes], tmp_path: Path) -> None:
    """An identical run changes nothing."""
    folder = write_bundle(tmp_path, "net", files, rejected=False, force=False)
    (folder / "model.sig").write_bytes(b"signed")
    before = folder.stat().st_ino
    assert write_bundle(tmp_path, "net", files, rejected=False, force=True) == folder
    assert folder.stat().st_ino == before
    assert (folder / "model.sig").exists()


def test_another_bundle_is_not_overwritten_unless_forced(files: dict[str, bytes], tmp_path: Path) -> None:
    """Same model, other policy: refused, nothing changed; with force, replaced whole."""
    folder = write_bundle(tmp_path, "net", files, rejected=False, force=False)
    before = contents(tmp_path)
    changed = {**files, "policy.toml": b"other"}
    with pytest.raises(OutputError, match="exists already and differs"):
        write_bundle(tmp_path, "net", changed, rejected=False, force=False)
    assert contents(tmp_path) == before
    write_bundle(tmp_path, "net", changed, rejected=False, force=True)
    assert (folder / "policy.toml").read_bytes() == b"other"
    assert check_sums(folder) == ()
    assert [path.name for path in tmp_path.iterdir()] == [folder.name]


@pytest.mark.parametrize(
    ("changed", "is_replaced"),
    [
        ({"latency.json": b"measured later", "README.md": b"written later"}, True),
        ({"verdict.json": b'{"accepted": [{"id": "accuracy.min"}]}'}, False),
        ({"outcomes.npz": b"other outcomes"}, False),
        ({"plan.json": b"one file more"}, False),
    ],
)
def test_an_identical_run_replaces_its_bundle(
    files: dict[str, bytes], tmp_path: Path, changed: dict[str, bytes], is_replaced: bool
) -> None:
    """The same command run again differs in times and latencies only; then its bundle is the newer one."""
    folder = write_bundle(tmp_path, "net", files, rejected=False, force=False)
    with nullcontext() if is_replaced else pytest.raises(OutputError, match="differs"):
        write_bundle(tmp_path, "net", files | changed, rejected=False, force=False)
    found = contents(folder)
    del found["SHA256SUMS"]
    assert found == (files | changed if is_replaced else files)


def test_a_signed_bundle_is_not_replaced(files: dict[str, bytes], tmp_path: Path) -> None:
    """Somebody vouched for exactly these bytes."""
    folder = write_bundle(tmp_path, "net", files, rejected=False, force=False)
    (folder / "model.sig").write_bytes(b"signed")
    with pytest.raises(OutputError, match="differs"):
        write_bundle(tmp_path, "net", files | {"latency.json": b"later"}, rejected=False, force=False)


def test_a_damaged_bundle_counts_as_another(files: dict[str, bytes], tmp_path: Path) -> None:
    """The list alone does not make it the same: its files must be as listed."""
    folder = write_bundle(tmp_path, "net", files, rejected=False, force=False)
    (folder / "labels.txt").write_text("damaged")
    with pytest.raises(OutputError, match="differs"):
        write_bundle(tmp_path, "net", files, rejected=False, force=False)
    write_bundle(tmp_path, "net", files, rejected=False, force=True)
    assert check_sums(folder) == ()


def test_a_full_disk_leaves_nothing(files: dict[str, bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """When writing fails half way, no folder is there and none is left over."""
    written = []

    def full(path: Path, content: bytes) -> None:
        written.append(path)
        if len(written) == 5:
            raise OSError(28, "No space left on device")
        path.write_bytes(content)

    monkeypatch.setattr(write_module, "_write_through", full)
    with pytest.raises(OutputError, match="No space left"):
        write_bundle(tmp_path, "net", files, rejected=False, force=False)
    assert list(tmp_path.iterdir()) == []


def test_a_place_that_cannot_be_written(files: dict[str, bytes], tmp_path: Path) -> None:
    """A file where a folder should be is said clearly."""
    (tmp_path / "exports").write_text("a file")
    with pytest.raises(OutputError, match="cannot write the bundle"):
        write_bundle(tmp_path / "exports", "net", files, rejected=False, force=False)


def test_a_missing_file_is_refused_before_anything_is_written(files: dict[str, bytes], tmp_path: Path) -> None:
    """A judged bundle without its outcomes cannot be written."""
    del files["outcomes.npz"]
    with pytest.raises(OutputError, match=r"lacks outcomes.npz"):
        write_bundle(tmp_path / "exports", "net", files, rejected=False, force=False)
    assert list(tmp_path.iterdir()) == []


def _write_often(exports: Path, files: dict[str, bytes], mark: int) -> None:
    for turn in range(8):
        changed = {**files, "latency.json": f"{mark} {turn}".encode(), "parity.json": f"{mark} {turn}".encode()}
        write_bundle(exports, "net", changed, rejected=False, force=True)


def test_runs_at_the_same_time_leave_one_whole_bundle(files: dict[str, bytes], tmp_path: Path) -> None:
    """Whoever comes last wins, files of two runs are never mixed, and nothing is left over."""
    context = multiprocessing.get_context("fork")
    runs = [context.Process(target=_write_often, args=(tmp_path, files, mark)) for mark in range(3)]
    for run in runs:
        run.start()
    for run in runs:
        run.join(60)
    assert [run.exitcode for run in runs] == [0, 0, 0]
    (folder,) = tmp_path.iterdir()
    assert check_sums(folder) == ()
    assert (folder / "latency.json").read_bytes() == (folder / "parity.json").read_bytes()


def test_another_run_may_move_the_bundle_away_in_between(
    files: dict[str, bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Renaming finds something there, and a moment later it is gone: the next turn succeeds."""
    rename, turns = Path.rename, []

    def disturbed(self: Path, target: Path) -> Path:
        turns.append(target)
        if len(turns) == 1:
            raise OSError(errno.ENOTEMPTY, "Directory not empty")
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", disturbed)
    folder = write_bundle(tmp_path, "net", files, rejected=False, force=False)
    assert turns == [folder, folder]
    assert check_sums(folder) == ()
