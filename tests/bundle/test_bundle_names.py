"""The names of a bundle's files and the one form of its list."""

import pytest

from compressor.bundle.names import (
    EXPORTED,
    JUDGED,
    check_names,
    folder_name,
    format_sums,
    parse_sums,
    required_names,
)
from compressor.errors import OutputError

ONE, TWO = "0" * 64, "a" * 64


def test_the_list_is_sorted_by_the_bytes_of_the_name() -> None:
    """Upper case comes before lower case, as `sort` in the C locale and sha256sum have it."""
    assert format_sums({"b": ONE, "a": TWO, "C": ONE}) == f"{ONE}  C\n{TWO}  a\n{ONE}  b\n".encode()


def test_the_list_reads_back() -> None:
    """What was written is what is read."""
    digests = {"model.onnx": ONE, "README.md": TWO}
    assert dict(parse_sums(format_sums(digests)) or ()) == digests


@pytest.mark.parametrize(
    "content",
    [
        f"{ONE} a\n",
        f"{ONE}  a",
        f"{ONE} *a\n",
        f"{TWO.upper()}  a\n",
        f"{ONE}  a\r\n\n",
        f"# comment\n{ONE}  a\n",
        f"{ONE[:-1]}  a\n",
        f"\n{ONE}  a\n",
    ],
)
def test_other_forms_are_not_read(content: str) -> None:
    """One space, a star, capitals, comments, empty lines and a missing newline are not the canonical form."""
    assert parse_sums(content.encode()) is None


def test_a_certificate_demands_its_evidence() -> None:
    """A bundle that was only exported needs four files; one that was judged needs the evidence too."""
    assert required_names({"model.onnx", "README.md"}) == EXPORTED
    assert required_names({"model.onnx", "certificate.json"}) == JUDGED
    assert required_names({"verdict.json"}) == JUDGED


@pytest.mark.parametrize(
    "name", ["../evil", "a/b", ".hidden", "SHA256SUMS", "model.onnx.sig", "x.sigstore.json", "", "a\nb", "a b", "-rf"]
)
def test_names_that_cannot_stand_in_a_bundle(name: str) -> None:
    """A name that leads elsewhere, hides, or would not be listed is refused."""
    with pytest.raises(OutputError, match="cannot hold"):
        check_names({*EXPORTED, name})


def test_names_that_differ_in_case_only() -> None:
    """Two such files would be one on some systems."""
    with pytest.raises(OutputError, match="upper and lower"):
        check_names({*EXPORTED, "labels.TXT"})


def test_missing_names_are_named() -> None:
    """The message says which files are missing."""
    with pytest.raises(OutputError, match=r"lacks latency.json"):
        check_names(set(JUDGED) - {"latency.json"})


def test_the_folder_carries_the_first_digits_of_the_model() -> None:
    """NAME-DIGEST8; the sha256 of nothing is well known."""
    assert folder_name("net", b"") == "net-e3b0c442"


@pytest.mark.parametrize("name", ["", "a/b", "..", ".x", "a" * 101, "a b"])
def test_a_folder_cannot_be_called_so(name: str) -> None:
    """The name must be a plain one."""
    with pytest.raises(OutputError, match="cannot be called"):
        folder_name(name, b"")
