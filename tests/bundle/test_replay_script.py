"""replay.py alone: Python, numpy and onnxruntime, with torch and compress out of reach."""

import ast
import json
import sys
from pathlib import Path

import pytest
from replaying import NOT_THERE, replay

from compressor.bench.record import SCHEMA as LATENCY_SCHEMA
from compressor.bench.record import Latency
from compressor.bundle import check_sums
from compressor.bundle.replay_script import replay_script
from compressor.export.record import SCHEMA as PARITY_SCHEMA
from compressor.export.record import Parity
from compressor.files import sha256_of_file
from compressor.records import parse


def test_the_script_is_python_3_8() -> None:
    """It parses as Python 3.8, imports nothing but the standard library at the top, and is ASCII."""
    tree = ast.parse(replay_script().decode("ascii"), feature_version=(3, 8))
    top = {name.name for node in tree.body if isinstance(node, ast.Import) for name in node.names}
    assert top <= set(sys.stdlib_module_names)


def test_a_bundle_holds_and_its_records_are_ours(folder: Path, tmp_path: Path) -> None:
    """Exit code 0; parity.json and latency.json are strict records about this model; the bundle is untouched."""
    output = tmp_path / "results"
    done = replay(folder, "--batch", "1", "3", "--runs", "30", "--output", str(output))
    assert done.returncode == 0, done.stdout + done.stderr
    model = sha256_of_file(folder / "model.onnx")
    parity = parse((output / "parity.json").read_bytes(), Parity, source="parity.json")
    assert (parity.schema, parity.artefact_sha256, parity.decision) == (PARITY_SCHEMA, model, "passed")
    assert (parity.agreement, parity.num_images, parity.batches, parity.provider) == (1.0, 10, (1, 3, 8), "cpu")
    assert parity.max_rel < 1e-5
    assert parity.bytes_model == (folder / "model.onnx").stat().st_size
    latency = parse((output / "latency.json").read_bytes(), Latency, source="latency.json")
    assert (latency.schema, latency.artefact_sha256, latency.against) == (LATENCY_SCHEMA, model, None)
    assert [(row.batch, row.threads, row.num_runs, row.p99_ms) for row in latency.rows] == [
        (1, 1, 30, None),
        (3, 1, 30, None),
    ]
    assert all(0 < row.p50_ms <= row.p90_ms and row.device_name for row in latency.rows)
    assert {row.nodes_on_provider_fraction for row in latency.rows} == {1.0}
    assert check_sums(folder) == ()
    assert sorted(path.name for path in output.iterdir()) == ["latency.json", "parity.json"]


def test_without_output_nothing_is_written(folder: Path, tmp_path: Path) -> None:
    """It says what it found, and that is all."""
    before = sorted(path.name for path in tmp_path.rglob("*"))
    assert replay(folder, "--runs", "10").returncode == 0
    assert sorted(path.name for path in tmp_path.rglob("*")) == before


def test_a_fixed_batch_size(fixed_folder: Path) -> None:
    """Such a model is fed padded batches; timing another size is refused with the fix."""
    done = replay(fixed_folder, "--batch", "4", "--runs", "10")
    assert done.returncode == 0, done.stdout + done.stderr
    done = replay(fixed_folder, "--batch", "1", "--runs", "10")
    assert done.returncode == 2
    assert "--batch 4" in done.stderr


def test_another_model_behind_the_same_answers(other_folder: Path, tmp_path: Path) -> None:
    """The sums are fresh, but the answers are not the stored ones: 3, and the record says failed."""
    done = replay(other_folder, "--runs", "10", "--output", str(tmp_path / "results"))
    assert done.returncode == 3, done.stdout + done.stderr
    assert "FAILED parity" in done.stdout
    assert "FAILED adversarial" in done.stdout
    assert json.loads((tmp_path / "results" / "parity.json").read_text())["decision"] == "failed"


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("labels.txt", b"other", "labels.txt was changed"),
        ("extra.txt", b"", "extra.txt is not listed"),
        ("SHA256SUMS", b"x\n", "is not listed"),
    ],
)
def test_a_changed_bundle_does_not_hold(folder: Path, name: str, content: bytes, words: str) -> None:
    """3, before anything of it is run; numpy is not even needed to say so."""
    (folder / name).write_bytes(content)
    done = replay(folder, blocked=(*NOT_THERE, "numpy", "onnxruntime"))
    assert done.returncode == 3
    assert words in done.stdout


@pytest.mark.parametrize(
    ("options", "blocked", "words"),
    [
        (("--provider", "nonsense"), (), "is not known"),
        (("--runs", "9"), (), "at least 10"),
        (("--output", "{folder}/results"), (), "inside the bundle"),
        (("{folder}/..",), (), "no SHA256SUMS"),
        ((), ("onnxruntime",), "install numpy and onnxruntime"),
    ],
)
def test_what_cannot_be_run_is_2(folder: Path, options: tuple[str, ...], blocked: tuple[str, ...], words: str) -> None:
    """A wrong option or a machine that lacks something is neither a pass nor a failure."""
    given = [option.format(folder=folder) for option in options]
    done = replay(folder, *given, blocked=(*NOT_THERE, *blocked))
    assert done.returncode == 2, done.stdout + done.stderr
    assert words in done.stderr


def test_a_provider_that_does_not_load_is_2_and_no_number(folder: Path) -> None:
    """Where CUDA cannot run, onnxruntime falls back to the CPU without a word; the script does not."""
    done = replay(folder, "--provider", "cuda", "--runs", "10")
    assert done.returncode == 2 or "GPU" in done.stdout or "NVIDIA" in done.stdout
    assert done.returncode == 0 or ("did not load" in done.stderr or "has no CUDA" in done.stderr)
