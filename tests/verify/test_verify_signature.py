"""Signatures are read by a program of its own: a fake one of six lines, and the real one where it is installed."""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from base64 import b64decode
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

import pytest
from real_bundle import fresh_sums

from cli.app import run
from compressor.bundle.names import SUMS
from compressor.errors import MachineError, OptionError
from compressor.verify import Check, Status, verify
from compressor.verify.signature import INSTALL

DOCS = (Path(__file__).resolve().parents[2] / "docs" / "signing.md").read_text()
PEM = "-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n"

FAKE = """#!{python}
import hashlib, pathlib, sys
verify, key, signed, _, signature, _, public_key = sys.argv[1:]
assert (verify, key, sys.argv[4], sys.argv[6]) == ("verify", "key", "--signature", "--public_key")
told = pathlib.Path(signed).read_bytes() + pathlib.Path(public_key).read_bytes()
if pathlib.Path(signature).read_text() != hashlib.sha256(told).hexdigest():
    sys.exit("Verification failed with error: Signature mismatch: ['one', 'two']")
"""
"""Says yes to the sha256 of what is signed and the key."""


def install(place: Path, monkeypatch: pytest.MonkeyPatch, content: str) -> None:
    """Put a program called model_signing on the PATH, and no other."""
    place.mkdir()
    program = place / "model_signing"
    program.write_text(content.format(python=sys.executable))
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(place))


@pytest.fixture
def fake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have the fake on the PATH."""
    install(tmp_path / "programs", monkeypatch, FAKE)


@pytest.fixture
def key(tmp_path: Path) -> Path:
    """Return a public key of the fake."""
    path = tmp_path / "release.pub"
    path.write_text(PEM.format("one"))
    return path


@pytest.fixture
def other(tmp_path: Path) -> Path:
    """Return another public key of the fake."""
    path = tmp_path / "other.pub"
    path.write_text(PEM.format("two"))
    return path


def sign(folder: Path, key: Path, name: str = "release.sig") -> None:
    """Sign the list as the fake reads it."""
    (folder / name).write_text(sha256((folder / SUMS).read_bytes() + key.read_bytes()).hexdigest())


def signature_of(checks: tuple[Check, ...]) -> Check:
    """Return what was found about signatures."""
    return next(check for check in checks if check.name == "signature")


@pytest.mark.usefixtures("fake")
def test_a_signature_makes_it_authentic(folder: Path, key: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """By the key that the verifier has: authentic, signed by it, also in the words of the command."""
    sign(folder, key)
    report = verify(folder, public_key=key)
    assert (report.holds, report.authentic) == (True, True)
    assert report.conclusion == f"consistent and authentic, signed by {key}; its own verdict is passed"
    assert run(["verify", str(folder), "--public-key", str(key), "--quiet"]) == 0
    assert "not authentic" not in " ".join(capsys.readouterr().out.split())


@pytest.mark.usefixtures("fake")
def test_several_may_sign(folder: Path, key: Path, other: Path) -> None:
    """One of them by the verifier's key is enough, and those that are not are named."""
    sign(folder, other, "edge.sigstore.json")
    sign(folder, key)
    report = verify(folder, public_key=key)
    assert report.authentic
    assert signature_of(report.checks).detail.endswith("edge.sigstore.json is not by that key")


def _by_nobody(folder: Path, other: Path) -> None:
    pass


def _by_another(folder: Path, other: Path) -> None:
    sign(folder, other)


def _all_made_anew(folder: Path, other: Path) -> None:
    (folder / "README.md").write_text("another card")
    listed = (folder / "release.sig").read_bytes()
    (folder / "release.sig").unlink()
    fresh_sums(folder)
    (folder / "release.sig").write_bytes(listed)


@pytest.mark.parametrize(
    ("forge", "words"),
    [
        (_by_nobody, "no *.sig or *.sigstore.json stands beside"),
        (_by_another, "release.sig: Signature mismatch"),
        (_all_made_anew, "release.sig: Signature mismatch"),
    ],
)
@pytest.mark.usefixtures("fake")
def test_no_signature_by_that_key_is_3(
    folder: Path, key: Path, other: Path, forge: Callable[[Path, Path], None], words: str
) -> None:
    """None at all, one by another key, or an honest one of other files whose list was written anew."""
    if forge is _all_made_anew:
        sign(folder, key)
    forge(folder, other)
    report = verify(folder, public_key=key)
    assert (report.holds, report.authentic) == (False, False)
    assert [check.name for check in report.contradictions] == ["signature"]
    assert words in signature_of(report.checks).detail
    assert run(["verify", str(folder), "--public-key", str(key), "--quiet"]) == 3


