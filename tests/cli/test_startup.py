"""Start-up is judged by the modules loaded, never by a clock."""

import subprocess
import sys

import pytest

HEAVY = (
    "torch",
    "torchvision",
    "onnxruntime",
    "onnx",
    "torch_pruning",
    "torchattacks",
    "scipy",
    "sklearn",
    "numpy",
    "matplotlib",
)


def _loaded(code: str) -> set[str]:
    """Run `code` in a fresh interpreter and return the top-level modules it left loaded."""
    report = f"import sys\n{code}\nprint(*sorted(name.split('.')[0] for name in sys.modules), file=sys.stderr)"
    done = subprocess.run([sys.executable, "-c", report], capture_output=True, text=True, check=True)
    return set(done.stderr.splitlines()[-1].split())


@pytest.mark.parametrize("arguments", [["--help"], ["--version"], ["prune", "--help"], ["gate", "--help"]])
def test_help_loads_nothing_heavy(arguments: list[str]) -> None:
    """Help and version are instant: no numerical library is imported."""
    loaded = _loaded(f"from cli.app import run\nassert run({arguments!r}) == 0")
    assert loaded.isdisjoint(HEAVY)
    assert "typer" in loaded


def test_gate_runs_without_numerical_libraries(tmp_path) -> None:
    """The gate's whole path loads neither torch nor onnxruntime, also when it judges."""
    (tmp_path / "policy.toml").write_text('schema = "compress.policy/1"\n[accuracy]\nmin = 0.9\n')
    (tmp_path / "parity.json").write_text("{}")
    arguments = ["gate", str(tmp_path / "parity.json"), "--policy", str(tmp_path / "policy.toml")]
    loaded = _loaded(f"from cli.app import run\nassert run({arguments!r}) == 2")
    assert loaded.isdisjoint(HEAVY)


def test_face_of_the_library_is_lazy() -> None:
    """Importing compressor costs nothing; its names come when they are used."""
    assert _loaded("import compressor").isdisjoint(HEAVY)
    assert _loaded("import compressor\ncompressor.read_policy").isdisjoint(HEAVY)
