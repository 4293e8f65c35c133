"""Attack our slim network by torchattacks' scripts and by our batteries, in turns, on the same images."""

import shutil
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.battery_row import packed
from benchmarks.peers.lines import lines_of_code
from benchmarks.peers.parts import THREAT, Part
from benchmarks.peers.processes import finished
from benchmarks.peers.slimming import command, environment
from compressor.archive import read_npz

Fields = dict[str, Any]


def attacked(part: Part, *, python: Path, slim: Path, images: Path, work: Path) -> Fields:
    """Run one attacker once: what stands, and its time from start to end.

    Args:
        part: who attacks.
        python: the environment's, where it is torchattacks.
        slim: the slim checkpoint.
        images: an npz file with `x_test` and `y_test`.
        work: where files of all parts lie.
    """
    folder = work / "attacks" / part.name.replace(" ", "-")
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    battery = [part.name] if part.is_ours else []
    run = finished(
        [*command(part, python), str(slim), str(images), str(folder), *battery],
        folder=folder,
        environment=environment(work),
    )
    if not run.is_done:
        raise RuntimeError(f"{part.name}: {run.last_words}, see {folder / 'log.txt'}")
    stands = stands_of_ours(folder) if part.is_ours else np.load(folder / "stands.npy")
    return {
        "lines": lines_of_code(part.path),
        "threat": THREAT,
        "num_images": len(stands),
        "stands": packed(stands),
        "num_standing": int(stands.sum()),
        "seconds": run.seconds,
        "wall_seconds": run.wall_seconds,
    }


def stands_of_ours(folder: Path) -> NDArray[np.bool_]:
    """Return which images withstood: (N,) bool, in the order of the images given."""
    arrays = read_npz((folder / "outcomes.npz").read_bytes())
    order = np.argsort([int(name.split("/")[-1].split(":")[-1]) for name in arrays["names"].tolist()])
    broken = arrays["slim_broken"][list(arrays["threats"]).index(THREAT)]
    return np.asarray(broken[order] == -1, dtype=np.bool_)
