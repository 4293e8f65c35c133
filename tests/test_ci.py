"""The gate's steps of action.yml and of ci/gitlab.yml, taken from the files and run by bash on a real small bundle."""

import os
import shutil
import subprocess
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from action import ACTION, JOBS, ROOT, STEPS, install, sh, stand_in, step
from real_bundle import LOOSE, STRICT

from compressor.bundle import write_bundle

JOB = JOBS["compress-gate"]
OPEN = LOOSE + '[[latency]]\nprovider = "cuda"\nmax_p50_ms = 5.0\n'
VERDICTS = {"passed": (LOOSE, 0), "failed": (STRICT, 3), "undecided": (OPEN, 4)}
"""A policy for each verdict, and its exit code."""
NO_INDEX = ("Connection", "No matching distribution found for typer", "Temporary failure in name resolution")
COMMENTS = """for word in "$@"; do echo "$word"; done >> "{said}"
case "$*" in *--paginate*) cat "{known}" ;; *body=@*) cp "$RUNNER_TEMP/comment.md" "{body}" ;; esac
"""
"""GitHub's own program: notes what it is asked for, tells which comments there are, keeps what is posted."""


@pytest.fixture
def checkout(tmp_path: Path, honest: dict[str, bytes]) -> Path:
    """Return a folder with a bundle, and a place for what runners keep outside of it."""
    (tmp_path / "runner").mkdir()
    here = tmp_path / "check out"
    bundle = write_bundle(here / "exports", "tiny", honest, rejected=False, force=False)
    bundle.rename(here / "exports" / "resnet20-1a2b3c4d")
    return here


def _told(page: Path) -> list[str]:
    """Return the verdict and its conditions; how to make it again differs."""
    return [line for line in page.read_text().splitlines() if line.startswith(("## ", "- "))]


def test_steps_take_what_is_given_from_variables() -> None:
    """Text of a pull request that stood in a script would be run: scripts hold no expressions, and name their shell."""
    scripts = [each for each in STEPS.values() if "run" in each]
    assert [each["name"] for each in scripts] == ["Install compress", "Judge", "Verify", "Release", "Comment the table"]
    for each in scripts:
        assert each["shell"] == "bash"
        assert "${{" not in each["run"]
    assert STEPS["Keep the verdict"]["if"] == "always()"


def test_every_input_is_used() -> None:
    """An input that no step reads would promise something."""
    used = (ROOT / "action.yml").read_text()
    for name in ACTION["inputs"]:
        assert f"inputs.{name} " in used or f"inputs.{name}}}" in used
        assert "required" in ACTION["inputs"][name] or "default" in ACTION["inputs"][name]


@pytest.mark.slow
@pytest.mark.parametrize("verdict", VERDICTS)
def test_the_action_judges(verdict: str, checkout: Path) -> None:
    """The step ends with the gate's code; summary, JUnit, JSON and Markdown tell the same verdict."""
    policy, code = VERDICTS[verdict]
    (checkout / "my policy.toml").write_text(policy)
    install(checkout.parent / "runner" / "compress" / "bin" / "compress")
    evidence = " exports/resnet20-*\n exports/rejected/resnet20-*\n"
    done = step("Judge", checkout, EVIDENCE=evidence, POLICY="my policy.toml", OUTPUT="verdict")
    assert done.returncode == code, done.stderr
    assert done.stdout.startswith(verdict.upper())
    runner = checkout.parent / "runner"
    assert (runner / "output").read_text() == f"exit-code={code}\n"
    shown, kept = _told(runner / "summary.md"), _told(checkout / "verdict" / "verdict.md")
    assert shown == kept
    assert shown[0].startswith(f"## {verdict.upper()}: ")
    assert len(shown) >= 2
    assert f'"decision": "{verdict}"' in (checkout / "verdict" / "verdict.json").read_text()
    suite = ET.fromstring((checkout / "verdict" / "verdict.xml").read_bytes())
    assert len(suite.findall(".//failure")) == (verdict == "failed")
    assert len(suite.findall(".//error")) == (verdict == "undecided")


@pytest.mark.slow
def test_the_action_blocks_where_nothing_can_be_judged(checkout: Path) -> None:
    """A policy that is not there is 2, and no verdict of an earlier run is left to be read as this one's."""
    program = str(install(checkout.parent / "elsewhere" / "compress"))
    evidence = "exports/resnet20-1a2b3c4d"
    done = step("Judge", checkout, PROGRAM=program, EVIDENCE=evidence, POLICY="no.toml", OUTPUT="verdict")
    assert done.returncode == 2
    assert done.stderr.count("error: ") == 1
    assert not (checkout / "verdict").exists()


