"""replay.py in an environment that really has nothing but numpy and onnxruntime: a venv, no import blocked."""

import os
import re
import subprocess
import sys
import venv
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

import pytest
from replaying import NOT_THERE

from compressor.bundle import write_bundle
from compressor.runtime.providers import installed_distributions

pytestmark = [pytest.mark.slow, pytest.mark.skipif(os.name != "posix", reason="links between environments")]


def needed(name: str, found: set[str] | None = None) -> set[str]:
    """Return a distribution and what it needs without extras, as far as it is installed."""
    found = set() if found is None else found
    if name in found:
        return found
    try:
        requires = distribution(name).requires or []
    except PackageNotFoundError:
        return found
    found.add(name)
    for line in requires:
        if "extra ==" not in line:
            needed(re.split(r"[^A-Za-z0-9._-]", line)[0], found)
    return found


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the interpreter of a fresh environment: numpy and onnxruntime linked in, nothing else."""
    place = tmp_path_factory.mktemp("target") / "env"
    venv.create(place, with_pip=False, symlinks=True)
    packages = next((place / "lib").glob("python*")) / "site-packages"
    names = set.union(*(needed(name) for name in ("numpy", *installed_distributions())))
    for name in names:
        for file in distribution(name).files or ():
            top = file.parts[0]
            if top not in ("..", "__pycache__") and not (packages / top).exists():
                (packages / top).symlink_to(distribution(name).locate_file(top))
    return place / "bin" / "python"


def run(python: Path, *arguments: object) -> subprocess.CompletedProcess[str]:
    """Run this interpreter and no environment variable of ours."""
    environment = {key: value for key, value in os.environ.items() if not key.startswith("PYTHON")}
    command = [str(python), *(str(each) for each in arguments)]
    return subprocess.run(
        command, cwd=python.parent, env=environment, capture_output=True, text=True, timeout=120, check=False
    )


def test_nothing_of_ours_is_there(python: Path) -> None:
    """Neither torch nor compress can be imported; numpy and onnxruntime can."""
    for name in NOT_THERE:
        assert run(python, "-c", f"import {name}").returncode == 1, name
    done = run(python, "-c", "import numpy, onnxruntime, sys; print(sys.prefix)")
    assert done.stdout.strip() == str(python.parents[1]) != sys.prefix, done.stderr


def test_a_real_bundle_is_replayed(python: Path, honest: dict[str, bytes], tmp_path: Path) -> None:
    """All checks, on a real network; both records are written; a changed byte is noticed."""
    bundle = write_bundle(tmp_path, "tiny", honest, rejected=False, force=False)
    done = run(python, bundle / "replay.py", "--batch", 1, 8, "--runs", 20, "--output", tmp_path / "results")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "ok     parity" in done.stdout
    assert "ok     adversarial images: 0 of" in done.stdout
    assert sorted(path.name for path in (tmp_path / "results").iterdir()) == ["latency.json", "parity.json"]
    (bundle / "labels.txt").write_text("other")
    assert run(python, bundle / "replay.py").returncode == 3
