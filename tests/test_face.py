"""The face of the library: its names, sorted, and each the verb it says."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import compressor


def test_names_are_sorted_and_there() -> None:
    """Every name of `__all__` can be had."""
    assert compressor.__all__ == sorted(compressor.__all__) == sorted(compressor._HOMES)
    for name in compressor.__all__:
        assert callable(getattr(compressor, name)), name


def test_type_checkers_see_each_name_where_it_is_imported_from() -> None:
    """The imports for them and the table for running name the same homes."""
    (block,) = [node for node in ast.parse(Path(compressor.__file__).read_text()).body if isinstance(node, ast.If)]
    told = {name.name: node.module for node in block.body for name in node.names}
    assert told == compressor._HOMES


def test_paths_may_be_text_and_words_are_enough(digits_checkpoint: Path, tmp_path: Path) -> None:
    """The route of the library's own docstring, as somebody types it."""
    policy = tmp_path / "policy.toml"
    policy.write_text('schema = "compress.policy/1"\n[size]\nmax_params = 1000000\n')
    dense = compressor.load(str(digits_checkpoint))
    data = compressor.open_data("digits", preprocess=dense.preprocess, input_size=(8, 8))
    slim = compressor.slim(dense, compressor.plan(dense, ratio=0.5, structure="filters"))
    compressor.save_slim(slim, str(tmp_path / "slim.safetensors"))
    onnx = compressor.export_onnx(slim)
    (tmp_path / "model.onnx").write_bytes(onnx)
    parity = compressor.check_parity(slim, onnx)
    certificate, _ = compressor.certify(
        slim,
        data.test.take(range(8)),
        threats=[compressor.Threat(norm="linf", epsilon="1/64")],
        battery="quick",
        artefact=onnx,
        data_spec="digits",
        params=1,
        macs=1,
    )
    latency = compressor.bench(str(tmp_path / "model.onnx"), num_runs=30)
    evidence = compressor.evidence_of(certificate=certificate, parity=parity, latency=[latency], model=onnx)
    verdict = compressor.judge(compressor.read_policy(str(policy)), evidence, now="2027-01-31T12:00:00+00:00")
    assert verdict.decision == "passed"
    with pytest.raises(compressor.CompressorError):
        compressor.read_policy(str(tmp_path / "absent.toml"))


@pytest.mark.slow
def test_a_package_does_not_hide_the_verb_of_its_name() -> None:
    """`compressor.load` stays the function when `compressor.load` the package was imported first."""
    code = "import compressor.load.checkpoint, compressor.finetune, compressor.verify, compressor\n"
    code += "assert all(callable(getattr(compressor, n)) for n in ('load', 'finetune', 'verify', 'certify', 'bench'))"
    subprocess.run([sys.executable, "-c", code], check=True)
