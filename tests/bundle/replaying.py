"""Run a bundle's replay.py alone: torch and compress out of reach by an import that refuses them."""

import subprocess
import sys
from pathlib import Path

import numpy as np

ALONE = """
import sys, runpy

class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {blocked!r}:
            raise ImportError(name + " is not installed here")

sys.meta_path.insert(0, Blocked())
sys.path.append({packages!r})
sys.argv = {argv!r}
runpy.run_path(sys.argv[0], run_name="__main__")
"""
NOT_THERE = ("torch", "compressor", "cli", "onnx", "scipy", "pydantic", "sklearn")


def replay(folder: Path, *options: str, blocked: tuple[str, ...] = NOT_THERE) -> subprocess.CompletedProcess[str]:
    """Run the bundle's replay.py in an isolated interpreter, in another folder."""
    packages = str(Path(np.__file__).parents[1])
    code = ALONE.format(blocked=blocked, packages=packages, argv=[str(folder / "replay.py"), *options])
    command = [sys.executable, "-I", "-S", "-W", "error", "-c", code]
    return subprocess.run(command, cwd=folder.parent, capture_output=True, text=True, timeout=120, check=False)
