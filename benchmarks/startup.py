"""How long the command line takes before it works: `compress --help`, and `compress gate` from start to verdict.

    python -m benchmarks.startup --output benchmarks/results

Each round starts a fresh process of every command, one after the other, so that a busy moment meets all of them; the
first rounds only warm the disk's cache. `python -c pass` is what no Python program can be faster than.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.rows import ROOT, write_rows
from compressor.bench.record import SCHEMA, Latency, LatencyRow
from compressor.records import dump, now, tool_version

COMMANDS = {
    "python -c pass": ("-c", "pass"),
    "compress --help": ("-m", "cli", "--help"),
    "compress gate": ("-m", "cli", "gate", "latency.json", "--policy", "policy.toml"),
}
"""What a row is called, and what Python is started with."""

POLICY = 'schema = "compress.policy/1"\n[[latency]]\nprovider = "cpu"\nmax_p50_ms = 5.0\n'
WARM_UP = 3


def main() -> None:
    """Measure, and write one file of rows."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=40)
    parser.add_argument("--output", type=Path, required=True)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        here = Path(folder)
        (here / "policy.toml").write_text(POLICY)
        (here / "latency.json").write_bytes(dump(_latency()))
        rows = measured(here, num_rounds=options.rounds)
    write_rows(options.output / "startup.json", rows)
    for row in rows:
        print(
            f"{row['command']:<16} {row['median_seconds']:.3f} s, {row['median_cpu_seconds']:.3f} s of processor time"
        )


def measured(folder: Path, *, num_rounds: int) -> list[dict[str, Any]]:
    """Return one row a command.

    Args:
        folder: where they run.
        num_rounds: how often each is timed.
    """
    times: dict[str, list[tuple[float, float]]] = {name: [] for name in COMMANDS}
    for number in range(-WARM_UP, num_rounds):
        for name, arguments in COMMANDS.items():
            taken = timed(arguments, folder)
            if number >= 0:
                times[name].append(taken)
    return [
        {
            "command": name,
            "num_runs": num_rounds,
            "median_seconds": statistics.median(wall for wall, _ in taken),
            "p90_seconds": statistics.quantiles([wall for wall, _ in taken], n=10)[-1],
            "median_cpu_seconds": statistics.median(cpu for _, cpu in taken),
            "load": round(os.getloadavg()[0], 1),
        }
        for name, taken in times.items()
    ]


def timed(arguments: tuple[str, ...], folder: Path) -> tuple[float, float]:
    """Run Python once and return its seconds by the clock and on the processor."""
    environment = os.environ | {"PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": ""}
    begin = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, *arguments], cwd=folder, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    )
    assert process.stderr is not None
    words = process.stderr.read()
    _, status, used = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - begin
    process.returncode = os.waitstatus_to_exitcode(status)
    process.stderr.close()
    if process.returncode:
        raise RuntimeError(f"{arguments} ended with {process.returncode}: {words.decode()}")
    return seconds, used.ru_utime + used.ru_stime


def _latency() -> Latency:
    row = LatencyRow(
        provider="cpu",
        device_name="some processor",
        batch=1,
        threads=1,
        num_runs=1000,
        p50_ms=1.0,
        p90_ms=1.5,
        p99_ms=2.0,
        images_per_second=1000.0,
        nodes_on_provider_fraction=1.0,
        transfers_included=True,
    )
    return Latency(
        schema=SCHEMA,
        created=now(),
        tool_version=tool_version(),
        artefact_sha256="00" * 32,
        rows=(row,),
        against=None,
        host={},
        noisy=False,
    )


if __name__ == "__main__":
    main()
