"""Let somebody halve the network, and measure the file that comes out."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import nn

from benchmarks.battery_row import packed
from benchmarks.peers.images import PREPROCESS, test_images
from benchmarks.peers.lines import lines_of_code
from benchmarks.peers.onnx_cost import file_cost
from benchmarks.peers.parts import TRAINING, Part
from benchmarks.peers.processes import finished
from benchmarks.rows import ROOT
from compressor.bench.latency import bench
from compressor.data import Normalised
from compressor.records import to_plain
from compressor.runtime.session import open_session

PAUSE_SECONDS = 0.002
"""Idle time before each run, as in the other latency benchmarks."""
CHUNK = 250

Fields = dict[str, Any]


def slimmed(part: Part, *, python: Path, checkpoint: Path, data: Path, work: Path) -> Fields:
    """Run the script of a part, and measure what it wrote.

    Args:
        part: whose script.
        python: the environment's.
        checkpoint: the trained network.
        data: folder with train/, val/ and test/; scripts never look at test/.
        work: where files of all parts lie; `ours` must be there before the others.
    """
    folder = work / part.name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    run = finished(
        [*command(part, python), str(checkpoint), str(data), str(folder)],
        folder=folder,
        environment=environment(work),
    )
    row: Fields = {
        "lines": lines_of_code(part.path),
        "lines_of_training": 0 if part.is_ours else sum(lines_of_code(ROOT / place) for place in TRAINING),
        "seconds": run.seconds,
        "wall_seconds": run.wall_seconds,
    }
    if not run.is_done:
        return row | {"failed": run.last_words}
    file = file_of(part.name, work)
    return row | measured(file, data, is_normalised=not part.normalises, against=file_of("ours", work))


def measured(file: Path, data: Path, *, is_normalised: bool, against: Path) -> Fields:
    """Return cost, test accuracy and latency of a file: the one look at the test images."""
    latency = bench(file, against=None if file == against else against, pause_seconds=PAUSE_SECONDS)
    right = answers_right(file, data, is_normalised=is_normalised)
    return {
        "cost": to_plain(file_cost(file)),
        "test_accuracy": float(right.mean()),
        "num_test": len(right),
        "right": packed(right),
        "latency": to_plain(latency),
    }


def answers_right(file: Path, data: Path, *, is_normalised: bool) -> NDArray[np.bool_]:
    """Return which test images a file answers right: (N,) bool."""
    session, images = open_session(file), test_images(data)
    # A file that normalises by itself takes images in [0, 1].
    prepare = nn.Identity() if is_normalised else Normalised(nn.Identity(), PREPROCESS)
    parts = []
    for start in range(0, len(images), CHUNK):
        pixels = images.read(range(start, min(start + CHUNK, len(images))))
        parts.append(session.run(prepare(pixels).numpy()).argmax(1))
    return np.asarray(np.concatenate(parts) == images.labels, dtype=np.bool_)


def file_of(name: str, work: Path) -> Path:
    """Return the model file that a part wrote."""
    return next(iter(sorted((work / name).glob("**/model.onnx"))), work / name / "model.onnx")


def command(part: Part, python: Path) -> list[str]:
    """Return what starts a script."""
    if part.is_ours:
        return ["bash", str(part.path)]
    return [str(python), "-m", f"benchmarks.peers.scripts.{part.path.stem}"]


def environment(work: Path) -> dict[str, str]:
    """Return variables under which `compress` is the one of this working copy."""
    shim = work / "bin" / "compress"
    shim.parent.mkdir(parents=True, exist_ok=True)
    shim.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m cli "$@"\n')
    shim.chmod(0o755)
    return {"PYTHONPATH": str(ROOT), "PATH": f"{shim.parent}{os.pathsep}{os.environ.get('PATH', '')}"}


def installed(python: Path, packages: tuple[str, ...]) -> dict[str, str]:
    """Return the versions in an environment; what it lacks is left out."""
    code = (
        "import importlib.metadata as m, json, sys\n"
        "found = {d.metadata['Name'].lower().replace('_', '-'): d.version for d in reversed(list(m.distributions()))}\n"
        "print(json.dumps({name: found[name] for name in sys.argv[1:] if name in found}))\n"
    )
    return dict(json.loads(subprocess.check_output([str(python), "-c", code, *packages])))
