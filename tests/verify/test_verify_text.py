"""What `compress verify` shows: lines of a terminal, and the next command, which exists."""

import shlex
from dataclasses import replace
from pathlib import Path

import pytest

from cli.app import COMMANDS, run
from cli.verified import as_text, next_command
from compressor.bundle import names
from compressor.bundle.names import SUMS, bundle_digest
from compressor.types import Decision
from compressor.verify import Check, Status, VerifyReport

FINE = VerifyReport(
    bundle="exports/net-1a2b3c4d",
    digest="a" * 64,
    decision=Decision.PASSED,
    demanded=None,
    authentic=False,
    holds=True,
    checks=(
        Check(name="digests", status=Status.RECOMPUTED, detail="all files are the listed ones"),
        Check(name="data", status=Status.NOT_CHECKED, detail="no --data was given"),
        Check(name="recheck", status=Status.NOT_CHECKED, detail="no --data was given"),
    ),
    conclusion="consistent, not authentic; its own verdict is passed",
)


def broken(name: str) -> VerifyReport:
    """Return a report with one contradiction."""
    check = Check(name=name, status=Status.CONTRADICTED, detail="something else " * 20)
    return replace(FINE, holds=False, checks=(*FINE.checks, check), conclusion=f"does not hold: {name}")


def rechecked() -> VerifyReport:
    """Return a report in which nothing was left out."""
    checks = tuple(replace(each, status=Status.RECOMPUTED) for each in FINE.checks)
    return replace(FINE, authentic=True, checks=checks)


@pytest.mark.parametrize(
    ("report", "command"),
    [
        (FINE, "compress verify exports/net-1a2b3c4d --expect-digest DIGEST"),
        (replace(FINE, authentic=True), "compress verify exports/net-1a2b3c4d --data DATA --recheck 50"),
        (replace(FINE, decision=None), "compress certify exports/net-1a2b3c4d --data DATA --threat linf:2/255"),
        (broken("outcomes"), "compress verify FRESH_COPY --expect-digest DIGEST"),
        (broken("your policy"), "compress gate exports/net-1a2b3c4d --policy mine.toml"),
        (rechecked(), "python exports/net-1a2b3c4d/replay.py    (on the machine that will run it)"),
    ],
)
def test_the_next_command_fits_what_was_found(report: VerifyReport, command: str) -> None:
    """It names a command that exists, and stands last."""
    assert next_command(report, Path("mine.toml")) == command
    assert as_text(report, policy=Path("mine.toml")).splitlines()[-1] == f"next: {command}"
    assert shlex.split(command)[0] == "python" or shlex.split(command)[1] in COMMANDS


def test_checks_that_were_left_out_for_one_reason_are_one_paragraph() -> None:
    """The reason is said once."""
    text = as_text(FINE, policy=None)
    assert text.count("no --data was given") == 1
    assert "not checked   data, recheck\n" in text


def test_no_line_is_wider_than_a_terminal(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Held or not, with a digest, a policy and images: 80 columns."""
    monkeypatch.chdir(folder.parent)
    Path("strict.toml").write_bytes((folder / names.POLICY).read_bytes().replace(b"0.3", b"0.99"))
    digest = bundle_digest((folder / SUMS).read_bytes())
    for options, code in (
        (("--expect-digest", digest, "--data", "digits"), 0),
        (("--policy", "strict.toml", "--expect-digest", "0" * 64), 3),
    ):
        assert run(["verify", folder.name, *options, "--quiet"]) == code
        assert max(len(line) for line in capsys.readouterr().out.splitlines()) <= 80
    for name in (names.CERTIFICATE, names.MODEL, names.LABELS):
        (folder / name).write_text("other")
    assert run(["verify", folder.name, "--quiet"]) == 3
    assert max(len(line) for line in capsys.readouterr().out.splitlines()) <= 80
