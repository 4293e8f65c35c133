"""The steps of action.yml and of ci/gitlab.yml, taken from the files and run by bash on a real small bundle."""

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest
import yaml
from real_bundle import LOOSE, STRICT

from compressor.bundle import write_bundle

ROOT = Path(__file__).resolve().parents[1]
ACTION = yaml.safe_load((ROOT / "action.yml").read_text())
STEPS: dict[str, dict[str, Any]] = {step["name"]: step for step in ACTION["runs"]["steps"]}
JOB = yaml.safe_load((ROOT / "ci" / "gitlab.yml").read_text())["compress-gate"]
OPEN = LOOSE + '[[latency]]\nprovider = "cuda"\nmax_p50_ms = 5.0\n'
VERDICTS = {"passed": (LOOSE, 0), "failed": (STRICT, 3), "undecided": (OPEN, 4)}
"""A policy for each verdict, and its exit code."""
BASH = ("bash", "--noprofile", "--norc", "-e", "-o", "pipefail", "-c")
"""As GitHub starts `shell: bash`."""
NO_INDEX = ("Connection", "No matching distribution found for typer", "Temporary failure in name resolution")


@pytest.fixture
def checkout(tmp_path: Path, honest: dict[str, bytes]) -> Path:
    """Return a folder with a bundle, and a place for what runners keep outside of it."""
    (tmp_path / "runner").mkdir()
    here = tmp_path / "check out"
    bundle = write_bundle(here / "exports", "tiny", honest, rejected=False, force=False)
    bundle.rename(here / "exports" / "resnet20-1a2b3c4d")
    return here


def install(checkout: Path, folder: Path) -> None:
    """Put a `compress` of this very checkout where a step expects the installed one."""
    program = folder / "bin" / "compress"
    program.parent.mkdir(parents=True)
    program.write_text(f'#!/bin/sh\nPYTHONPATH="{ROOT}" exec "{sys.executable}" -m cli "$@"\n')
    program.chmod(0o755)


def sh(script: str, checkout: Path, *, shell: tuple[str, ...] = BASH, **variables: str) -> subprocess.CompletedProcess:
    """Run a script as a runner does, in the checkout."""
    runner = checkout.parent / "runner"
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("GITHUB_", "COMPRESS_"))}
    environment |= {
        "RUNNER_TEMP": str(runner),
        "GITHUB_OUTPUT": str(runner / "output"),
        "GITHUB_STEP_SUMMARY": str(runner / "summary.md"),
        **variables,
    }
    return subprocess.run([*shell, script], cwd=checkout, env=environment, capture_output=True, text=True, check=False)


def _told(page: Path) -> list[str]:
    """Return the verdict and its conditions; how to make it again differs."""
    return [line for line in page.read_text().splitlines() if line.startswith(("## ", "- "))]


def test_steps_take_what_is_given_from_variables() -> None:
    """Text of a pull request that stood in a script would be run: scripts hold no expressions, and name their shell."""
    scripts = [step for step in STEPS.values() if "run" in step]
    assert [step["name"] for step in scripts] == ["Install the gate", "Judge", "Comment the table"]
    for step in scripts:
        assert step["shell"] == "bash"
        assert "${{" not in step["run"]
    assert STEPS["Keep the verdict"]["if"] == "always()"


def test_every_input_is_used() -> None:
    """An input that no step reads would promise something."""
    used = (ROOT / "action.yml").read_text()
    for name in ACTION["inputs"]:
        assert f"inputs.{name} " in used or f"inputs.{name}}}" in used


@pytest.mark.slow
@pytest.mark.parametrize("verdict", VERDICTS)
def test_the_action_judges(verdict: str, checkout: Path) -> None:
    """The step ends with the gate's code; summary, JUnit, JSON and Markdown tell the same verdict."""
    policy, code = VERDICTS[verdict]
    (checkout / "my policy.toml").write_text(policy)
    install(checkout, checkout.parent / "runner" / "compress")
    evidence = " exports/resnet20-*\n exports/rejected/resnet20-*\n"
    done = sh(STEPS["Judge"]["run"], checkout, EVIDENCE=evidence, POLICY="my policy.toml", OUTPUT="verdict")
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
    install(checkout, checkout.parent / "runner" / "compress")
    done = sh(STEPS["Judge"]["run"], checkout, EVIDENCE="exports/resnet20-1a2b3c4d", POLICY="no.toml", OUTPUT="verdict")
    assert done.returncode == 2
    assert done.stderr.count("error: ") == 1
    assert not (checkout / "verdict").exists()


def test_the_table_is_commented(tmp_path: Path) -> None:
    """The step hands the Markdown to GitHub's own program; without one there is nothing to say."""
    checkout, said = tmp_path / "checkout", tmp_path / "said"
    (checkout / "verdict").mkdir(parents=True)
    program = tmp_path / "bin" / "gh"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\necho "$@" > "{said}"\n')
    program.chmod(0o755)
    path = f"{program.parent}:{os.environ['PATH']}"
    step = STEPS["Comment the table"]["run"]
    assert sh(step, checkout, PATH=path, PULL_REQUEST="pull/7", OUTPUT="verdict").returncode == 0
    assert not said.exists()
    (checkout / "verdict" / "verdict.md").write_text("| a table |\n")
    assert sh(step, checkout, PATH=path, PULL_REQUEST="pull/7", OUTPUT="verdict").returncode == 0
    assert said.read_text() == "pr comment pull/7 --body-file verdict/verdict.md\n"


@pytest.mark.slow
def test_the_action_installs_a_gate_without_torch(checkout: Path) -> None:
    """Into a fresh environment, by pip, as on a runner; what is installed judges."""
    source = checkout.parent / "source"  # pip builds in place
    for part in ("compressor", "cli"):
        shutil.copytree(ROOT / part, source / part)
    for part in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / part, source)
    done = sh(STEPS["Install the gate"]["run"], checkout, PYTHON=sys.executable, SOURCE=str(source))
    if done.returncode and any(words in done.stderr for words in NO_INDEX):
        pytest.skip("pip reaches no index here")
    assert done.returncode == 0, done.stderr
    python = checkout.parent / "runner" / "compress" / "bin" / "python"
    lacks = "import importlib.util as u; assert not u.find_spec('torch') and not u.find_spec('numpy')"
    assert subprocess.run([python, "-c", lacks], check=False).returncode == 0
    (checkout / "policy.toml").write_text(STRICT)
    done = sh(
        STEPS["Judge"]["run"], checkout, EVIDENCE="exports/resnet20-1a2b3c4d", POLICY="policy.toml", OUTPUT="verdict"
    )
    assert (done.returncode, done.stdout[:6]) == (3, "FAILED")


@pytest.mark.slow
@pytest.mark.parametrize("verdict", VERDICTS)
def test_the_gitlab_job_judges(verdict: str, checkout: Path) -> None:
    """Its script but for the installation, with its own variables, line by line in one shell as GitLab does."""
    policy, code = VERDICTS[verdict]
    (checkout / "policy.toml").write_text(policy)
    install(checkout, checkout / ".gate")
    script = [line for line in JOB["script"] if "venv" not in line and "pip" not in line]
    assert len(script) == 3
    done = sh("\n".join(script), checkout, **JOB["variables"])
    assert done.returncode == code, done.stderr
    assert done.stdout.startswith(verdict.upper())
    assert ET.parse(checkout / JOB["artifacts"]["reports"]["junit"]).getroot().tag == "testsuites"
