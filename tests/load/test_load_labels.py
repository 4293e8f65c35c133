"""Class names from a text file."""

from pathlib import Path

import pytest

from compressor.errors import LoadError
from compressor.load import read_labels


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("cat\ndog\n", ("cat", "dog")),
        ("\ufeffcat\r\n dog \r\n\r\n", ("cat", "dog")),
        ("crane\ncrane", ("crane", "crane")),
        ("k\u00e4se", ("k\u00e4se",)),
    ],
)
def test_one_name_a_line(tmp_path: Path, text: str, names: tuple) -> None:
    """Whatever the line ends, and with a byte order mark."""
    (tmp_path / "labels.txt").write_text(text, encoding="utf-8", newline="")
    assert read_labels(tmp_path / "labels.txt") == names


@pytest.mark.parametrize(
    ("content", "message"),
    [(b"", "is empty"), (b"\n\n", "is empty"), (b"a\n\nb\n", "empty line 2"), (b"\xff\xfe\x00\xd8", "not a text file")],
)
def test_bad_files_say_what_is_wrong(tmp_path: Path, content: bytes, message: str) -> None:
    """Empty, a gap, not text; and a missing one."""
    (tmp_path / "labels.txt").write_bytes(content)
    with pytest.raises(LoadError, match=message):
        read_labels(tmp_path / "labels.txt")
    with pytest.raises(LoadError, match="cannot read"):
        read_labels(tmp_path / "missing.txt")
