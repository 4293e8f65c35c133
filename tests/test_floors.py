"""The floor table: imports run down only, and each heavy library is known in few rooms."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]

FLOORS = {
    "compressor.errors": 10,
    "compressor.launch": 10,
    "compressor.types": 11,
    "compressor.progress": 11,
    "compressor.files": 11,
    "compressor.records": 12,
    "compressor.archive": 12,
    "compressor.lock": 13,
    "compressor.usercode": 12,
    "compressor.data": 20,
    "compressor.evaluate": 21,
    "compressor.attacks": 22,
    "compressor.corruptions": 22,
    "compressor.prove": 24,
    "compressor.runtime": 23,
    "compressor.load": 30,
    "compressor.prune": 31,
    "compressor.finetune": 31,
    "compressor.export": 31,
    "compressor.certify": 31,
    "compressor.bench": 31,
    "compressor.gate": 40,
    "compressor.bundle": 41,
    "compressor.report": 50,
    "compressor.pipeline": 62,
    "compressor.verify": 60,
    "compressor.task": 58,
    "compressor.asked": 59,
    "compressor.assemble": 59,
    "compressor.measures": 59,
    "compressor.steps": 60,
    "compressor.shipping": 60,
    "compressor.subject": 60,
    "compressor.shrink": 61,
    "compressor.describe": 60,
    "compressor.sensitivity": 60,
    "compressor.estimate": 61,
    "compressor.search": 63,
    "compressor.demo": 63,
    "compressor": 64,
    "cli": 70,
}
"""Higher may import lower. Equal floors (the stages) know each other's records only."""

RECORDS = {
    "compressor.load": {"compressor.load.checkpoint", "compressor.load"},
    "compressor.certify": {"compressor.certify.certificate", "compressor.certify.outcomes"},
    "compressor.export": {"compressor.export.record", "compressor.export"},
    "compressor.bench": {"compressor.bench.record", "compressor.bench"},
}
"""What a stage of the same floor may import of another."""

ONLY_IN = {
    "torch_pruning": ("compressor/prune/coupling",),
    "torchattacks": ("compressor/attacks/torchattacks",),
    "onnxruntime": ("compressor/runtime/",),
    "typer": ("cli/",),
    "rich": ("cli/",),
    "sklearn": ("compressor/data/digits",),
    "matplotlib": ("compressor/report/drawings/canvas",),
    "optuna": ("compressor/search/study", "compressor/search/database", "compressor/search/proposing"),
}
"""Where a library may be imported."""

FILES = sorted([*ROOT.glob("compressor/**/*.py"), *ROOT.glob("cli/**/*.py")])


def _module(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def _room(module: str) -> str:
    """Return the longest key of the table that the module lies in."""
    matches = [name for name in FLOORS if module == name or module.startswith(name + ".")]
    if module.startswith("compressor.") and matches == ["compressor"]:
        pytest.fail(f"{module} stands on no floor: add it to the table")
    return max(matches, key=len)


def _imports(path: Path) -> list[str]:
    found = []
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            assert node.module is not None
            found.append(node.module)
            candidates = [f"{node.module}.{alias.name}" for alias in node.names]
            found += [name for name in candidates if (ROOT / Path(*name.split("."))).with_suffix(".py").exists()]
    return found


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_run_down_only(path: Path) -> None:
    """No file imports from a floor above its own, and stages share records, never verbs."""
    here = _room(_module(path))
    for name in _imports(path):
        if not name.startswith(("compressor", "cli")):
            continue
        there = _room(name)
        if there == here:
            continue
        assert FLOORS[there] <= FLOORS[here], f"{path} imports {name}, which is above it"
        if FLOORS[there] == FLOORS[here] and FLOORS[here] >= 30:
            assert name in RECORDS.get(there, set()), f"{path} imports {name}: a verb of a stage beside it"


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_heavy_libraries_stay_in_their_rooms(path: Path) -> None:
    """Libraries that are heavy, or that could be replaced, are known where they belong only."""
    relative = path.relative_to(ROOT).as_posix()
    for name in _imports(path):
        allowed = ONLY_IN.get(name.split(".")[0])
        assert allowed is None or relative.startswith(allowed), f"{relative} imports {name}"


def test_the_library_is_silent() -> None:
    """Nothing in compressor prints or exits; docstrings and strings may speak of it."""
    for path in FILES:
        if path.is_relative_to(ROOT / "cli"):
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call):
                name = ast.unparse(node.func)
                assert name not in {"print", "exit", "quit", "sys.exit", "os._exit"}, (
                    f"{path}:{node.lineno} calls {name}"
                )
