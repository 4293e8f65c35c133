"""The steps of action.yml and the jobs of ci/gitlab.yml, and bash as their runners start it."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[1]
ACTION = yaml.safe_load((ROOT / "action.yml").read_text())
STEPS: dict[str, dict[str, Any]] = {step["name"]: step for step in ACTION["runs"]["steps"]}
JOBS = yaml.safe_load((ROOT / "ci" / "gitlab.yml").read_text())
BASH = ("bash", "--noprofile", "--norc", "-e", "-o", "pipefail", "-c")
"""As GitHub starts `shell: bash`."""


def install(program: Path) -> Path:
    """Put a `compress` of this very checkout where a step expects the installed one."""
    program.parent.mkdir(parents=True, exist_ok=True)
    program.write_text(f'#!/bin/sh\nPYTHONPATH="{ROOT}" exec "{sys.executable}" -m cli "$@"\n')
    program.chmod(0o755)
    return program


def stand_in(program: Path, script: str) -> Path:
    """Put a program of a few lines of sh somewhere."""
    program.parent.mkdir(parents=True, exist_ok=True)
    program.write_text(f"#!/bin/sh\n{script}")
    program.chmod(0o755)
    return program


def sh(script: str, checkout: Path, *, shell: tuple[str, ...] = BASH, **variables: str) -> subprocess.CompletedProcess:
    """Run a script as a runner does, in the checkout; what runners keep outside of it is `runner` beside it."""
    runner = checkout.parent / "runner"
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("GITHUB_", "COMPRESS_"))}
    environment |= {
        "RUNNER_TEMP": str(runner),
        "GITHUB_OUTPUT": str(runner / "output"),
        "GITHUB_STEP_SUMMARY": str(runner / "summary.md"),
        "OMP_NUM_THREADS": "1",
        **variables,
    }
    return subprocess.run([*shell, script], cwd=checkout, env=environment, capture_output=True, text=True, check=False)


def step(name: str, checkout: Path, **variables: str) -> subprocess.CompletedProcess:
    """Run one step of the action. Inputs that are not named are empty, as where a workflow leaves them out."""
    unnamed = {variable: "" for variable, value in STEPS[name]["env"].items() if "inputs." in value}
    return sh(STEPS[name]["run"], checkout, **unnamed | {"PYTHON": sys.executable} | variables)
