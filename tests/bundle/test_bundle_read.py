"""Any changed byte of any file is noticed, and the message names the file."""

from collections.abc import Callable
from pathlib import Path

import pytest

from compressor.bundle import What, check_sums, open_bundle
from compressor.bundle.names import JUDGED, SUMS, format_sums
from compressor.errors import BundleError
from compressor.files import sha256_of_file

FILES = (*JUDGED, SUMS)


def fresh_sums(folder: Path) -> None:
    """Write the list anew, as a forger would."""
    names = [path.name for path in folder.iterdir() if path.name != SUMS]
    (folder / SUMS).write_bytes(format_sums({name: sha256_of_file(folder / name) for name in names}))


def test_a_bundle_as_written_holds(folder: Path) -> None:
    """No problem is found, and the digest is the digest of the list."""
    assert check_sums(folder) == ()
    assert open_bundle(folder).digest == sha256_of_file(folder / SUMS)


@pytest.mark.parametrize("name", FILES)
def test_one_changed_byte_is_noticed(folder: Path, name: str) -> None:
    """At the start, in the middle and at the end of every file, by one bit and by all."""
    path = folder / name
    content = path.read_bytes()
    for place in {0, len(content) // 3, len(content) // 2, len(content) - 1}:
        for mask in (0x01, 0x20, 0xFF):
            path.write_bytes(content[:place] + bytes([content[place] ^ mask]) + content[place + 1 :])
            problems = check_sums(folder)
            assert problems, f"byte {place} of {name} was changed by {mask:#x}"
            assert name == SUMS or {(problem.name, problem.what) for problem in problems} == {(name, What.CHANGED)}
    path.write_bytes(content)
    assert check_sums(folder) == ()


def _swap(folder: Path) -> None:
    one, two = folder / "certificate.json", folder / "parity.json"
    content = one.read_bytes()
    one.write_bytes(two.read_bytes())
    two.write_bytes(content)


def _link(folder: Path) -> None:
    target = folder.parent / "elsewhere"
    (folder / "labels.txt").rename(target)
    (folder / "labels.txt").symlink_to(target)


def _append(folder: Path, text: str) -> None:
    with (folder / SUMS).open("a") as file:
        file.write(text)


def _last_line(folder: Path) -> str:
    return (folder / SUMS).read_text().splitlines(keepends=True)[-1]


def _reversed_lines(folder: Path) -> None:
    lines = (folder / SUMS).read_text().splitlines(keepends=True)
    (folder / SUMS).write_text("".join(reversed(lines)))


@pytest.mark.parametrize(
    ("damage", "what", "name"),
    [
        (lambda folder: (folder / "labels.txt").unlink(), What.MISSING, "labels.txt"),
        (lambda folder: (folder / SUMS).unlink(), What.MISSING, SUMS),
        (lambda folder: (folder / "evil.py").write_text("x"), What.EXTRA, "evil.py"),
        (lambda folder: (folder / ".hidden").write_text("x"), What.BAD_NAME, ".hidden"),
        (lambda folder: (folder / "sub").mkdir(), What.NOT_A_FILE, "sub"),
        (lambda folder: (folder / "x.sig").mkdir(), What.NOT_A_FILE, "x.sig"),
        (_link, What.NOT_A_FILE, "labels.txt"),
        (_swap, What.CHANGED, "certificate.json"),
        (lambda folder: _append(folder, "0" * 64 + "  ../outside\n"), What.BAD_NAME, "../outside"),
        (lambda folder: _append(folder, "0" * 64 + "  gone.txt\n"), What.MISSING, "gone.txt"),
        (lambda folder: _append(folder, _last_line(folder)), What.DUPLICATE, "verdict.json"),
        (lambda folder: _append(folder, "\n"), What.NOT_CANONICAL, SUMS),
        (lambda folder: _append(folder, "# nothing\n"), What.NOT_CANONICAL, SUMS),
        (lambda folder: _append(folder, "x" * (1 << 20)), What.NOT_CANONICAL, SUMS),
        (_reversed_lines, What.NOT_CANONICAL, SUMS),
    ],
)
def test_what_is_wrong_is_named(folder: Path, damage: Callable[[Path], None], what: What, name: str) -> None:
    """Changed, missing, extra, swapped, linked, nested, listed twice, leading elsewhere, not canonical."""
    damage(folder)
    assert (name, what) in {(problem.name, problem.what) for problem in check_sums(folder)}


@pytest.mark.parametrize("name", ["outcomes.npz", "model.onnx", "policy.toml"])
def test_a_file_left_out_with_a_fresh_list_is_missed(folder: Path, name: str) -> None:
    """A certificate without its evidence is no bundle, also when the list says nothing of it."""
    (folder / name).unlink()
    fresh_sums(folder)
    assert {(problem.name, problem.what) for problem in check_sums(folder)} == {(name, What.MISSING)}


def test_signatures_may_stand_beside(folder: Path) -> None:
    """They are about the list, so they are not in it."""
    (folder / "model.sig").write_bytes(b"signature")
    (folder / "SHA256SUMS.sigstore.json").write_bytes(b"{}")
    assert check_sums(folder) == ()


def test_a_folder_of_something_else_is_bad_input(tmp_path: Path) -> None:
    """Not a bundle at all is another matter than a bundle that does not hold."""
    (tmp_path / "README.md").write_text("hello")
    with pytest.raises(BundleError, match="none of a bundle's files"):
        check_sums(tmp_path)
    with pytest.raises(BundleError, match="not a folder"):
        open_bundle(tmp_path / "absent")


def test_labels_keep_their_order_and_their_spaces(folder: Path) -> None:
    """One label a line, exactly as written."""
    (folder / "labels.txt").write_bytes("zebra\n a b\u2028c\n\nlast\n".encode())
    assert open_bundle(folder).labels == ("zebra", " a b\u2028c", "", "last")
