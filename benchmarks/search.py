"""The search on the demo's model beside an exhaustive grid: who finds the smaller model that passes, and at what work.

    python -m benchmarks.search --seeds 0 1 2 --output benchmarks/results

The grid is 40 candidates, five ratios times filters or both times four criteria, each with the full recipe, attacked
and judged on select images as the search judges. Nothing is released, so no test image is read. Work is counted as
training images seen, attack passes and seconds of processor time. Each seed is a network of its own; rows of other
seeds are kept as they were measured.
"""

import argparse
import json
import os
import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from importlib.resources import files
from pathlib import Path
from typing import Any

from benchmarks.rows import write_rows
from compressor.demo import train_digits
from compressor.demo.route import TUNING
from compressor.progress import SILENT
from compressor.prune import Plan
from compressor.search.exploring import explore
from compressor.search.heat import hold_heat
from compressor.search.planner import Planner
from compressor.search.record import Candidate, Profile, Standing, Trial
from compressor.search.site import Site, began, open_site
from compressor.search.space import CRITERIA, space_of
from compressor.search.wanted import Wanted
from compressor.search.winner import best_of
from compressor.shrink import choose
from compressor.task import Cut, Place, Task
from compressor.types import Minimise, Structure

RATIOS = (0.4, 0.5, 0.6, 0.7, 0.8)
STRUCTURES = (Structure.FILTERS, Structure.BOTH)
NUM_TRIALS = 9
"""Heats, each with one candidate that has the full recipe: with what is looked at, a quarter of the grid's training."""

PARTS = ("search", "grid")
WHOLE = ("full", "attack")
"""What the grid does of each candidate; the examinations before are the search's own."""


class GridPlanner(Planner):
    """Plans by ratio, as a person would go through them."""

    def plan(self, candidate: Candidate) -> Plan:
        """Return the cut of a ratio, which stands in the place of the amount."""
        cut = replace(
            self._template, ratio=candidate.amount, structure=candidate.structure, criterion=candidate.criterion
        )
        return choose(self._dense, cut=cut, data=self._data, seed=self._seed)


def main() -> None:
    """Run both, and write one file of rows."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--trials", type=int, default=NUM_TRIALS)
    parser.add_argument("--part", choices=PARTS, help="only this one")
    options = parser.parse_args()
    path = options.output / "search.json"
    known = json.loads(path.read_bytes())["rows"] if path.is_file() else []
    found = {(row["settings"]["seed"], row["part"]): row for row in known}
    for seed in options.seeds:
        for part in PARTS if options.part is None else (options.part,):
            with tempfile.TemporaryDirectory() as folder:
                found[seed, part] = measured(Path(folder), part, seed=seed, num_trials=options.trials)
            print(found[seed, part], flush=True)
            write_rows(path, [found[each] for each in sorted(found, key=lambda key: (key[0], PARTS.index(key[1])))])


def measured(here: Path, part: str, *, seed: int, num_trials: int) -> dict[str, Any]:
    """Train the network of a seed and go one of the two ways."""
    checkpoint, policy = here / "digits.safetensors", here / "policy.toml"
    train_digits(checkpoint, seed=seed)
    policy.write_bytes((files("compressor.demo") / "policy.toml").read_bytes())
    task = Task(
        data="digits",
        policy=policy,
        cut=Cut(),
        recipe=replace(TUNING, seed=seed),
        num_images=300,
        seed=seed,
        place=Place(work_dir=here / part),
    )
    begun = time.monotonic()
    site = open_site(checkpoint, task, Wanted(minimise=Minimise.MACS, num_trials=num_trials), begun=began())
    trials = searched(site) if part == "search" else gone_through(site, task)
    site.study.close()
    return row(part, trials, time.monotonic() - begun, seed=seed)


def searched(site: Site) -> Sequence[Trial]:
    """Search."""
    explore(site)
    return site.study.trials()


def gone_through(site: Site, task: Task) -> Sequence[Trial]:
    """Go through the grid, each candidate to its end."""
    examiner, data = site.examiner, site.planner._data
    space = space_of(site.dense, site.wanted)
    examiner._planner = GridPlanner(site.dense, data, template=task.cut, space=space, counted="macs", seed=task.seed)
    candidates = [
        Candidate(structure=structure, criterion=criterion, profile=Profile.EVEN, amount=ratio)
        for ratio in RATIOS
        for structure in STRUCTURES
        for criterion in CRITERIA
    ]
    found: list[Trial] = []
    for numbered in enumerate(candidates, start=1):
        alone = iter([numbered])
        found += hold_heat(examiner, lambda: next(alone, None), past=lambda: (), watch=lambda _: SILENT)  # noqa: B023
        print(numbered[0], found[-1].standing, found[-1].why, flush=True)
    return found


def row(part: str, trials: Sequence[Trial], seconds: float, *, seed: int) -> dict[str, Any]:
    """Return what one way found and took."""
    best = best_of(trials)
    rungs = [rung for trial in trials for rung in trial.rungs if part == "search" or rung.name in WHOLE]
    return {
        "part": part,
        "num_candidates": len(trials),
        "num_whole": sum(trial.rung("full") is not None for trial in trials),
        "num_passed": sum(trial.standing is Standing.PASSED for trial in trials),
        "best_macs": None if best is None else best.macs,
        "best_share": None if best is None else best.cost,
        "best": None if best is None else f"{best.structure}, {best.criterion}, {best.profile}",
        "best_accuracy": None if best is None else best.accuracy,
        "best_robust": None if best is None else best.robust,
        "num_images_trained": sum(rung.num_images_trained for rung in rungs),
        "num_passes": sum(rung.num_passes for rung in rungs),
        "cpu_seconds": sum(rung.cpu_seconds for rung in rungs),
        "seconds": seconds,
        "load": round(os.getloadavg()[0], 1),
        "settings": {"seed": seed, "minimise": "macs", "policy": "compressor/demo/policy.toml"},
    }


if __name__ == "__main__":
    main()
