"""Rows of a benchmark as JSON: what was measured, the command, the host and the versions."""

import json
import shlex
import sys
from pathlib import Path
from typing import Any

from compressor.records import now
from compressor.runtime.machine import host, versions


def write_rows(path: Path, rows: list[dict[str, Any]]) -> None:
    """Write the rows of one benchmark to `path`, whole, and show where."""
    command = shlex.join(["python", "-m", f"benchmarks.{Path(sys.argv[0]).stem}", *sys.argv[1:]])
    record = {"created": now(), "command": command, "host": host(), "versions": versions(), "rows": rows}
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(record, indent=1) + "\n")
    print(f"wrote {path}: {len(rows)} rows", flush=True)