def comment(tmp_path: Path, *, known: str = "", verdict: str = "") -> tuple[list[str], str]:
    """Run the step that comments; return the words that GitHub's program was called with, and what it was to post."""
    checkout, body = tmp_path / "checkout", tmp_path / "body"
    for folder in (checkout / "verdict", tmp_path / "runner"):
        folder.mkdir(parents=True)
    (tmp_path / "known").write_text(known)
    if verdict:
        (checkout / "verdict" / "verdict.md").write_text(verdict)
    said = tmp_path / "said"
    program = COMMENTS.format(said=said, known=tmp_path / "known", body=body)
    path = f"{stand_in(tmp_path / 'bin' / 'gh', program).parent}:{os.environ['PATH']}"
    done = step(
        "Comment the table",
        checkout,
        PATH=path,
        COMMENTS="issues/7/comments",
        COMMENT="issues/comments",
        ARTIFACT="compress-verdict",
        OUTPUT="verdict",
    )
    assert done.returncode == 0, done.stderr
    return said.read_text().splitlines(), body.read_text() if body.exists() else ""


def test_the_table_is_commented_once(tmp_path: Path) -> None:
    """The first run posts; the step looks for a comment of a bot that begins with this action's mark."""
    words, body = comment(tmp_path, verdict="| a table |\n")
    assert words[:3] == ["api", "--paginate", "issues/7/comments"]
    assert "startswith(env.mark)" in words[4]
    assert words[words.index("--method") + 1 :][:2] == ["POST", "issues/7/comments"]
    assert body == "<!-- compress: compress-verdict -->\n| a table |\n"


def test_a_later_run_writes_its_comment_anew(tmp_path: Path) -> None:
    """The last of those that are known, by its number."""
    words, body = comment(tmp_path, known="11\n12\n", verdict="| a table |\n")
    assert words[words.index("--method") + 1 :][:2] == ["PATCH", "issues/comments/12"]
    assert body.endswith("| a table |\n")


def test_a_run_that_judged_nothing_leaves_no_old_verdict(tmp_path: Path) -> None:
    """What an earlier run commented would be read as this one's; without such a comment there is nothing to say."""
    words, body = comment(tmp_path / "after", known="12\n")
    assert "PATCH" in words
    assert "Nothing was judged" in body
    words, body = comment(tmp_path / "first")
    assert "--method" not in words
    assert body == ""


@pytest.mark.slow
def test_the_action_installs_a_gate_without_torch(checkout: Path) -> None:
    """Into a fresh environment, by pip, as on a runner; what is installed judges."""
    source = checkout.parent / "source"  # pip builds in place
    for part in ("compressor", "cli"):
        shutil.copytree(ROOT / part, source / part)
    for part in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / part, source)
    done = step("Install compress", checkout, RUN="gate", SOURCE=str(source))
    if done.returncode and any(words in done.stderr for words in NO_INDEX):
        pytest.skip("pip reaches no index here")
    assert done.returncode == 0, done.stderr
    python = checkout.parent / "runner" / "compress" / "bin" / "python"
    lacks = "import importlib.util as u; assert not u.find_spec('torch') and not u.find_spec('numpy')"
    assert subprocess.run([python, "-c", lacks], check=False).returncode == 0
    (checkout / "policy.toml").write_text(STRICT)
    done = step("Judge", checkout, EVIDENCE="exports/resnet20-1a2b3c4d", POLICY="policy.toml", OUTPUT="verdict")
    assert (done.returncode, done.stdout[:6]) == (3, "FAILED")


@pytest.mark.slow
@pytest.mark.parametrize("verdict", VERDICTS)
def test_the_gitlab_job_judges(verdict: str, checkout: Path) -> None:
    """Its script but for the installation, with its own variables, line by line in one shell as GitLab does."""
    policy, code = VERDICTS[verdict]
    (checkout / "policy.toml").write_text(policy)
    install(checkout / ".gate" / "bin" / "compress")
    script = [line for line in JOB["script"] if "venv" not in line and "pip" not in line]
    assert len(script) == 3
    done = sh("\n".join(script), checkout, **JOB["variables"])
    assert done.returncode == code, done.stderr
    assert done.stdout.startswith(verdict.upper())
    assert ET.parse(checkout / JOB["artifacts"]["reports"]["junit"]).getroot().tag == "testsuites"