def test_without_a_key_a_signature_is_named_and_not_believed(folder: Path) -> None:
    """Not checked, with how to; the bundle stays consistent only."""
    (folder / "release.sig").write_text("whatever")
    report = verify(folder)
    found = signature_of(report.checks)
    assert (report.holds, report.authentic, found.status) == (True, False, Status.NOT_CHECKED)
    assert "release.sig stands beside: give --public-key" in found.detail


@pytest.mark.parametrize(
    "program",
    [
        None,
        "#!{python}\nimport OpenSSL_is_missing\n",
        "#!{python}\nraise SystemExit(2)\n",
        "#!/no/such/interpreter\n",
    ],
)
def test_a_tool_that_cannot_judge_is_no_judgement(
    folder: Path, key: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, program: str | None
) -> None:
    """Not installed, broken, or failing in another way: this machine cannot do it, and how to repair it."""
    monkeypatch.setenv("PATH", str(tmp_path / "nothing"))
    if program is not None:
        install(tmp_path / "programs", monkeypatch, program)
    sign(folder, key)
    with pytest.raises(MachineError) as caught:
        verify(folder, public_key=key)
    assert "pip install model-signing pyopenssl" in caught.value.advice
    assert "model_signing" in caught.value.message


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, "No such file"),
        ("-----BEGIN EC PRIVATE KEY-----", "is a private key"),
        ("ssh-ed25519 AAAA", "not a public key in PEM form"),
        ("", "not a public key in PEM form"),
    ],
)
@pytest.mark.usefixtures("fake")
def test_what_is_no_public_key_is_refused(folder: Path, tmp_path: Path, content: str | None, words: str) -> None:
    """One sentence, before anything is read."""
    path = tmp_path / "key"
    if content is not None:
        path.write_text(content)
    with pytest.raises(OptionError, match=words):
        verify(folder, public_key=path)


def test_neither_file_nor_variable_sets_what_is_trusted(
    folder: Path, key: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A pull request must not bring its own key, or the digest that it expects of itself."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COMPRESS_PUBLIC_KEY", str(key))
    assert run(["verify", str(folder), "--quiet"]) == 0
    for line in (f'public-key = "{key}"', f'expect-digest = "{"0" * 64}"'):
        (tmp_path / "compress.toml").write_text(f"[verify]\n{line}\n")
        assert run(["verify", str(folder), "--quiet"]) == 2
        assert line.split(" =")[0] in capsys.readouterr().err


def test_the_docs_verify_with_options_that_exist() -> None:
    """Also where the real tool is not at hand."""
    (line,) = re.findall(r"^\$ (compress .*)$", DOCS, flags=re.MULTILINE)
    assert shlex.split(line) == ["compress", "verify", "BUNDLE", "--public-key", "release.pub"]
    assert f"pip install {INSTALL.rpartition('pip install ')[2]}" in DOCS


@pytest.mark.skipif(
    shutil.which("model_signing") is None or shutil.which("openssl") is None,
    reason="model_signing is not on the PATH: docs/signing.md says how to install it",
)
def test_the_commands_in_the_docs_sign_and_verify(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The real tool, as documented: a key, a signature, compress verify, verification without compress."""
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(r"```console\n(.*?)```", DOCS, flags=re.DOTALL)
    lines = [line.removeprefix("$ ").replace("BUNDLE", folder.name) for block in blocks for line in block.splitlines()]
    ours = [line for line in lines if line.startswith(("openssl", "model_signing", "compress", "cd "))]
    assert len(ours) == 6
    for line in ours:
        if line.startswith("compress"):
            assert run([*shlex.split(line)[1:], "--quiet"]) == 0
            assert "signed by release.pub" in capsys.readouterr().out
        else:
            subprocess.run(line, shell=True, check=True, cwd=folder.parent, env=dict(os.environ), timeout=60)
    signed = json.loads((folder / "release.sig").read_text())["dsseEnvelope"]["payload"]
    (resource,) = json.loads(b64decode(signed))["predicate"]["resources"]
    assert resource["digest"] == verify(folder).digest
    (folder / "labels.txt").write_text("other")
    (folder / "release.sig").rename(tmp_path / "kept.sig")
    fresh_sums(folder)
    (tmp_path / "kept.sig").rename(folder / "release.sig")
    assert run(["verify", folder.name, "--public-key", "release.pub", "--quiet"]) == 3
