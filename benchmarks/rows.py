"""Rows of a benchmark as JSON: what was measured, the command, the host and the versions."""

import hashlib
import json
import shlex
import sys
from collections.abc import Collection, Iterable
from pathlib import Path
from typing import Any

from compressor.records import now
from compressor.runtime.machine import host, versions

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "benchmarks" / "results"


def write_rows(path: Path, rows: list[dict[str, Any]]) -> None:
    """Write the rows of one benchmark to `path`, whole, and show where."""
    program = Path(sys.argv[0]).resolve()
    within = program.relative_to(ROOT) if program.is_relative_to(ROOT) else Path("benchmarks", program.name)
    # Where things lie is this machine's own affair: of an absolute path the last part is kept.
    typed = [Path(word).name if Path(word).is_absolute() else word for word in sys.argv[1:]]
    command = shlex.join(["python", "-m", ".".join(within.with_suffix("").parts), *typed])
    record = {"created": now(), "command": command, "host": host(), "versions": versions(), "rows": rows}
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(record, indent=1) + "\n")
    print(f"wrote {path}: {len(rows)} rows", flush=True)


def digest_of_code(places: Iterable[str], *, but: Collection[str] = ()) -> str:
    """Return a digest over files and folders of code: 16 hex digits.

    Args:
        places: relative to the repository.
        but: files that are left out.
    """
    digest = hashlib.sha256()
    for place in places:
        path = ROOT / place
        for file in sorted(path.rglob("*.py")) if path.is_dir() else [path]:
            if file.relative_to(ROOT).as_posix() not in but:
                digest.update(file.read_bytes())
    return digest.hexdigest()[:16]
