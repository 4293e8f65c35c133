"""Whether a search keeps within its budget: the command line on the demo's model, once for each budget.

    python -m benchmarks.search_budget 150 240 --output benchmarks/results

What is timed is the whole process, from its start to its exit, with one thread of torch.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from importlib.resources import files
from pathlib import Path
from typing import Any

from benchmarks.rows import write_rows
from compressor.demo import train_digits


def main() -> None:
    """Search once for each budget, and write one file of rows."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("budgets", nargs="+", type=int, metavar="SECONDS")
    parser.add_argument("--output", type=Path, required=True)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        here = Path(folder)
        train_digits(here / "digits.safetensors", seed=0)
        (here / "policy.toml").write_bytes((files("compressor.demo") / "policy.toml").read_bytes())
        rows = []
        for budget in options.budgets:
            rows.append(row_of(here, budget))
            print(rows[-1], flush=True)
        write_rows(options.output / "search-budget.json", rows)


def row_of(here: Path, budget: int) -> dict[str, Any]:
    """Search once, in a folder of its own."""
    work = here / str(budget)
    command = [sys.executable, "-m", "cli", "search", str(here / "digits.safetensors"), "--data", "digits"]
    command += ["--policy", str(here / "policy.toml"), "--minimise", "macs", "--budget", f"{budget}s", "--json"]
    command += ["--work-dir", str(work / "state"), "--output", str(work / "out")]
    begun = time.monotonic()
    ended = subprocess.run(
        command, capture_output=True, text=True, check=False, env={**os.environ, "OMP_NUM_THREADS": "1"}
    )
    seconds = time.monotonic() - begun
    kept = list((work / "out").rglob("*trials.json"))
    trials = json.loads(kept[0].read_bytes())["trials"] if kept else []
    winner = json.loads(kept[0].read_bytes())["winner"] if kept else None
    return {
        "budget_seconds": budget,
        "seconds": seconds,
        "exit": ended.returncode,
        "num_candidates": len(trials) if kept else None,
        "best_share": next((trial["cost"] for trial in trials if trial["number"] == winner), None),
        "said": next((line for line in ended.stderr.splitlines() if line.startswith(("error: ", "undecided: "))), ""),
        "load": round(os.getloadavg()[0], 1),
    }


if __name__ == "__main__":
    main()
